#!/usr/bin/env bash
# Runs the experiments; --help says what they are.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Debian's Python has what the report draws with; another one comes first in some people's PATH.
python=/usr/bin/python3
[ -x "$python" ] || python=python3
command -v "$python" >/dev/null || {
  echo "run.sh: there is no python3: apt-get install python3" >&2
  exit 3
}
exec "$python" -B "$here/experiments.py" "$@"
