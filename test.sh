#!/usr/bin/env bash
# Sets up and runs every test. The last line it prints is "N passed, N failed".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'EOF'
Usage: ./test.sh [--quick] [--preset NAME]...

Installs what is missing, builds, and runs the tests; each build is kept under
build/<preset>, so that a second run compiles only what changed.

  --quick        format, scripts, layers and the release build's tests only
  --preset NAME  only this build's tests: release, asan-ubsan, tsan (may be repeated)
  --help         print this

Some tests need the development photos and model, which are not part of this
repository: IMGREC_SHARED names their folder (default ../shared). Without it
they are skipped, and named at the end.

Last line: "N passed, N failed". Exit codes: 0 all passed, 1 not, 2 wrong usage,
3 a package is missing and cannot be installed.
EOF
}

presets=()
checks=true
while [ $# -gt 0 ]; do
  case "$1" in
    --help) usage; exit 0 ;;
    --quick) presets=(release) ;;
    --preset=*) set -- --preset "${1#*=}" "${@:2}"; continue ;;
    --preset)
      case "${2:-}" in
        release | asan-ubsan | tsan) presets+=("$2"); checks=false ;;
        *) echo "test.sh: --preset takes release, asan-ubsan or tsan" >&2; exit 2 ;;
      esac
      shift
      ;;
    *) echo "test.sh: unknown argument \"$1\"; --help lists what it takes" >&2; exit 2 ;;
  esac
  shift
done
if [ "${#presets[@]}" -eq 0 ]; then presets=(release asan-ubsan tsan); fi

chart_tools=  # the process that builds them
chart_later=false
passed=0
failed=0
summary=()
notes=()

# Whatever happens, the last line says how it ended.
finish() {
  local code=$?
  trap - EXIT
  if [ -n "$chart_tools" ]; then kill "$chart_tools" 2>/dev/null || true; fi
  if [ "$code" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
  echo
  echo "Summary"
  if [ "${#summary[@]}" -gt 0 ]; then printf '  %s\n' "${summary[@]}"; fi
  if [ "${#notes[@]}" -gt 0 ]; then printf '  %s\n' "${notes[@]}"; fi
  echo "$passed passed, $failed failed"
  if [ "$failed" -gt 0 ] && [ "$code" -eq 0 ]; then code=1; fi
  exit "$code"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

count() {  # SUITE PASSED FAILED SKIPPED SECONDS
  passed=$((passed + $2))
  failed=$((failed + $3))
  local line
  line=$(printf '%-18s %4d passed, %d failed, %d skipped, %d s' "$@")
  summary+=("$line")
  echo "$line"
}

check() {  # NAME COMMAND...
  local name=$1 start=$SECONDS output
  shift
  if output=$("$@" 2>&1); then
    count "$name" 1 0 0 $((SECONDS - start))
  else
    printf '%s\n' "$output" | tail -n 60
    count "$name" 0 1 0 $((SECONDS - start))
  fi
}

# One compiler for each core, but none without 2 GB of memory: LibTorch's headers take that much.
jobs=$(nproc)
memory_jobs=$(awk '/^MemTotal/ { print int($2 / 2000000) }' /proc/meminfo)
if [ "$memory_jobs" -lt 1 ]; then memory_jobs=1; fi
if [ "$jobs" -gt "$memory_jobs" ]; then jobs=$memory_jobs; fi

build() {  # PRESET: false when it failed, with the words that say why
  local log=build/$1.log start=$SECONDS
  mkdir -p build
  echo "[$1] building (log: $log)"
  if ! { cmake --preset "$1" && cmake --build --preset "$1" --parallel "$jobs"; } >"$log" 2>&1; then
    grep -E -A 15 'FAILED:|error|CMake Error' "$log" | tail -n 80 || tail -n 40 "$log"
    count "$1 build" 0 1 0 $((SECONDS - start))
    return 1
  fi
  echo "[$1] built in $((SECONDS - start)) s"
}

# The model that the tests recognise photos with, made by the importer under test. Made once, and
# again when the importer changes.
import_model() {
  local source=$IMGREC_SHARED/models/bvlc_googlenet folder=build/models/googlenet
  local importer=build/release/bin/imgrec-model
  if [ ! -f "$source/bvlc_googlenet.caffemodel" ]; then
    notes+=("SKIPPED: all tests with real photos and GoogLeNet, since there is no $source")
    return
  fi
  if [ -f "$folder/model.yaml" ] && [ "$folder/model.yaml" -nt "$importer" ]; then
    export IMGREC_MODEL=$PWD/$folder
    return
  fi
  if [ ! -x "$importer" ] && ! build release; then return; fi
  mkdir -p build/models
  check "model import" "$importer" import-caffe --force --name bvlc_googlenet --out "$folder" \
    --prototxt "$source/deploy.prototxt" --caffemodel "$source/bvlc_googlenet.caffemodel" \
    --labels "$source/synset_words.txt"
  if [ -f "$folder/model.yaml" ]; then export IMGREC_MODEL=$PWD/$folder; fi
}

# Exit codes of our own: a report must never look like a program's ordinary failure.
sanitizer_environment() {
  local suppressions=$PWD/ci/sanitizers
  export ASAN_OPTIONS="exitcode=99:detect_leaks=1:detect_stack_use_after_return=1"
  export LSAN_OPTIONS="exitcode=99:print_suppressions=0:suppressions=$suppressions/lsan.txt"
  export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:exitcode=99:suppressions=$suppressions/ubsan.txt"
  export TSAN_OPTIONS="exitcode=99:halt_on_error=1:second_deadlock_stack=1:suppressions=$suppressions/tsan.txt"
}

run_tests() {  # PRESET
  local preset=$1 start=$SECONDS log=build/$1-tests.log report=$PWD/build/$1-tests.xml
  local numbers line ok
  echo "[$preset] testing (log: $log)"
  rm -f "$report"
  ok=true
  # One more than there are cores: most integration tests wait, for a time-out or a lossy way.
  ctest --test-dir "build/$preset" --parallel "$(($(nproc) + 1))" --output-on-failure --no-tests=error \
    --output-junit "$report" >"$log" 2>&1 || ok=false
  if [ ! -f "$report" ]; then
    tail -n 40 "$log"
    count "$preset tests" 0 1 0 $((SECONDS - start))
    return
  fi
  mapfile -t numbers < <(ci/junit-counts.py "$report")
  # shellcheck disable=SC2086 # three numbers
  set -- ${numbers[0]}
  if ! $ok; then
    # What failed, with its output, and not the hundreds that passed.
    grep -vE '^ *Start +[0-9]+:|^ *[0-9]+/[0-9]+ +Test .* (Passed|Skipped) ' "$log" | tail -n 200
    # ctest's own word counts too, should it ever know more than the report.
    if [ "$2" -eq 0 ]; then set -- "$1" 1 "$3"; fi
  fi
  count "$preset tests" "$1" "$2" "$3" $((SECONDS - start))
  for line in "${numbers[@]:1}"; do
    case "$line" in
      failed\ *) notes+=("FAILED:  $preset: ${line#failed }") ;;
      skipped\ *) notes+=("SKIPPED: $preset: ${line#skipped }") ;;
    esac
  done
}

