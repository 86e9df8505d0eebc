#!/usr/bin/env bash
# Installs the chart in a real cluster and does to it what must lose no image: scaling, deleting Pods,
# an upgrade, all under load.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'EOF'
Usage: ci/k8s_smoke.sh [options] [-- HELM-ARGUMENTS...]

In the cluster of kubectl's context: builds the images, loads them, installs the chart with two
managers and two workers, runs `helm test`, uploads photos without a pause, and meanwhile scales the
workers to 3, deletes workers and managers, and upgrades the release so that every Pod is replaced.
At the end every photo that was sent must have been recognised, and each manager's ledger
(accepted = done + failed + open, of GET /api/v1/cluster) must hold exactly what was sent, all done.

  --context NAME    kubectl's context (default: the current one)
  --namespace NAME  namespace, made and deleted again (default imgrec-smoke)
  --managers N      managers, 1 to 9 (default 2)
  --tag TAG         tag of the images (default smoke)
  --no-build        the images imgrec-manager:TAG and imgrec-worker:TAG are there
  --load HOW        how they get to the nodes:
                      none       they are there, or the nodes pull them (default)
                      ctr        containerd of this machine: ctr -n k8s.io images import
                      kind=NAME  the kind cluster NAME
                      push=REGISTRY  docker push, and the nodes pull from there
                      file=COMMAND   docker save, then COMMAND FILE, such as
                                     "file=ci/kubernetes/node.sh load"
  --policies        also check that network policies hold, which not every cluster's network
                    enforces: a Pod that is no worker reaches the website, but neither the
                    workers' port nor the operations port
  --seconds N       load before, between and after what is done to it (default 5)
  --keep            leave the release and its namespace there
  --help            print this

HELM-ARGUMENTS go to every install and upgrade, such as --set manager.persistence.storageClass=fast.

Needs kubectl, curl, python3, docker where it builds or loads, and volumes that the cluster provides or
that are there; helm is taken from PATH or built by ci/chart-tools.sh. Each wait ends in time; all of it takes
two to three minutes on one small node, without the builds. DOCKER names another client than docker.

Exit codes: 0 nothing was lost, 1 something was or did not work, 2 wrong usage, 3 something is missing.
EOF
}

say() { printf '[%4d s] %s\n' "$SECONDS" "$*"; }
fail() { say "FAILED: $*" >&2; exit 1; }
need() { echo "k8s_smoke.sh: $1" >&2; exit 3; }
wrong() { echo "k8s_smoke.sh: $1; --help lists what it takes" >&2; exit 2; }

context=()
helm_context=()
namespace=imgrec-smoke
managers=2
tag=smoke
build=true
load=none
seconds=5
keep=false
policies=false
extra=()
while [ $# -gt 0 ]; do
  case "$1" in
    --help) usage; exit 0 ;;
    --no-build) build=false ;;
    --keep) keep=true ;;
    --policies) policies=true ;;
    --context | --namespace | --managers | --tag | --load | --seconds)
      [ $# -ge 2 ] || wrong "$1 takes a value"
      case "$1" in
        --context) context=(--context "$2"); helm_context=(--kube-context "$2") ;;
        --namespace) namespace=$2 ;;
        --managers) managers=$2 ;;
        --tag) tag=$2 ;;
        --load) load=$2 ;;
        --seconds) seconds=$2 ;;
      esac
      shift
      ;;
    --) shift; extra=("$@"); break ;;
    *) wrong "unknown argument \"$1\"" ;;
  esac
  shift
done
[[ $managers =~ ^[0-9]+$ && $managers -ge 1 && $managers -le 9 ]] || wrong "--managers takes 1 to 9"
[[ $seconds =~ ^[0-9]{1,4}$ ]] || wrong "--seconds takes a number"
case "$load" in none | ctr | kind=?* | push=?* | file=?*) ;; *) wrong "--load takes none, ctr, kind=NAME, push=REGISTRY or file=COMMAND" ;; esac

docker=${DOCKER:-docker}
release=smoke
name=smoke-imgrec  # what the chart's names begin with
for tool in kubectl curl python3; do
  command -v "$tool" >/dev/null || need "$tool is missing"
done
if $build || [ "$load" != none ]; then
  command -v "$docker" >/dev/null || need "$docker is missing; with the images there, use --no-build --load none"
fi
helm=$(command -v helm || true)
if [ -z "$helm" ]; then
  helm=$(ci/chart-tools.sh --helm-only)/bin/helm || need "there is no helm, and it could not be built"
fi

kc() { kubectl "${context[@]}" --namespace "$namespace" --request-timeout=30s "$@"; }
# Those that wait longer than a request may take.
kc_wait() { kubectl "${context[@]}" --namespace "$namespace" "$@"; }
hc() { "$helm" "${helm_context[@]}" --namespace "$namespace" "$@"; }

