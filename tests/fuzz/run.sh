#!/usr/bin/env bash
# Builds the fuzz preset and runs its targets; keeps what they find.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() {
  cat <<'USAGE'
Usage: tests/fuzz/run.sh [--seconds S] [--jobs N] [TARGET...]

Builds the fuzz preset and runs the named targets (all without names), N at a
time (1 unless told otherwise), each for S seconds (60). Prints executions and
executions per second for each.

Inputs that a target fails on go to build/fuzz/found/TARGET, its log to
build/fuzz/TARGET.log, and inputs that reach new code to build/fuzz/work/TARGET,
from where the next run goes on. The committed corpus is only read.

Exit codes: 0 nothing found, 1 something found, 2 wrong usage, 3 no clang 14.
USAGE
}

seconds=60
jobs=1
targets=()
number() {  # NAME VALUE
  if ! [[ ${2:-} =~ ^[1-9][0-9]{0,5}$ ]]; then
    echo "run.sh: $1 takes a whole number above 0" >&2
    exit 2
  fi
}
while [ $# -gt 0 ]; do
  case "$1" in
    --help) usage; exit 0 ;;
    --seconds) number "$1" "${2:-}"; seconds=$2; shift ;;
    --jobs) number "$1" "${2:-}"; jobs=$2; shift ;;
    -*) echo "run.sh: unknown argument \"$1\"; --help lists what it takes" >&2; exit 2 ;;
    *)
      if [ ! -f "tests/fuzz/fuzz_$1.cpp" ]; then
        echo "run.sh: there is no target \"$1\"; tests/fuzz/README.md lists them" >&2
        exit 2
      fi
      targets+=("$1")
      ;;
  esac
  shift
done
if ! command -v clang++-14 >/dev/null; then
  echo "run.sh: clang++-14 is missing: install Debian's package clang-14" >&2
  exit 3
fi
if [ "${#targets[@]}" -eq 0 ]; then
  for source in tests/fuzz/fuzz_*.cpp; do
    name=${source##*/fuzz_}
    targets+=("${name%.cpp}")
  done
fi

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz

run_target() {  # NAME: true when it found nothing
  local name=$1 base=build/fuzz status=0 dictionary=()
  local log=$base/$name.log found=$base/found/$name work=$base/work/$name
  mkdir -p "$found" "$work"
  if [ -f "tests/fuzz/dict/$name.dict" ]; then
    dictionary=("-dict=tests/fuzz/dict/$name.dict")
  fi
  # Longer inputs find little more and cost time. A run slower than 10 s is a finding too.
  "$base/bin/fuzz_$name" "-max_total_time=$seconds" -max_len=4096 -len_control=30 -timeout=10 \
    -rss_limit_mb=2048 -print_final_stats=1 "-artifact_prefix=$found/" "${dictionary[@]}" \
    "$work" "tests/fuzz/corpus/$name" >"$log" 2>&1 || status=$?
  local executions rate
  executions=$(awk '/^stat::number_of_executed_units/ { print $2 }' "$log")
  rate=$(awk '/^stat::average_exec_per_sec/ { print $2 }' "$log")
  if [ "$status" -eq 0 ]; then
    printf '%-16s %12s executions, %7s a second, nothing found\n' "$name" "${executions:-0}" \
      "${rate:-0}"
  else
    printf '%-16s %12s executions, FOUND: %s (%s)\n' "$name" "${executions:-0}" \
      "$(grep -a -m 1 SUMMARY "$log" || echo "it ended with code $status")" "$found, $log"
  fi
  return "$status"
}

running=0
failed=0
for name in "${targets[@]}"; do
  if [ "$running" -ge "$jobs" ]; then
    wait -n || failed=1
    running=$((running - 1))
  fi
  run_target "$name" &
  running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
  wait -n || failed=1
  running=$((running - 1))
done
exit "$failed"
