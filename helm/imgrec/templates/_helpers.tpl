{{/* Names. Each is cut so that what is put behind it still fits into 63 characters. */}}

{{- define "imgrec.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "imgrec.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "imgrec.manager" -}}{{ include "imgrec.fullname" . }}-manager{{- end }}
{{- define "imgrec.worker" -}}{{ include "imgrec.fullname" . }}-worker{{- end }}

{{/* The headless Service: one address for each manager. */}}
{{- define "imgrec.managers" -}}{{ include "imgrec.fullname" . }}-managers{{- end }}
{{- define "imgrec.managersHost" -}}
{{ include "imgrec.managers" . }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end }}

{{- define "imgrec.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "imgrec.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "imgrec.joinTokenSecret" -}}
{{- default (printf "%s-join-token" (include "imgrec.fullname" .)) .Values.joinToken.existingSecret }}
{{- end }}

{{/* Secrets of the worker link's certificates, wherever they come from. */}}
{{- define "imgrec.tlsSecret" -}}
{{- default (printf "%s-manager-tls" (include "imgrec.fullname" .)) .Values.tls.existingSecret }}
{{- end }}
{{- define "imgrec.tlsWorkerSecret" -}}
{{- default (printf "%s-worker-tls" (include "imgrec.fullname" .)) .Values.tls.workerSecret }}
{{- end }}
{{- define "imgrec.tlsServerName" -}}
{{- default (printf "%s.%s.svc" (include "imgrec.managers" .) .Release.Namespace) .Values.tls.serverName }}
{{- end }}

{{/* Labels. Those of a selector never change, since Kubernetes allows no change of it. */}}

