#!/usr/bin/env bash
# Compiles each of our headers alone, so that none leans on what was included before it.
# Usage: ci/check-headers.sh [BUILD_DIR]   (default build/release: where generated headers are)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build_dir=${1:-build/release}
out=build/headers
# LibTorch's own headers name each other from here (cmake/torch.cmake).
torch=$(sed -n 's/^IMGREC_TORCH_INCLUDE_DIR:[A-Z]*=//p' "$build_dir/CMakeCache.txt" 2>/dev/null || true)
mkdir -p "$out"

# Warnings are left out: the builds have them. Through ccache, a second run costs little.
compile_one() {
  local header=$1 name
  name=${header//\//_}
  printf '#include "%s"\n#include "%s"  // once more: it must be guarded\n' "$header" "$header" \
    >"$out/$name.cpp.new"
  cmp -s "$out/$name.cpp.new" "$out/$name.cpp" || cp "$out/$name.cpp.new" "$out/$name.cpp"
  rm -f "$out/$name.cpp.new"
  if ! ccache g++ -std=c++20 -O0 -I. -I"$build_dir/generated" \
    -isystem /usr/include/opencv4 -isystem "$torch/torch/csrc/api/include" -DBOOST_ASIO_NO_DEPRECATED -c "$out/$name.cpp" -o "$out/$name.o"; then
    echo "$header does not compile alone" >&2
    return 1
  fi
}
export -f compile_one
export out build_dir torch

ci/sources.sh h | xargs -P "$(nproc)" -I{} bash -c 'compile_one {}'