if [ -z "${IMGREC_SHARED:-}" ]; then IMGREC_SHARED=$(realpath -m ../shared); fi
export IMGREC_SHARED
mkdir -p build

echo "Packages"
ci/install-deps.sh --tests
if ! ci/test-tools.sh >build/test-tools.log 2>&1; then
  notes+=("SKIPPED: all tests with other people's clients, which could not be installed: $(tail -n 1 build/test-tools.log)")
fi
# Helm and its tools take minutes of compiling once. That is done beside everything else, when nobody
# wants the processor. Where they are there already, the release build's tests use them.
if [[ " ${presets[*]} " == *" release "* ]]; then
  nice -n 19 timeout 3000 ci/chart-tools.sh >build/chart-tools.log 2>&1 &
  chart_tools=$!
fi
sanitizer_environment

if $checks; then
  check "format" ci/check-format.sh
  check "scripts" ci/check-scripts.sh
fi
for preset in "${presets[@]}"; do
  build "$preset" || continue
  if [ "$preset" = release ] || [ -z "${IMGREC_MODEL:-}" ] && [ "$preset" != tsan ]; then
    import_model
  fi
  if $checks && [ "$preset" = release ]; then
    check "layers" ci/check-layers.sh build/release
    check "headers" ci/check-headers.sh build/release
  fi
  if [ "$preset" = release ] && [ ! -f "$(ci/chart-tools.sh --print)/complete" ]; then chart_later=true; fi
  run_tests "$preset"
done
if $chart_later; then
  if wait "$chart_tools"; then
    check "chart" ci/chart_check.sh
  else
    notes+=("SKIPPED: the checks of the Helm chart, whose tools could not be built: $(tail -n 1 build/chart-tools.log)")
  fi
  chart_tools=
fi
