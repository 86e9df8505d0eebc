#!/usr/bin/env bash
# Fails where clang-format 14 would change a C++ file; names each place.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "${1:-}" = --help ]; then
  echo "Usage: ci/check-format.sh [--fix]   checks (or puts right) the format of every C++ file"
  exit 0
fi
mapfile -t files < <(ci/sources.sh cpp h)
if [ "${1:-}" = --fix ]; then
  clang-format-14 -i "${files[@]}"
else
  clang-format-14 --dry-run --Werror --ferror-limit=3 "${files[@]}"
fi
