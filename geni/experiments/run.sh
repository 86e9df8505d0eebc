#!/usr/bin/env bash
# Runs the experiments; --help says what they are.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."  # for what is built; paths of the arguments stay those of the caller, see below

# Debian's Python has what the report draws with; another one comes first in some people's PATH.
python=/usr/bin/python3
[ -x "$python" ] || python=python3

build=true
for argument in "$@"; do
  case "$argument" in
    --bin-dir | --bin-dir=* | --package | --package=* | --help | -h | --dry-run) build=false ;;
  esac
done
if $build; then
  log=build/experiments-build.log
  mkdir -p build
  if ! { { [ -f build/release/build.ninja ] || cmake --preset release; } &&
    cmake --build --preset release --target imgrec-manager imgrec-worker imgrec-link; } >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "run.sh: The build failed; the whole log is in $log. ci/install-deps.sh installs what it needs." >&2
    exit 3
  fi
fi
cd "$OLDPWD"
exec "$python" -B "$here/experiments.py" "$@"
