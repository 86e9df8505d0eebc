#!/usr/bin/env bash
# Sets up and runs imgrec on this machine: one manager, some workers, the website.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'EOF'
Usage: ./run.sh [--workers N] [--port P] [--model DIR] [--data DIR] [--listen ADDR]
                [--precision P]

Installs what is missing, builds, and runs the website with its workers on this
machine, until Ctrl-C. The first time takes some minutes; later ones, seconds.

  --workers N      workers to run (default: one for each processor core, 2 to 8)
  --port P         port of the website (default 8080)
  --model DIR      model folder: model.pt, labels.txt, model.yaml
                   (default models/googlenet where models/get-googlenet.sh has made
                   it, else models/cifar10-inception, which comes with imgrec)
  --precision P    fp32, bf16 or int8: what workers compute in (default fp32; int8
                   wants a model that imgrec-model calibrate has prepared)
  --data DIR       where photos and results are kept (default data)
  --listen ADDR    address of the website (default 127.0.0.1: this machine only;
                   0.0.0.0: every network this machine is in, without a login)
  --worker-port P  port between manager and workers, on this machine only
                   (default 2888)
  --help           print this

Exit codes: 0 stopped by Ctrl-C or SIGTERM, 1 something failed while running,
2 wrong usage, 3 a port is in use or something that is needed cannot be had.
EOF
}

say() { printf '%s\n' "$*"; }
die() {
  local code=$1
  shift
  printf '%s\n' "$@" >&2
  exit "$code"
}
wrong_usage() { die 2 "run.sh: $1" "./run.sh --help says how to use it."; }

cores=$(nproc)
workers=$((cores < 2 ? 2 : cores > 8 ? 8 : cores))
port=8080
worker_port=2888
listen=127.0.0.1
data=data
model=
precision=fp32

while [ $# -gt 0 ]; do
  case "$1" in
    --help) usage; exit 0 ;;
    --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}"; continue ;;
    --workers | --port | --worker-port | --model | --data | --listen | --precision)
      [ $# -ge 2 ] || wrong_usage "$1 needs a value behind it"
      case "$1" in
        --workers) workers=$2 ;;
        --port) port=$2 ;;
        --worker-port) worker_port=$2 ;;
        --model) model=$2 ;;
        --precision) precision=$2 ;;
        --data) data=$2 ;;
        --listen) listen=$2 ;;
      esac
      shift 2
      ;;
    *) wrong_usage "unknown argument \"$1\"" ;;
  esac
done

whole_number() {  # NAME VALUE MIN MAX
  if ! [[ $2 =~ ^(0|[1-9][0-9]{0,5})$ ]] || [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then
    wrong_usage "$1: \"$2\" is not a whole number from $3 to $4"
  fi
}
whole_number --workers "$workers" 1 256
whole_number --port "$port" 0 65535
whole_number --worker-port "$worker_port" 0 65535
[ -n "$data" ] || wrong_usage "--data needs the name of a directory"
case "$precision" in
  fp32 | bf16 | int8) ;;
  *) wrong_usage "--precision: \"$precision\" is not fp32, bf16 or int8" ;;
esac
[ -n "$listen" ] || wrong_usage "--listen needs an address"

build() {
  local log=build/run.log build_dir=build/release
  mkdir -p build
  exec 9>build/.lock
  flock 9 # two of us must not build at the same time
  if [ ! -f "$build_dir/build.ninja" ]; then
    cmake --preset release >"$log" 2>&1 || {
      tail -n 30 "$log" >&2
      die 1 "The build could not be configured; the whole log is in $log."
    }
  fi
  if ! cmake --build --preset release --target imgrec-manager imgrec-worker imgrec-model imgrec \
    >"$log" 2>&1; then
    grep -E -A 15 'FAILED|error' "$log" | tail -n 60 >&2 || tail -n 30 "$log" >&2
    die 1 "The build failed; the whole log is in $log."
  fi
  exec 9>&-
}

googlenet=models/googlenet
bundled=models/cifar10-inception

is_model() { [ -f "$1/model.pt" ] && [ -f "$1/model.yaml" ]; }

