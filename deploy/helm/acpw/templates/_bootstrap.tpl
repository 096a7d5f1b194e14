{{- /* A cluster with TLS: name, host. */}}
{{- define "acpw.tlsCluster" -}}
- name: {{ .name }}
  type: LOGICAL_DNS
  dns_lookup_family: V4_PREFERRED
  connect_timeout: 5s
  load_assignment:
    cluster_name: {{ .name }}
    endpoints:
    - lb_endpoints:
      - endpoint:
          address: { socket_address: { address: {{ .host }}, port_value: 443 } }
  transport_socket:
    name: envoy.transport_sockets.tls
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
      # The server must prove that it is the address above.
      auto_host_sni: true
      auto_sni_san_validation: true
      common_tls_context:
        validation_context: { trusted_ca: { filename: /etc/ssl/certs/ca-certificates.crt } }
  typed_extension_protocol_options:
    envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
      "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
      # Close idle connections before the server does: a request that meets a closing one may or may
      # not be stored.
      common_http_protocol_options: { idle_timeout: 15s }
      explicit_http_config: { http_protocol_options: {} }
{{- end }}

{{- /* What both bootstraps have: the listeners for probes and files, the clusters, the receiver. */}}
{{- define "acpw.commonListeners" -}}
# The kubelet asks here, since the admin interface is open to the pod alone. Ready until Envoy
# drains.
- name: probes
  address: { socket_address: { address: 0.0.0.0, port_value: 8002 } }
  filter_chains:
  - filters:
    - name: envoy.filters.network.http_connection_manager
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: probes
        route_config:
          virtual_hosts:
          - name: probes
            domains: ["*"]
            routes:
            - match: { path: /ready }
              route: { cluster: acpw_admin }
        http_filters:
        - name: envoy.filters.http.router
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
# The receiver has no files of its own: this listener hands it the tokens, on a Unix socket that
# only Envoy can open.
- name: acpw_files
  address: { pipe: { path: /run/acpw/files.sock, mode: 0600 } }
  filter_chains:
  - filters:
    - name: envoy.filters.network.http_connection_manager
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: acpw_files
        route_config:
          virtual_hosts:
          - name: files
            domains: ["*"]
            routes:
            - match: { prefix: "/" }
              direct_response: { status: 404 }
        http_filters:
        - name: envoy.filters.http.lua
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
            default_source_code:
              inline_string: |
                -- Only these files, by their exact names: there is no path to check.
                local files = {
                  ["/var/run/secrets/eks.amazonaws.com/serviceaccount/token"] = true,
                  ["/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"] = true,
                }
                local limit = 65536
                function envoy_on_request(handle)
                  local path, status, text = handle:headers():get(":path"), "404", nil
                  if files[path] and handle:headers():get(":method") == "GET" then
                    local file, _, errno = io.open(path, "rb")
                    if file then
                      text = file:read(limit + 1)
                      file:close()
                      if text and #text > limit then
                        status, text = "413", nil
                      elseif text then
                        status = "200"
                      end
                    elseif errno == 13 then
                      status = "403"
                    end
                  end
                  handle:respond({ [":status"] = status }, text or "")
                end
        - name: envoy.filters.http.router
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
{{- end }}

{{- define "acpw.commonClusters" -}}
{{- include "acpw.tlsCluster" (dict "name" "acpw_cloud_watch" "host" (printf "monitoring.%s.%s" .Values.region .Values.domain)) | nindent 0 }}
{{- include "acpw.tlsCluster" (dict "name" "acpw_sts" "host" (printf "sts.%s.%s" .Values.region .Values.domain)) | nindent 0 }}
# EKS Pod Identity's agent, on every node; with IPv6 it is fd00:ec2::23.
- name: acpw_eks_pod_identity
  type: STATIC
  connect_timeout: 2s
  load_assignment:
    cluster_name: acpw_eks_pod_identity
    endpoints:
    - lb_endpoints:
      - endpoint: { address: { socket_address: { address: 169.254.170.23, port_value: 80 } } }
- name: acpw_files
  type: STATIC
  load_assignment:
    cluster_name: acpw_files
    endpoints:
    - lb_endpoints:
      - endpoint: { address: { pipe: { path: /run/acpw/files.sock } } }
# Envoy's own admin interface: once it says that Envoy drains, the receiver publishes every second.
- name: acpw_admin
  type: STATIC
  connect_timeout: 2s
  load_assignment:
    cluster_name: acpw_admin
    endpoints:
    - lb_endpoints:
      - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 8001 } } }
{{- end }}

