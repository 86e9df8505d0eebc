#!/usr/bin/env bash
# Runs ShellCheck over every shell script: *.sh and what else begins with a shell's #! line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mapfile -t scripts < <(
  {
    ci/sources.sh sh
    grep -rlE --exclude-dir={build,.git,data,node_modules} -m1 '^#!.*\b(ba)?sh$' .ci ci docker geni helm 2>/dev/null
  } | LC_ALL=C sort -u
)
shellcheck "${scripts[@]}"