find_model() {
  if [ -n "$model" ]; then
    is_model "$model" ||
      die 3 "--model $model: this is no model folder: model.pt and model.yaml are not both in it."
    return
  fi
  model=$googlenet
  is_model "$model" || model=$bundled
  is_model "$model" ||
    die 3 "There is no model: neither $googlenet nor $bundled is a model folder." \
      "Get one with models/get-googlenet.sh, or name one: ./run.sh --model DIR"
}

model_name() { sed -n 's/^name: "\(.*\)"$/\1/p' "$model/model.yaml" | tr -cd '[:print:]'; }
model_classes() { sed -n 's/^classes: \([0-9]*\).*/\1/p' "$model/model.yaml"; }

say_model() {
  say "  $(model_name), $(model_classes) classes, from $model"
  [ "$model" = "$bundled" ] || return 0
  say "  It is the small one that comes with imgrec, and knows $(paste -sd, "$bundled/labels.txt" | sed 's/,/, /g')."
  say "  GoogLeNet knows 1,000 classes. To get it (some 50 MB), then start this again:"
  say "    models/get-googlenet.sh"
}

# ---- processes ---------------------------------------------------------------------------------
# This shell is the parent of all of them. They get their own session, so that Ctrl-C reaches only
# this shell, which then stops them in order; and the kernel ends them should this shell be killed.
manager_pid=
declare -A worker_pid=()   # slot -> process
declare -A restart_pid=()  # slot -> sleep until it is started again
declare -A pause=()        # slot -> seconds before its next restart
declare -A started_at=()   # slot -> $SECONDS
stopping=false

start_process() {  # LOG COMMAND...: leaves its process id in $!
  local log=$1
  shift
  setsid setpriv --pdeathsig TERM -- "$@" >>"$log" 2>&1 </dev/null &
}

fresh_log() { if [ -s "$1" ]; then mv -f "$1" "$1.1"; fi; : >"$1"; }

alive() { kill -0 "$1" 2>/dev/null; }

wait_gone() {  # TENTHS PID...: true when all are gone within that time
  local tenths=$1 pid
  shift
  for pid in "$@"; do
    while alive "$pid"; do
      if [ "$tenths" -le 0 ]; then return 1; fi
      tenths=$((tenths - 1))
      sleep 0.1
    done
  done
}

# Workers first: they finish or hand back what they have. Then the manager, which keeps the rest.
stop_all() {
  local pids=("${worker_pid[@]}")
  if [ "${#restart_pid[@]}" -gt 0 ]; then kill "${restart_pid[@]}" 2>/dev/null || true; fi
  if [ "${#pids[@]}" -gt 0 ]; then
    kill -TERM "${pids[@]}" 2>/dev/null || true
    wait_gone 200 "${pids[@]}" || kill -KILL "${pids[@]}" 2>/dev/null || true
  fi
  if [ -n "$manager_pid" ]; then
    kill -TERM "$manager_pid" 2>/dev/null || true
    wait_gone 200 "$manager_pid" || kill -KILL "$manager_pid" 2>/dev/null || true
  fi
  wait
}

kill_all() {
  kill -KILL "${worker_pid[@]}" ${manager_pid:+"$manager_pid"} "${restart_pid[@]}" 2>/dev/null || true
}

on_exit() {
  local code=$?
  trap - EXIT
  trap 'say "Stopping at once"; kill_all; exit 1' INT TERM HUP
  if [ -n "$manager_pid" ]; then
    $stopping && say "Stopping: workers finish what they have (Ctrl-C again: at once)"
    stop_all
    $stopping && say "Stopped. Photos and results are in $data."
  fi
  exit "$code"
}
trap on_exit EXIT
trap 'stopping=true; exit 0' INT TERM HUP

