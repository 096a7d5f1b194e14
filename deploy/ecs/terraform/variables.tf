variable "cluster_name" {
  type        = string
  description = "Name of the ECS cluster."
}

variable "service_name" {
  type    = string
  default = "shop"
}

variable "launch_type" {
  type    = string
  default = "FARGATE"
  validation {
    condition     = contains(["FARGATE", "EC2"], var.launch_type)
    error_message = "The launch_type must be FARGATE or EC2."
  }
}

variable "subnets" {
  type = list(string)
}

variable "security_groups" {
  type        = list(string)
  description = "They let the load balancer reach port 18000."
}

variable "assign_public_ip" {
  type        = bool
  default     = false
  description = "True on Fargate in a subnet without NAT."
}

variable "target_group" {
  type        = string
  description = "ARN of a target group with target type ip."
}

variable "app_image" {
  type    = string
  default = "nginxinc/nginx-unprivileged:1.29"
}

variable "app_port" {
  type    = number
  default = 8080
}

variable "envoy_image" {
  type    = string
  default = "ghcr.io/OWNER/acpw-envoy:VERSION"
}

variable "metric_namespace" {
  type    = string
  default = "Envoy/Requests"
}

variable "min_tasks" {
  type    = number
  default = 2
}

variable "max_tasks" {
  type    = number
  default = 20
}
