{{- define "acpw.name" -}}
{{- if contains "acpw" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-acpw{{ end }}
{{- end }}

{{- define "acpw.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "acpw.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "acpw.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "acpw.labels" -}}
app.kubernetes.io/name: acpw
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
