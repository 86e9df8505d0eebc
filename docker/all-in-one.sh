#!/bin/bash
# The all-in-one container: a manager and its workers. Runs below an init (tini).
set -euo pipefail

usage() {
  cat <<'END'
Usage: imgrec-all-in-one [FLAG-OF-THE-MANAGER...]

Starts imgrec-manager and IMGREC_WORKERS workers (default: one for each processor core, 1 to 8).
A worker that ends is started again after 1 s, then 2, 4 ... 30; when the manager ends, everything
does, with its exit code. On SIGTERM workers finish what they hold, then the manager leaves; a
second one ends all at once. Everything else is configured by the programs' own variables.
END
}

say() { printf 'imgrec-all-in-one: %s\n' "$*" >&2; }

if [ "${1:-}" = --help ]; then usage; exit 0; fi
cores=$(nproc)
workers=${IMGREC_WORKERS:-$((cores > 8 ? 8 : cores))}
if ! [[ $workers =~ ^[1-9][0-9]{0,2}$ ]] || [ "$workers" -gt 256 ]; then
  say "IMGREC_WORKERS=$workers is not a whole number from 1 to 256"
  exit 2
fi
worker_port=${IMGREC_WORKERS_PORT:-2888}

manager_pid=
declare -A worker_pid=()  # slot -> process
declare -A restart_pid=() # slot -> sleep until it is started again
declare -A pause=()       # slot -> seconds before its next restart
declare -A started_at=()  # slot -> $SECONDS

start_worker() { # SLOT
  # The operations port is the manager's: it counts the workers too. Workers wait for the manager.
  env -u IMGREC_OPS_LISTEN imgrec-worker --manager "127.0.0.1:$worker_port" --name "worker-$1" &
  worker_pid[$1]=$!
  started_at[$1]=$SECONDS
}

worker_ended() { # SLOT CODE
  local seconds=${pause[$1]:-1}
  if [ $((SECONDS - started_at[$1])) -ge 60 ]; then seconds=1; fi # whatever was wrong is over
  unset "worker_pid[$1]"
  say "worker-$1 ended (exit code $2); starting it again in $seconds s"
  sleep "$seconds" &
  restart_pid[$1]=$!
  pause[$1]=$((seconds * 2 > 30 ? 30 : seconds * 2))
}

# Workers first: they finish or hand back what they have. Then the manager, which keeps the rest.
drain() { # CODE: to end with, where the manager is gone already
  local code=$1 pid
  trap 'kill -KILL "${worker_pid[@]}" $manager_pid 2>/dev/null || true; exit 1' TERM INT
  kill "${restart_pid[@]}" 2>/dev/null || true
  kill -TERM "${worker_pid[@]}" 2>/dev/null || true
  for pid in "${worker_pid[@]}"; do wait "$pid" || true; done
  if [ -n "$manager_pid" ]; then
    kill -TERM "$manager_pid" 2>/dev/null || true
    code=0
    wait "$manager_pid" || code=$?
  fi
  exit "$code"
}

trap 'drain 0' TERM INT
imgrec-manager "$@" &
manager_pid=$!
for ((slot = 1; slot <= workers; slot++)); do start_worker "$slot"; done

while true; do
  code=0
  wait -n -p ended || code=$?
  if [ "$ended" = "$manager_pid" ]; then
    say "the manager ended (exit code $code); stopping the workers"
    manager_pid=
    drain $((code == 0 ? 1 : code)) # nobody asked it to
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