kc version >/dev/null 2>&1 || need "kubectl reaches no cluster: $(kc version 2>&1 | tail -n 1)"
if kc get namespace "$namespace" >/dev/null 2>&1; then
  need "there is a namespace $namespace already; delete it, or name another by --namespace"
fi

scratch=$(mktemp -d)
forward_pid=
# shellcheck disable=SC2317 # called by the trap
finish() {
  local code=$?
  trap - EXIT
  if [ -n "$forward_pid" ]; then kill "$forward_pid" 2>/dev/null || true; fi
  if [ "$code" -ne 0 ]; then diagnose >&2 || true; fi
  if $keep; then
    say "kept: namespace $namespace"
  else
    hc uninstall "$release" --wait --timeout 2m >/dev/null 2>&1 || true
    kubectl "${context[@]}" delete namespace "$namespace" --ignore-not-found --timeout=3m >/dev/null 2>&1 ||
      say "namespace $namespace could not be deleted" >&2
  fi
  rm -rf "$scratch"
  exit "$code"
}
# shellcheck disable=SC2317 # called by the trap
diagnose() {
  local pod
  echo "--- what there is"
  kc get all,pvc,endpointslices -o wide
  kc get events --sort-by=.lastTimestamp | tail -n 40
  for pod in $(kc get pods -o name); do
    echo "--- $pod"
    kc logs "$pod" --all-containers --tail=25 --prefix
    kc logs "$pod" --all-containers --tail=10 --prefix --previous 2>/dev/null
  done
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- images -----------------------------------------------------------------------------------------

registry=
pull=IfNotPresent
images=("imgrec-manager:$tag" "imgrec-worker:$tag")

get_images() {
  local image
  if $build; then
    for image in manager worker; do
      say "building imgrec-$image:$tag"
      "$docker" build --file docker/Dockerfile --target "$image" --tag "imgrec-$image:$tag" . \
        >"$scratch/build.log" 2>&1 || { tail -n 40 "$scratch/build.log" >&2; fail "docker build --target $image"; }
    done
  fi
  case "$load" in
    none) ;;
    ctr)
      say "loading the images into containerd"
      # containerd calls "imgrec-manager:smoke" docker.io/library/imgrec-manager:smoke, as Kubernetes does.
      "$docker" save "${images[@]}" | ctr --namespace k8s.io images import - >/dev/null
      ;;
    file=*)
      say "loading the images by ${load#file=}"
      "$docker" save --output "$scratch/images.tar" "${images[@]}"
      # shellcheck disable=SC2086 # a command with its arguments
      ${load#file=} "$scratch/images.tar" >/dev/null
      rm "$scratch/images.tar"
      ;;
    kind=*)
      say "loading the images into kind"
      kind load docker-image --name "${load#kind=}" "${images[@]}"
      ;;
    push=*)
      registry=${load#push=}
      for image in "${images[@]}"; do
        say "pushing $registry/$image"
        "$docker" tag "$image" "$registry/$image"
        "$docker" push --quiet "$registry/$image"
      done
      pull=Always
      ;;
  esac
}

# ---- the release ------------------------------------------------------------------------------------

# Small requests: this is about losing nothing, not about speed.
settings=(
  --set "manager.replicas=$managers" --set manager.drainSeconds=10
  --set manager.persistence.size=1Gi --set manager.persistence.whenDeleted=Delete
  --set manager.resources.requests.cpu=50m --set manager.resources.requests.memory=128Mi
  --set worker.resources.requests.cpu=50m --set worker.resources.requests.memory=128Mi
)

apply() {  # install|upgrade ARGUMENTS...
  local verb=$1
  shift
  hc "$verb" "$release" helm/imgrec --wait --timeout 10m \
    --set-string "manager.image.tag=$tag" --set-string "worker.image.tag=$tag" \
    --set "manager.image.registry=$registry" --set "worker.image.registry=$registry" \
    --set "manager.image.pullPolicy=$pull" --set "worker.image.pullPolicy=$pull" \
    "${settings[@]}" "${extra[@]}" "$@" >"$scratch/helm.log" 2>&1 ||
    { tail -n 30 "$scratch/helm.log" >&2; return 1; }
}

helm_test() {
  say "helm test"
  hc test "$release" --timeout 6m >"$scratch/test.log" 2>&1 ||
    { cat "$scratch/test.log" >&2; fail "helm test"; }
  tests=$((tests + 1))
}

