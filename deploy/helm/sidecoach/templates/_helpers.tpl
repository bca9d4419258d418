{{- define "sidecoach.labels" -}}
app.kubernetes.io/name: sidecoach
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The labels of one part: (list $ "triton"). */}}
{{- define "sidecoach.part" -}}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* An image by its digest where it is known: (list $ .Values.image). */}}
{{- define "sidecoach.image" -}}
{{- $root := index . 0 -}}{{- $image := index . 1 -}}
{{- $registry := $image.registry | default $root.Values.image.registry -}}
{{- if and (eq $root.Values.profile "airgapped") (not $registry) -}}
{{- fail "profile airgapped: image.registry must name a registry of your own" -}}
{{- end -}}
{{- if $registry }}{{ $registry }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ required "an image needs a tag or a digest" $image.tag }}{{ end }}
{{- end }}

{{/* An address that the profile allows: (list $ name address). */}}
{{- define "sidecoach.address" -}}
{{- $root := index . 0 -}}{{- $address := index . 2 -}}
{{- $inside := regexMatch "^[a-z]+://[a-z0-9-]+(\\.[a-z0-9-]+(\\.svc(\\.cluster\\.local)?)?)?(:[0-9]+)?(/|$)" $address -}}
{{- if and (eq $root.Values.profile "airgapped") $address (not $inside) -}}
{{- fail (printf "profile airgapped: %s is %s, which is outside the cluster" (index . 1) $address) -}}
{{- end -}}
{{- $address -}}
{{- end }}

{{- define "sidecoach.redis" -}}
{{- if .Values.redis.enabled }}redis://{{ .Release.Name }}-redis:{{ .Values.redis.port }}/0
{{- else }}{{ include "sidecoach.address" (list . "redis.url" .Values.redis.url) }}{{ end }}
{{- end }}

{{- define "sidecoach.llm" -}}
{{- if .Values.vllm.enabled }}http://{{ .Release.Name }}-vllm:18080/v1
{{- else }}{{ include "sidecoach.address" (list . "llm.baseUrl" .Values.llm.baseUrl) }}{{ end }}
{{- end }}

{{- define "sidecoach.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1001
runAsGroup: 1001
fsGroup: 1001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "sidecoach.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "sidecoach.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The environment of whatever runs `manage.py`, but for the owner's way into the database. */}}
{{- define "sidecoach.env" -}}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
- name: ALLOWED_HOSTS
  value: {{ printf "%s,$(POD_IP)" (join "," .Values.hosts) | quote }}
{{- end }}
