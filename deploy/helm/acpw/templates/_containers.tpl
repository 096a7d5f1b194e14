{{- /* What Envoy's container has, as a sidecar and in the gateway. Its entry point flushes when it is to end. */}}
{{- define "acpw.container" -}}
name: envoy
image: {{ include "acpw.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: ["/acpw/envoy/entrypoint.sh"]
args:
- --config-path
- /etc/acpw/envoy.yaml
- --log-level
- {{ .Values.logLevel | quote }}
- --concurrency
- {{ .Values.concurrency | quote }}
startupProbe:
  httpGet: { path: /ready, port: probes }
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  tcpSocket: { port: probes }
  periodSeconds: 10
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 101
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: ["ALL"] }
  seccompProfile: { type: RuntimeDefault }
volumeMounts:
- { name: acpw-envoy, mountPath: /etc/acpw, readOnly: true }
- { name: acpw-run, mountPath: /run/acpw }
{{- end }}

{{- /* For initContainers: a native sidecar, which ends after the application. */}}
{{- define "acpw.sidecar" -}}
- restartPolicy: Always
  {{- include "acpw.container" . | nindent 2 }}
  ports:
  - { name: proxy, containerPort: 18000 }
  - { name: probes, containerPort: 8002 }
  readinessProbe:
    httpGet: { path: /ready, port: probes }
    periodSeconds: 5
  {{- with .Values.keysSecret }}
  envFrom:
  - secretRef: { name: {{ . }} }
  {{- end }}
{{- end }}

{{- define "acpw.sidecarVolumes" -}}
- name: acpw-envoy
  configMap: { name: {{ include "acpw.name" . }}-sidecar }
- name: acpw-run
  emptyDir: { medium: Memory, sizeLimit: 1Mi }
{{- end }}
