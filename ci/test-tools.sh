#!/usr/bin/env bash
# Makes build/test-tools, a Python environment with what tests/requirements.txt names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'EOF'
Usage: ci/test-tools.sh [--help]

Makes build/test-tools: a Python environment that sees Debian's Python packages and has those of
tests/requirements.txt, each checked against its hash. Quick where it is there already.
Run tests that want them with build/test-tools/bin/python.

Exit codes: 0 it is there, 1 it could not be made (the last lines say why), 2 wrong usage.
EOF
}

case "${1:-}" in
  "") ;;
  --help) usage; exit 0 ;;
  *) echo "test-tools.sh: unknown argument \"$1\"; --help lists what it takes" >&2; exit 2 ;;
esac

folder=build/test-tools
wanted=$(sha256sum tests/requirements.txt)
if [ "$(cat "$folder/installed" 2>/dev/null)" = "$wanted" ]; then exit 0; fi

mkdir -p build
rm -rf "$folder"
/usr/bin/python3 -m venv --system-site-packages "$folder"
# --no-deps: all of them are listed. --only-binary: nothing of theirs is built or run here.
"$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps --ignore-installed \
  --only-binary=:all: --require-hashes -r tests/requirements.txt
printf '%s\n' "$wanted" >"$folder/installed"