{{- define "acpw.receiver" -}}
stats_flush_interval: 5s
stats_sinks:
- name: envoy.stat_sinks.wasm
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.stat_sinks.wasm.v3.Wasm
    config:
      name: receiver
      root_id: receiver
      failure_policy: FAIL_RELOAD
      configuration:
        "@type": type.googleapis.com/google.protobuf.StringValue
        value: |
          {{- $configuration := dict
            "cloud_watch_region" .Values.region
            "cloud_watch_cluster_name" "acpw_cloud_watch"
            "admin_cluster_name" "acpw_admin"
            "metric_namespace" .Values.metricNamespace
            "credentials" (list
              (dict "provider" "environment")
              (dict "provider" "web_identity" "cluster" "acpw_sts" "file_cluster" "acpw_files")
              (dict "provider" "container" "cluster" "acpw_eks_pod_identity" "file_cluster" "acpw_files")) }}
          {{- mergeOverwrite $configuration (deepCopy .Values.receiver) | toPrettyJson | nindent 10 }}
      vm_config:
        vm_id: receiver
        runtime: envoy.wasm.runtime.v8
        code: { local: { filename: /acpw/receiver.wasm } }
        # EKS sets the first two for IRSA and the next two for Pod Identity. The others are for keys
        # from a Secret.
        environment_variables:
          host_env_keys:
          - AWS_ROLE_ARN
          - AWS_WEB_IDENTITY_TOKEN_FILE
          - AWS_CONTAINER_CREDENTIALS_FULL_URI
          - AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
          - ACPW_AWS_ACCESS_KEY_ID
          - ACPW_AWS_SECRET_ACCESS_KEY
          - ACPW_AWS_SESSION_TOKEN
{{- end }}

{{- define "acpw.gatewayBootstrap" -}}
admin:
  address: { socket_address: { address: 127.0.0.1, port_value: 8001 } }

static_resources:
  listeners:
  # Metrics of the applications: PutMetricData over HTTP.
  - name: acpw_gateway
    address: { socket_address: { address: 0.0.0.0, port_value: 3000 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: acpw_gateway
          request_timeout: 10s
          request_headers_timeout: 5s
          route_config: { virtual_hosts: [{ name: none, domains: ["*"] }] }
          http_filters:
          - name: envoy.filters.http.wasm
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: gateway
                root_id: gateway
                failure_policy: FAIL_RELOAD
                # It reads the body before anything goes on.
                allow_on_headers_stop_iteration: true
                configuration:
                  "@type": type.googleapis.com/google.protobuf.StringValue
                  value: |
                    {{- mergeOverwrite (dict "receiver_vm_id" "receiver") (deepCopy .Values.gateway.configuration) | toPrettyJson | nindent 20 }}
                vm_config:
                  # The receiver's, so that both see the same shared data.
                  vm_id: receiver
                  runtime: envoy.wasm.runtime.v8
                  code: { local: { filename: /acpw/gateway.wasm } }
                  # Posts have to bring it: whatever is in the cluster reaches this port.
                  environment_variables: { host_env_keys: [ACPW_GATEWAY_BEARER_TOKEN] }
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  {{- include "acpw.commonListeners" . | nindent 2 }}

  clusters:
{{ include "acpw.commonClusters" . | indent 2 }}

{{ include "acpw.receiver" . }}
{{- end }}

{{- define "acpw.sidecarBootstrap" -}}
admin:
  address: { socket_address: { address: 127.0.0.1, port_value: 8001 } }

static_resources:
  listeners:
  - name: main
    address: { socket_address: { address: 0.0.0.0, port_value: 18000 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: main
          access_log:
          - name: envoy.access_loggers.wasm
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.wasm.v3.WasmAccessLog
              config:
                name: sender
                root_id: sender
                failure_policy: FAIL_RELOAD
                configuration:
                  "@type": type.googleapis.com/google.protobuf.StringValue
                  value: |
                    {{- mergeOverwrite (dict "receiver_vm_id" "receiver") (deepCopy .Values.sidecar.sender) | toPrettyJson | nindent 20 }}
                vm_config:
                  vm_id: sender
                  runtime: envoy.wasm.runtime.v8
                  code: { local: { filename: /acpw/sender.wasm } }
          route_config:
            virtual_hosts:
            - name: app
              domains: ["*"]
              routes:
              - match: { prefix: "/" }
                route: { cluster: app, timeout: 60s }
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  # Metrics of the applications: PutMetricData over HTTP, for what shares this network namespace.
  - name: acpw_gateway
    address: { socket_address: { address: 127.0.0.1, port_value: 3000 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: acpw_gateway
          request_timeout: 10s
          request_headers_timeout: 5s
          route_config: { virtual_hosts: [{ name: none, domains: ["*"] }] }
          http_filters:
          - name: envoy.filters.http.wasm
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: gateway
                root_id: gateway
                failure_policy: FAIL_RELOAD
                # It reads the body before anything goes on.
                allow_on_headers_stop_iteration: true
                configuration:
                  "@type": type.googleapis.com/google.protobuf.StringValue
                  value: |
                    { "receiver_vm_id": "receiver" }
                vm_config:
                  # The receiver's, so that both see the same shared data.
                  vm_id: receiver
                  runtime: envoy.wasm.runtime.v8
                  code: { local: { filename: /acpw/gateway.wasm } }
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  {{- include "acpw.commonListeners" . | nindent 2 }}

  clusters:
  # The application.
  - name: app
    type: STATIC
    connect_timeout: 2s
    load_assignment:
      cluster_name: app
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: {{ .Values.sidecar.applicationPort }} } } }
{{ include "acpw.commonClusters" . | indent 2 }}

{{ include "acpw.receiver" . }}
{{- end }}