# Prints "accepted done failed open" of one manager's ledger.
ledger() {  # POD
  local log=$scratch/forward.log port="" answer="" turn
  kubectl "${context[@]}" --namespace "$namespace" port-forward "pod/$1" :8080 >"$log" 2>&1 &
  forward_pid=$!
  for ((turn = 0; turn < 100; turn++)); do
    port=$(sed -n 's/^Forwarding from 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$log" | head -n 1)
    if [ -n "$port" ] || ! kill -0 "$forward_pid" 2>/dev/null; then break; fi
    sleep 0.1
  done
  if [ -n "$port" ]; then
    answer=$(curl --silent --fail --max-time 10 "http://127.0.0.1:$port/api/v1/cluster" || true)
  fi
  kill "$forward_pid" 2>/dev/null || true
  wait "$forward_pid" 2>/dev/null || true
  forward_pid=
  [ -n "$answer" ] || return 1
  python3 -c '
import json, sys
totals = json.load(sys.stdin)["totals"]
print(*(totals[name] for name in ("accepted", "done", "failed", "open")))' <<<"$answer"
}

# The same, asked again where a busy machine's forwarding did not come up in time.
patient_ledger() {  # POD
  local try
  for ((try = 0; try < 6; try++)); do
    if ledger "$1"; then return; fi
    sleep 2
  done
  return 1
}

# Waits until a manager has recognised more than it had; a Pod that is being replaced is asked again.
goes_on() {  # WHAT
  local pod=$name-manager-0 first="" now deadline=$((SECONDS + 180))
  while [ "$SECONDS" -lt "$deadline" ]; do
    if now=$(ledger "$pod"); then
      now=$(cut -d ' ' -f 2 <<<"$now")
      if [ -z "$first" ]; then
        first=$now
      elif [ "$now" -gt "$first" ]; then
        say "$1: it goes on, $now done at $pod"
        return
      fi
    fi
    sleep 1
  done
  fail "$1: nothing was recognised at $pod for three minutes"
}

settled() {
  kc_wait rollout status "statefulset/$name-manager" --timeout=5m >/dev/null
  kc_wait rollout status "deployment/$name-worker" --timeout=5m >/dev/null
}

# ---- load -------------------------------------------------------------------------------------------

# Uploads to every manager by its own name, 20 photos again and again, until /tmp/stop is there. The
# last lines say what was sent and what was recognised.
start_load() {
  local hosts=() shard
  for ((shard = 0; shard < managers; shard++)); do
    hosts+=("http://$name-manager-$shard.$name-managers.$namespace.svc:8080")
  done
  cat >"$scratch/load.sh" <<'EOF'
set -u
mkdir -p /tmp/photos
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do cp /test/ship.png "/tmp/photos/$n.png"; done
shard() {
  sent=0 recognised=0 failed=0
  while [ ! -e /tmp/stop ]; do
    code=0
    imgrec classify --quiet --jsonl --top 1 --timeout 5m --parallel 4 --server "$1" /tmp/photos >"/tmp/out.$2" || code=$?
    # A manager that is away just as a round begins: nothing was sent. The ledger would show it.
    if [ "$code" -eq 3 ] && [ ! -s "/tmp/out.$2" ]; then sleep 1; continue; fi
    if [ "$code" -ne 0 ]; then failed=$((failed + 1)); fi
    sent=$((sent + 20))
    recognised=$((recognised + $(grep -c '"label":"ship"' "/tmp/out.$2")))
  done
  echo "LOAD $2 sent $sent recognised $recognised failed-rounds $failed"
}
n=0
for server in "$@"; do
  shard "$server" "$n" &
  n=$((n + 1))
done
wait
echo LOAD-ENDED
EOF
  kc create configmap load --from-file="$scratch/load.sh" >/dev/null
  python3 - "$registry${registry:+/}imgrec-manager:$tag" "$pull" "$name-test" "${hosts[@]}" \
    >"$scratch/load.json" <<'EOF'
import json
import sys

image, pull, photo, *hosts = sys.argv[1:]
print(json.dumps({
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "load"},
    "spec": {
        "restartPolicy": "Never", "automountServiceAccountToken": False, "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5, "activeDeadlineSeconds": 3600,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001,
                            "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "load", "image": image, "imagePullPolicy": pull,
            "command": ["sh", "/load/load.sh", *hosts],
            "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                "capabilities": {"drop": ["ALL"]}},
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "load", "mountPath": "/load"},
                             {"name": "photo", "mountPath": "/test"}]}],
        "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "load", "configMap": {"name": "load"}},
                    {"name": "photo", "configMap": {"name": photo}}]}}))
EOF
  kc apply --filename "$scratch/load.json" >/dev/null
  kc_wait wait pod/load --for=condition=Ready --timeout=3m >/dev/null
}

