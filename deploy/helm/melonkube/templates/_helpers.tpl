{{/* Beginning of all names, short enough for what follows it. */}}
{{- define "melonkube.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains "melonkube" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-melonkube" (.Release.Name | trunc 30 | trimSuffix "-") }}
{{- end }}
{{- end }}

{{/* What pods are chosen by: (list $ component). */}}
{{- define "melonkube.selector" -}}
app.kubernetes.io/name: melonkube
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of an object: (list $ component). */}}
{{- define "melonkube.labels" -}}
{{ include "melonkube.selector" . }}
{{- with index . 0 }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
{{- end }}

{{/* An image: (list $ service). */}}
{{- define "melonkube.image" -}}
{{- $ := index . 0 -}}
{{ $.Values.image.prefix }}/{{ index . 1 }}:{{ $.Values.image.tag | default $.Chart.AppVersion }}
{{- end }}

{{- define "melonkube.tokenSecret" -}}
{{ .Values.tokens.existingSecret | default (printf "%s-tokens" (include "melonkube.fullname" .)) }}
{{- end }}

{{- define "melonkube.ownerSecret" -}}
{{ .Values.owner.existingSecret | default (printf "%s-owner" (include "melonkube.fullname" .)) }}
{{- end }}

{{- define "melonkube.workerNamespace" -}}
{{ .Values.workers.namespace | default .Release.Namespace }}
{{- end }}

{{/* Bytes of a quantity in Mi or Gi. */}}
{{- define "melonkube.bytes" -}}
{{- if hasSuffix "Gi" . }}{{ mul (trimSuffix "Gi" . | int64) 1073741824 }}
{{- else }}{{ mul (trimSuffix "Mi" . | int64) 1048576 }}
{{- end }}
{{- end }}

{{/* Cores as a number: 0.5 of 500m. */}}
{{- define "melonkube.cores" -}}
{{- if hasSuffix "m" (toString .) }}{{ divf (trimSuffix "m" . | float64) 1000.0 }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* Every name people may use for the gateway, separated by commas. */}}
{{- define "melonkube.hosts" -}}
{{- $name := printf "%s-gateway" (include "melonkube.fullname" .) -}}
{{- $port := .Values.gateway.service.port | int -}}
{{- $hosts := list -}}
{{- range list $name (printf "%s.%s" $name .Release.Namespace) (printf "%s.%s.svc" $name .Release.Namespace) (printf "%s.%s.svc.cluster.local" $name .Release.Namespace) -}}
{{- $hosts = append $hosts (ternary . (printf "%s:%d" . $port) (has $port (list 80 443))) -}}
{{- end -}}
{{- if and .Values.ingress.enabled .Values.ingress.host }}{{ $hosts = append $hosts .Values.ingress.host }}{{ end -}}
{{ concat $hosts .Values.hosts | uniq | join "," }}
{{- end }}

{{- define "melonkube.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "melonkube.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* What a pod says about where it may run: (list $ component its-values). */}}
{{- define "melonkube.placement" -}}
{{- $ := index . 0 -}}
{{- $component := index . 1 -}}
{{- with index . 2 }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "melonkube.selector" (list $ $component) | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}

{{/* The environment of a service: a dict with root, service, plain (name -> text), secret (name -> list of Secret and key).
     What people set for the service goes before what they set for all, and both before what the chart sets. */}}
{{- define "melonkube.environment" -}}
{{- $ := .root -}}
{{- $name := include "melonkube.fullname" $ -}}
{{- $all := dict
  "MELON_LISTEN__HOST" "0.0.0.0"
  "MELON_LISTEN__PORT" "8080"
  "MELON_LISTEN__SHUTDOWN_SECONDS" "25"
  "MELON_DATA_DIR" "/data"
  "MELON_TOKENS__KEY_FILE" "/etc/melonkube/tokens/token-key.pem"
  "MELON_PEERS__REGISTRY" (printf "http://%s-registry:8080" $name)
  "MELON_PEERS__TUNER" (printf "http://%s-tuner:8080" $name)
  "MELON_PEERS__SERVING" (printf "http://%s-serving-pods:8080" $name) }}
{{- $set := merge dict (index $.Values .service).settings $.Values.settings }}
{{- range $key, $value := mergeOverwrite $all .plain $set }}
- name: {{ $key }}
  value: {{ ternary (int64 $value) $value (and (kindIs "float64" $value) (eq (float64 $value) (floor $value))) | toString | quote }}
{{- end }}
{{- range $key, $from := .secret }}
- name: {{ $key }}
  valueFrom:
    secretKeyRef: {name: {{ index $from 0 }}, key: {{ index $from 1 }}}
{{- end }}
{{- end }}

