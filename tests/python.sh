#!/usr/bin/env bash
# Python for tests: that of build/test-tools where it could be made, which has other people's clients
# and checkers (tests/requirements.txt), else Debian's; a test that misses one of them is skipped.
tools="$(dirname "${BASH_SOURCE[0]}")/../build/test-tools"
if [ -f "$tools/installed" ]; then exec "$tools/bin/python" "$@"; fi
exec /usr/bin/python3 "$@"