stop_load() {
  local deadline=$((SECONDS + 360))
  kc exec load -- touch /tmp/stop
  until kc logs load | grep -qx LOAD-ENDED; do
    [ "$SECONDS" -lt "$deadline" ] || fail "the load did not end"
    sleep 2
  done
  kc logs load | grep '^LOAD ' | tee "$scratch/load.txt"
}

# Every photo that was sent was recognised, and each manager accepted exactly those, once.
check_nothing_lost() {
  local shard sent recognised rounds totals accepted done_ failed open
  [ "$(wc -l <"$scratch/load.txt")" -eq "$managers" ] || fail "the load did not report for every manager"
  while read -r _ shard _ sent _ recognised _ rounds; do
    if [ "$sent" -ne "$recognised" ] || [ "$rounds" -ne 0 ]; then
      fail "manager $shard: $sent sent, $recognised recognised, $rounds rounds failed"
    fi
    totals=$(patient_ledger "$name-manager-$shard") || fail "no ledger of manager $shard"
    read -r accepted done_ failed open <<<"$totals"
    # Each `helm test` has one more recognised, and deleted.
    if [ "$accepted $done_ $failed $open" != "$((sent + tests)) $((sent + tests)) 0 0" ]; then
      fail "manager $shard: $sent sent and $tests by helm test, but its ledger says accepted $accepted, done $done_, failed $failed, open $open"
    fi
    say "manager $shard: $sent sent, $recognised recognised; accepted $accepted = done $done_ + failed $failed + open $open"
  done <"$scratch/load.txt"
}

# Whether the load's Pod gets a connection to manager 0.
reaches() {  # PORT
  kc exec load -- timeout 3 bash -c "exec 3<>/dev/tcp/$name-manager-0.$name-managers.$namespace.svc/$1" 2>/dev/null
}

check_policies() {
  local port
  reaches 8080 || fail "the website cannot be reached from another Pod"
  for port in 2888 9090; do
    if reaches "$port"; then fail "a Pod that is no worker reaches port $port of a manager"; fi
  done
  say "network policies: a Pod that is no worker reaches port 8080, and neither 2888 nor 9090"
}

# ---- what is done -----------------------------------------------------------------------------------

delete_pod() {  # POD GRACE-SECONDS
  say "deleting $1, $2 s of grace"
  kc_wait delete "$1" --grace-period="$2" --wait=true --timeout=2m >/dev/null
  settled
  goes_on "after $1"
}

a_worker() {
  kc get pods --selector "app.kubernetes.io/instance=$release,app.kubernetes.io/component=worker" \
    --field-selector=status.phase=Running --output name | head -n 1
}

tests=0
get_images
say "installing"
kubectl "${context[@]}" create namespace "$namespace" >/dev/null
apply install || fail "helm install"
token=$(kc get secret "$name-join-token" --output 'jsonpath={.data.token}')
[ -n "$token" ] || fail "there is no join token"
helm_test

start_load
goes_on "under load"
if $policies; then check_policies; fi
sleep "$seconds"

say "scaling the workers to 3"
kc scale "deployment/$name-worker" --replicas=3 >/dev/null
settled
goes_on "with 3 workers"
sleep "$seconds"

delete_pod "$(a_worker)" 30
delete_pod "$(a_worker)" 1
delete_pod "pod/$name-manager-0" 30
delete_pod "pod/$name-manager-$((managers - 1))" 1
sleep "$seconds"

say "upgrading, so that every Pod is replaced"
settings+=(--set worker.replicas=3)
apply upgrade --set-string manager.podAnnotations.smoke=again --set-string worker.podAnnotations.smoke=again ||
  fail "helm upgrade"
settled
goes_on "after the upgrade"
[ "$(kc get secret "$name-join-token" --output 'jsonpath={.data.token}')" = "$token" ] ||
  fail "the upgrade made another join token"
sleep "$seconds"

stop_load
check_nothing_lost
helm_test

if [ "$managers" -gt 1 ]; then
  say "asking for fewer managers, which must be refused"
  if apply upgrade --set manager.replicas=1 2>"$scratch/refused.log"; then
    fail "the upgrade took managers away"
  fi
  grep -q 'set manager.allowScaleDown: true' "$scratch/refused.log" ||
    { cat "$scratch/refused.log" >&2; fail "fewer managers were refused for another reason"; }
fi

say "uninstalling"
hc uninstall "$release" --wait --timeout 3m >/dev/null || fail "helm uninstall"
# Pods end after what owned them.
deadline=$((SECONDS + 120))
while left=$(kc get all --selector "app.kubernetes.io/instance=$release" --output name) && [ -n "$left" ]; do
  [ "$SECONDS" -lt "$deadline" ] || fail "left behind: $left"
  sleep 1
done
say "nothing was lost"