start_manager() {
  fresh_log "$manager_log"
  start_process "$manager_log" "$bin/imgrec-manager" --listen "$listen" --port "$port" \
    --worker-listen 127.0.0.1 --worker-port "$worker_port" --data "$data" --frontend frontend
  manager_pid=$!
  local ready='' code=0
  for ((i = 0; i < 600; i++)); do
    ready=$(grep -m 1 -o 'manager_ready .*' "$manager_log" || true)
    if [ -n "$ready" ]; then break; fi
    if ! alive "$manager_pid"; then
      wait "$manager_pid" || code=$?
      manager_pid=
      tail -n 5 "$manager_log" >&2
      if [ "$code" -eq 3 ]; then
        die 3 "The manager could not start; its words are above." \
          "Where it is a port: stop the other program, or choose another one with --port or --worker-port."
      fi
      die $((code == 0 ? 1 : code)) "The manager could not start (exit code $code); its words are above."
    fi
    sleep 0.1
  done
  [ -n "$ready" ] || die 1 "The manager was not ready within a minute; see $manager_log."
  url=http://$(sed -n 's/.* http=\([^ ]*\).*/\1/p' <<<"$ready")
  # "Every address" is none that one can visit.
  url=${url/#http:\/\/0.0.0.0:/http://localhost:}
  url=${url/#http:\/\/\[::\]:/http://localhost:}
  worker_address=$(sed -n 's/.* workers=\([^ ]*\).*/\1/p' <<<"$ready")
}

start_worker() {  # SLOT
  start_process "$data/logs/worker-$1.log" "$bin/imgrec-worker" --manager "$worker_address" \
    --model "$model" --precision "$precision" --name "worker-$1"
  worker_pid[$1]=$!
  started_at[$1]=$SECONDS
}

ready_workers() {
  local cluster
  cluster=$(curl -fsS --noproxy '*' --max-time 2 "$url/api/v1/cluster" 2>/dev/null || true)
  grep -o '"state":"ready"' <<<"$cluster" | wc -l
}

wait_for_workers() {
  local slot
  for ((i = 0; i < 600; i++)); do
    if [ "$(ready_workers)" -ge "$workers" ]; then return; fi
    for slot in "${!worker_pid[@]}"; do
      alive "${worker_pid[$slot]}" && continue
      tail -n 5 "$data/logs/worker-$slot.log" >&2
      die 1 "worker-$slot left while starting; its words are above."
    done
    sleep 0.1
  done
  say "Not all workers are ready after a minute; going on. See $data/logs/."
}

worker_ended() {  # SLOT CODE
  local slot=$1 code=$2
  unset "worker_pid[$slot]"
  # Long enough alive: whatever was wrong is forgotten.
  if [ $((SECONDS - started_at[$slot])) -ge 60 ]; then pause[$slot]=1; fi
  local seconds=${pause[$slot]:-1}
  say "worker-$slot ended (exit code $code; $data/logs/worker-$slot.log); starting it again in $seconds s"
  sleep "$seconds" &
  restart_pid[$slot]=$!
  pause[$slot]=$((seconds * 2 > 30 ? 30 : seconds * 2))
}

supervise() {
  local ended code slot
  while true; do
    code=0
    { wait -n -p ended || code=$?; } 2>/dev/null # no "Killed" line from the shell itself
    if [ "$ended" = "$manager_pid" ]; then
      manager_pid=
      tail -n 5 "$manager_log" >&2
      stop_all
      die 1 "The manager ended by itself (exit code $code); its last words are above, the rest in $manager_log." \
        "No accepted photo is lost: ./run.sh goes on where it stopped."
    fi
    for slot in "${!restart_pid[@]}"; do
      if [ "${restart_pid[$slot]}" != "$ended" ]; then continue; fi
      unset "restart_pid[$slot]"
      start_worker "$slot"
    done
    for slot in "${!worker_pid[@]}"; do
      if [ "${worker_pid[$slot]}" = "$ended" ]; then worker_ended "$slot" "$code"; fi
    done
  done
}

# ---- steps -------------------------------------------------------------------------------------
bin=build/release/bin
say "[1/4] Packages"
ci/install-deps.sh
say "[2/4] Build (log: build/run.log)"
build
say "[3/4] Model"
find_model
say_model
say "[4/4] Start: 1 manager, $workers workers"
mkdir -p "$data/logs" || die 3 "The directory $data cannot be made; choose another one with --data."
manager_log=$data/logs/manager.log
start_manager
for ((n = 1; n <= workers; n++)); do
  fresh_log "$data/logs/worker-$n.log"
  start_worker "$n"
done
wait_for_workers
say ""
say "imgrec is ready:  $url/"
say "Photos and results are kept in $data, logs in $data/logs. Press Ctrl-C to stop."
supervise