{{/* For the three services that have a database. */}}
{{- define "melonkube.database" -}}
{{- dict "DATABASE_URL" (list
  (.Values.postgresql.enabled | ternary (printf "%s-postgresql" (include "melonkube.fullname" .)) .Values.database.existingSecret)
  (.Values.postgresql.enabled | ternary "url" .Values.database.existingSecretKey)) | toJson }}
{{- end }}

{{/* The three probes: (list readiness-path). A Host of loopback, because the gateway answers to no other that is not its own. */}}
{{- define "melonkube.probes" -}}
{{- $host := "httpHeaders: [{name: Host, value: \"localhost:8080\"}]" -}}
startupProbe:
  httpGet: {path: /healthz, port: http, {{ $host }}}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 90
livenessProbe:
  httpGet: {path: /healthz, port: http, {{ $host }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: {{ index . 0 }}, port: http, {{ $host }}}
  periodSeconds: 5
  timeoutSeconds: 4
  failureThreshold: 2
{{- end }}

{{/* The Deployment and Service of one of our services.
     A dict: root, service, plain and secret (of the environment), readiness (path), grace (seconds), drain (seconds before SIGTERM),
     strategy (YAML), replicas (a number, or nothing), data (YAML of the volume), token (whether it calls the cluster),
     after (a service that must have answered three times in a row before this one begins). */}}
{{- define "melonkube.deployment" -}}
{{- $ := .root -}}
{{- $service := .service -}}
{{- $values := index $.Values .service -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "melonkube.fullname" $ }}-{{ .service }}
  namespace: {{ $.Release.Namespace }}
  labels: {{- include "melonkube.labels" (list $ .service) | nindent 4 }}
spec:
  {{- if not (kindIs "invalid" .replicas) }}
  replicas: {{ .replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy: {{- .strategy | nindent 4 }}
  selector:
    matchLabels: {{- include "melonkube.selector" (list $ .service) | nindent 6 }}
  template:
    metadata:
      labels: {{- include "melonkube.labels" (list $ .service) | nindent 8 }}
      {{- with $values.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "melonkube.fullname" $ }}-{{ .service }}
      automountServiceAccountToken: {{ .token }}
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ .grace }}
      securityContext: {{- include "melonkube.podSecurity" 65532 | nindent 8 }}
      {{- with $.Values.image.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      {{- include "melonkube.placement" (list $ .service $values) | nindent 6 }}
      {{- with .after }}
      initContainers:
        - name: wait
          image: {{ include "melonkube.image" (list $ $service) }}
          imagePullPolicy: {{ $.Values.image.pullPolicy }}
          command:
            - python
            - -c
            - |
              import sys, time, urllib.request
              in_a_row = 0
              while in_a_row < 3:
                  try:
                      urllib.request.urlopen(sys.argv[1], timeout=3).close()
                      in_a_row += 1
                  except OSError:
                      in_a_row = 0
                  time.sleep(1)
            - http://{{ include "melonkube.fullname" $ }}-{{ . }}:8080/readyz
          resources:
            requests: {cpu: 10m, memory: 32Mi}
            limits: {memory: 128Mi}
          securityContext: {{- include "melonkube.containerSecurity" $ | nindent 12 }}
      {{- end }}
      containers:
        - name: {{ .service }}
          image: {{ include "melonkube.image" (list $ .service) }}
          imagePullPolicy: {{ $.Values.image.pullPolicy }}
          ports:
            - {name: http, containerPort: 8080}
          env:
            {{- include "melonkube.environment" . | trim | nindent 12 }}
          {{- include "melonkube.probes" (list .readiness) | nindent 10 }}
          {{- with .drain }}
          lifecycle:
            preStop:
              sleep: {seconds: {{ . }}}
          {{- end }}
          resources: {{- toYaml $values.resources | nindent 12 }}
          securityContext: {{- include "melonkube.containerSecurity" $ | nindent 12 }}
          terminationMessagePolicy: FallbackToLogsOnError
          volumeMounts:
            - {name: tokens, mountPath: /etc/melonkube/tokens, readOnly: true}
            - {name: tmp, mountPath: /tmp}
            - {name: data, mountPath: /data}
      volumes:
        - name: tokens
          secret:
            secretName: {{ include "melonkube.tokenSecret" $ }}
            defaultMode: 0440
            items: [{key: token-key.pem, path: token-key.pem}]
        - {name: tmp, emptyDir: {}}
        - name: data
          {{- .data | nindent 10 }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include "melonkube.fullname" $ }}-{{ .service }}
  namespace: {{ $.Release.Namespace }}
  labels: {{- include "melonkube.labels" (list $ .service) | nindent 4 }}
  {{- with ($values.service).annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ ($values.service).type | default "ClusterIP" }}
  selector: {{- include "melonkube.selector" (list $ .service) | nindent 4 }}
  ports:
    - name: http
      port: {{ ($values.service).port | default 8080 }}
      targetPort: http
      {{- with ($values.service).nodePort }}
      nodePort: {{ . }}
      {{- end }}
{{- end }}