{{- define "imgrec.selectorLabels" -}}
app.kubernetes.io/name: {{ include "imgrec.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "imgrec.ownLabels" -}}
{{ include "imgrec.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: imgrec
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "imgrec.labels" -}}
{{ include "imgrec.ownLabels" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Of a Pod: its selector's labels and the user's, without versions, which would replace it for nothing. */}}
{{- define "imgrec.podLabels" -}}
{{ include "imgrec.selectorLabels" . }}
{{- with mergeOverwrite (deepCopy .root.Values.commonLabels) .labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Another token of the user's restarts the Pods; one that the chart made never changes. */}}
{{- define "imgrec.podAnnotations" -}}
{{- $annotations := deepCopy .annotations }}
{{- with .root.Values.joinToken.value }}
{{- $_ := set $annotations "checksum/join-token" (sha256sum .) }}
{{- end }}
{{- if $annotations }}{{ toYaml $annotations }}{{ end }}
{{- end }}

{{- define "imgrec.image" -}}
{{- $image := .image }}
{{- $name := $image.repository }}
{{- with $image.registry }}{{ $name = printf "%s/%s" (trimSuffix "/" .) $name }}{{ end }}
{{- if $image.digest }}{{ $name }}@{{ $image.digest }}
{{- else }}{{ $name }}:{{ default .root.Chart.AppVersion $image.tag }}
{{- end }}
{{- end }}

{{/* A program's option as Kubernetes has it: {key, value} -> a variable. */}}
{{- define "imgrec.variable" -}}
IMGREC_{{ . | upper | replace "." "_" | replace "-" "_" }}
{{- end }}

{{- define "imgrec.options" -}}
{{- range $key, $value := . }}
- name: {{ include "imgrec.variable" $key }}
  {{- /* Helm reads numbers as floats: 100000 must not become 1e+05. */}}
  {{- if kindIs "float64" $value }}
  {{- if eq (float64 (int64 $value)) $value }}
  value: {{ int64 $value | toString | quote }}
  {{- else }}
  value: {{ $value | toString | quote }}
  {{- end }}
  {{- else }}
  value: {{ $value | toString | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "imgrec.gracePeriod" -}}
{{- int .terminationGracePeriodSeconds | default (add .preStopSeconds .drainSeconds 10) }}
{{- end }}

{{- define "imgrec.probe" -}}
httpGet:
  path: {{ .path }}
  port: ops
{{ toYaml .probe }}
{{- end }}

{{/* Rather on different nodes, where the user says nothing. */}}
{{- define "imgrec.affinity" -}}
{{- if .affinity }}
{{- toYaml .affinity }}
{{- else }}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "imgrec.selectorLabels" . | nindent 12 }}
{{- end }}
{{- end }}

{{/* What managers and workers schedule alike: {root, component, values}. */}}
{{- define "imgrec.scheduling" -}}
affinity:
  {{- include "imgrec.affinity" (dict "root" .root "component" .component "affinity" .values.affinity) | trim | nindent 2 }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- if .values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- $labels := include "imgrec.selectorLabels" . | fromYaml }}
  {{- range .values.topologySpreadConstraints }}
  {{- $constraint := deepCopy . }}
  {{- if not $constraint.labelSelector }}
  {{- $_ := set $constraint "labelSelector" (dict "matchLabels" $labels) }}
  {{- end }}
  - {{- toYaml $constraint | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Names that the site answers to: none (every name) unless a name of the site is known. */}}
{{- define "imgrec.allowedHosts" -}}
{{- $names := concat .Values.manager.allowedHosts (list) }}
{{- if .Values.ingress.enabled }}
{{- $names = concat $names .Values.ingress.hosts }}
{{- with .Values.ingress.shardHost }}
{{- range $shard := until (int $.Values.manager.replicas) }}
{{- $names = append $names (replace "{shard}" (toString $shard) $.Values.ingress.shardHost) }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.httpRoute.enabled }}
{{- $names = concat $names .Values.httpRoute.hostnames }}
{{- end }}
{{- $wild := false }}
{{- range $names }}{{ if contains "*" . }}{{ $wild = true }}{{ end }}{{ end }}
{{- if $wild }}*
{{- else if $names }}
{{- $service := include "imgrec.fullname" . }}
{{- $namespace := .Release.Namespace }}
{{- $domain := .Values.clusterDomain }}
{{- $names = concat $names (list $service (printf "%s.%s" $service $namespace) (printf "%s.%s.svc" $service $namespace) (printf "%s.%s.svc.%s" $service $namespace $domain)) }}
{{- range $shard := until (int .Values.manager.replicas) }}
{{- $names = append $names (include "imgrec.shardHost" (dict "root" $ "shard" $shard)) }}
{{- end }}
{{- join "," (uniq $names) }}
{{- end }}
{{- end }}

{{/* The name of one manager within the cluster: {root, shard}. */}}
{{- define "imgrec.shardHost" -}}
{{ include "imgrec.manager" .root }}-{{ .shard }}.{{ include "imgrec.managersHost" .root }}
{{- end }}

{{/* Does something send requests to one shard by its own Service? */}}
{{- define "imgrec.shardServices" -}}
{{- if or (and .Values.ingress.enabled .Values.ingress.shardHost) .Values.httpRoute.enabled }}true{{ end }}
{{- end }}

{{/* Images that wait or are worked on, of all managers of this release. */}}
{{- define "imgrec.waitingQuery" -}}
{{- $labels := printf "namespace=%q,service=%q" .Release.Namespace (include "imgrec.managers" .) }}
{{- printf "sum(imgrec_queue_depth{%s}) + sum(imgrec_in_flight{%s})" $labels $labels }}
{{- end }}

{{/* "64MiB" as nginx writes it: "64m". The manager itself takes plain bytes, KiB, MiB and GiB. */}}
{{- define "imgrec.nginxSize" -}}
{{- $size := . | toString }}
{{- if kindIs "float64" . }}{{ $size = int64 . | toString }}{{ end }}
{{- $size | replace " " "" | replace "KiB" "k" | replace "MiB" "m" | replace "GiB" "g" }}
{{- end }}
