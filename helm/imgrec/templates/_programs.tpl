{{/* What the chart says to the programs. A user's options stand beside these, never against them
(validate.yaml). */}}

{{- define "imgrec.managerEnv" -}}
- name: IMGREC_HTTP_LISTEN
  value: "0.0.0.0"
- name: IMGREC_HTTP_PORT
  value: "8080"
- name: IMGREC_WORKERS_LISTEN
  value: "0.0.0.0"
- name: IMGREC_WORKERS_PORT
  value: "2888"
- name: IMGREC_OPS_LISTEN
  value: "0.0.0.0:9090"
- name: IMGREC_STORAGE_DIR
  value: /var/lib/imgrec
- name: IMGREC_SHUTDOWN_DRAIN
  value: {{ printf "%ds" (int .Values.manager.drainSeconds) }}
{{- with include "imgrec.allowedHosts" . }}
- name: IMGREC_HTTP_ALLOWED_HOSTS
  value: {{ . | quote }}
{{- end }}
{{- if and (or .Values.ingress.enabled .Values.httpRoute.enabled) (not (hasKey .Values.manager.options "http.max-connections-per-address")) }}
# Behind a proxy everybody has its address.
- name: IMGREC_HTTP_MAX_CONNECTIONS_PER_ADDRESS
  value: "0"
{{- end }}
{{- if .Values.manager.accessToken.existingSecret }}
- name: IMGREC_HTTP_TOKEN_FILE
  value: /run/secrets/imgrec-access/token
{{- end }}
{{- if .Values.joinToken.enabled }}
- name: IMGREC_WORKERS_TOKEN_FILE
  value: /run/secrets/imgrec-join/token
{{- end }}
{{- if .Values.tls.enabled }}
- name: IMGREC_WORKERS_TLS_CERT
  value: /run/secrets/imgrec-tls/tls.crt
- name: IMGREC_WORKERS_TLS_KEY
  value: /run/secrets/imgrec-tls/tls.key
{{- if .Values.tls.clientCertificates }}
- name: IMGREC_WORKERS_TLS_CLIENT_CA
  value: /run/secrets/imgrec-tls/ca.crt
{{- end }}
{{- end }}
{{- end }}

{{- define "imgrec.workerEnv" -}}
# One name for all managers: the worker serves every address that it has, and looks again.
- name: IMGREC_WORKER_MANAGERS
  value: {{ printf "%s:2888" (include "imgrec.managersHost" .) }}
- name: IMGREC_WORKER_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: IMGREC_OPS_LISTEN
  value: "0.0.0.0:9090"
- name: IMGREC_WORKER_DRAIN
  value: {{ printf "%ds" (int .Values.worker.drainSeconds) }}
{{- if ne .Values.worker.model.source "bundled" }}
- name: IMGREC_WORKER_MODEL
  value: {{ include "imgrec.modelFolder" . }}
{{- end }}
{{- if .Values.joinToken.enabled }}
- name: IMGREC_WORKER_TOKEN_FILE
  value: /run/secrets/imgrec-join/token
{{- end }}
{{- if .Values.tls.enabled }}
- name: IMGREC_WORKER_TLS
  value: "true"
- name: IMGREC_WORKER_TLS_CA
  value: /run/secrets/imgrec-tls/ca.crt
- name: IMGREC_WORKER_TLS_SERVER_NAME
  value: {{ include "imgrec.tlsServerName" . }}
{{- if .Values.tls.clientCertificates }}
- name: IMGREC_WORKER_TLS_CERT
  value: /run/secrets/imgrec-tls/tls.crt
- name: IMGREC_WORKER_TLS_KEY
  value: /run/secrets/imgrec-tls/tls.key
{{- end }}
{{- end }}
{{- end }}

{{- define "imgrec.modelFolder" -}}
{{- if eq .Values.worker.model.source "claim" }}
{{- trimSuffix "/" (printf "/models/%s" (trimPrefix "/" .Values.worker.model.claim.path)) }}
{{- else }}/models/copy
{{- end }}
{{- end }}

{{- define "imgrec.joinTokenVolume" -}}
{{- if .Values.joinToken.enabled }}
- name: join-token
  secret:
    secretName: {{ include "imgrec.joinTokenSecret" . }}
    defaultMode: 0440
    items:
      - key: {{ .Values.joinToken.key }}
        path: token
{{- end }}
{{- end }}

{{/* What a worker sees of the link's certificates: never the managers' key. */}}
{{- define "imgrec.workerTlsVolume" -}}
- name: tls
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ include "imgrec.tlsSecret" . }}
          items:
            - key: ca.crt
              path: ca.crt
      {{- if .Values.tls.clientCertificates }}
      - secret:
          name: {{ include "imgrec.tlsWorkerSecret" . }}
          items:
            - key: tls.crt
              path: tls.crt
            - key: tls.key
              path: tls.key
      {{- end }}
{{- end }}
