#!/usr/bin/env bash
# Prints our source files that end in one of the given names, one a line: ci/sources.sh cpp h
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

endings=()
for ending in "$@"; do
  if [ "${#endings[@]}" -gt 0 ]; then endings+=(-o); fi
  endings+=(-name "*.$ending")
done
find . -type d \( -name build -o -name .git -o -name data -o -name node_modules \) -prune -o \
  -type f \( "${endings[@]}" \) -print | sed 's|^\./||' | LC_ALL=C sort
