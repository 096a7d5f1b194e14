# A service of Amazon ECS whose requests are counted by Envoy, published to Amazon CloudWatch, and
# scaled by the CPU of its tasks.
terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 3.39"
    }
  }
}

data "aws_region" "current" {}

data "aws_partition" "current" {}

locals {
  # The attribute is called region from version 6 of the provider on, where name is deprecated; id
  # is the same in all.
  region     = data.aws_region.current.id
  on_fargate = var.launch_type == "FARGATE"

  # The task definition takes 64 KiB; this is an eighth of it.
  envoy = templatefile("${path.module}/envoy.yaml.tftpl", {
    region    = local.region
    app_port  = var.app_port
    namespace = var.metric_namespace
  })
}

data "aws_iam_policy_document" "tasks" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "publish" {
  statement {
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = [var.metric_namespace]
    }
  }
}

resource "aws_iam_role" "task" {
  name_prefix        = "${var.service_name}-task-"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy" "publish" {
  name   = "publish"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.publish.json
}

# What ECS itself needs: images from ECR, and logs.
resource "aws_iam_role" "execution" {
  name_prefix        = "${var.service_name}-execution-"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_cloudwatch_log_group" "service" {
  name              = "/ecs/${var.service_name}"
  retention_in_days = 30
}

resource "aws_ecs_task_definition" "service" {
  family                   = var.service_name
  requires_compatibilities = [var.launch_type]
  network_mode             = "awsvpc"
  cpu                      = "512"
  memory                   = "1024"
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn

  container_definitions = jsonencode([
    {
      name      = "envoy"
      image     = var.envoy_image
      essential = true
      # The image's user envoy.
      user = "101"
      # It flushes when it is to end, for 10 s at most.
      entryPoint        = ["/acpw/envoy/entrypoint.sh"]
      stopTimeout       = 30
      command           = ["--log-level", "warning", "--config-yaml", local.envoy]
      memoryReservation = 160
      portMappings      = [{ containerPort = 18000, protocol = "tcp" }]
      healthCheck = {
        command = [
          "CMD", "bash", "-c",
          "exec 3<>/dev/tcp/127.0.0.1/8001 && printf 'GET /ready HTTP/1.1\\r\\nhost: envoy\\r\\nconnection: close\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]",
        ]
        interval    = 10
        timeout     = 5
        retries     = 3
        startPeriod = 10
      }
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.service.name
          awslogs-region        = local.region
          awslogs-stream-prefix = "envoy"
        }
      }
    },
    {
      name      = "app"
      image     = var.app_image
      essential = true
      # So that ECS ends the application first, and Envoy, which then flushes, last.
      dependsOn = [{ containerName = "envoy", condition = "HEALTHY" }]
      # For AWS's SDKs: metrics of the application's own go to the gateway in Envoy.
      environment = [{ name = "AWS_ENDPOINT_URL_CLOUDWATCH", value = "http://127.0.0.1:3000" }]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.service.name
          awslogs-region        = local.region
          awslogs-stream-prefix = "app"
        }
      }
    },
  ])
}

resource "aws_ecs_service" "service" {
  name                               = var.service_name
  cluster                            = var.cluster_name
  launch_type                        = var.launch_type
  platform_version                   = local.on_fargate ? "LATEST" : null
  task_definition                    = aws_ecs_task_definition.service.arn
  desired_count                      = var.min_tasks
  health_check_grace_period_seconds  = 60
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnets
    security_groups  = var.security_groups
    assign_public_ip = local.on_fargate && var.assign_public_ip
  }

  load_balancer {
    container_name   = "envoy"
    container_port   = 18000
    target_group_arn = var.target_group
  }

  # Application Auto Scaling changes it.
  lifecycle {
    ignore_changes = [desired_count]
  }
}
