#!/usr/bin/env bash
# Checks that includes point one way (docs/architecture.md), that the pure layers include no
# library, and that the manager's binary links neither LibTorch nor OpenCV.
# Usage: ci/check-layers.sh [BUILD_DIR]   (default build/release)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build_dir=${1:-build/release}
failures=0
complain() {
  echo "$*" >&2
  failures=$((failures + 1))
}

# directory: our own directories it may include: library headers it may include ("-": none).
# Standard headers are allowed everywhere; system headers (sys/…, unistd.h) where libraries are.
layers='
proto             : proto                                                      : -
media             : media proto                                                : -
kernels           : kernels                                                    : -
common            : common proto                                               : spdlog yaml-cpp prometheus
net               : net common proto                                           : boost spdlog openssl
manager/core      : manager/core media proto                                   : -
manager/store     : manager/store manager/core common media proto              : sqlite3.h spdlog openssl
manager/http      : manager/http common proto                                  : pistache boost spdlog zlib.h
manager/net       : manager/net manager/core manager/http net common proto     : boost spdlog
manager/app       : manager net common media proto                             : boost spdlog nlohmann prometheus openssl xxhash.h
worker/core       : worker/core media proto                                    : -
worker/graph      : worker/graph proto                                         : -
worker/inference  : worker/inference worker/graph worker/core kernels common media proto : torch ATen c10 caffe2 oneapi opencv2 jpeglib.h jerror.h openssl yaml-cpp spdlog
worker/net        : worker/net worker/core net common proto                    : boost spdlog malloc.h
worker/app        : worker net common media proto                              : boost spdlog prometheus
client/core       : client/core proto                                          : -
client/text       : client/text client/core proto                              : nlohmann
client/net        : client/net client/text client/core proto                   : boost openssl
client/app        : client common proto                                        : boost
link/core         : link/core proto                                            : -
link/app          : link common proto                                          : spdlog yaml-cpp nlohmann net
training/core     : training/core                                              : -
training/data     : training/data training/core worker proto                   : opencv2
training/torch    : training/torch training/core kernels proto                 : torch ATen oneapi
training/app      : training models worker common proto                        : unistd.h malloc.h
bench             : bench models worker common proto                           : opencv2 dlfcn.h
'

# FILE ALLOWED_DIRECTORIES ALLOWED_LIBRARIES
check_file() {
  local file=$1 ours=$2 libraries=$3 line number text header good allowed
  while IFS= read -r line; do
    number=${line%%:*}
    text=${line#*:}
    header=$(sed -E 's/^ *# *include *["<]([^">]*)[">].*/\1/' <<<"$text")
    good=false
    if [[ $text == *\"* ]]; then
      for allowed in $ours; do
        if [[ $header == "$allowed"/* ]]; then good=true; fi
      done
    elif [[ $header != */* && $header != *.h ]]; then
      good=true # a standard header
    else
      for allowed in $libraries; do
        if [[ $header == "$allowed" || $header == "$allowed"/* ]]; then good=true; fi
      done
      if [ "$libraries" != - ] && is_system_header "$header"; then good=true; fi
    fi
    $good || complain "$file:$number: this layer must not include $header"
  done < <(grep -nE '^ *# *include' "$file" || true)
}

is_system_header() {
  case "$1" in
    sys/* | netinet/* | arpa/* | linux/*) return 0 ;;
    unistd.h | fcntl.h | poll.h | netdb.h | pthread.h | sched.h | signal.h | time.h) return 0 ;;
    dirent.h | dlfcn.h | cpuid.h) return 0 ;;
  esac
  return 1
}

checked=0
while IFS=: read -r directory ours libraries; do
  directory=$(xargs <<<"$directory")
  if [ -z "$directory" ] || [ ! -d "$directory" ]; then continue; fi
  while IFS= read -r file; do
    check_file "$file" "$ours" "$(xargs <<<"$libraries")"
    checked=$((checked + 1))
  done < <(find "$directory" -type f \( -name '*.h' -o -name '*.cpp' \))
done <<<"$layers"
[ "$checked" -gt 0 ] || complain "no source file was found to check"

# LibTorch defines LOG and CHECK: it must not reach other files through a header. The trainer's network
# is made of LibTorch's types; its headers are for their own directory and its tests alone.
inner='training/torch/(byte_weights|checkpoint|committee|inception_net|module_source|whitening|winograd_convolution)\.h'
while IFS= read -r file; do
  complain "$file: LibTorch is included in .cpp files only"
done < <(ci/sources.sh h | grep -vxE "$inner" |
  xargs grep -lE '^ *# *include *<(torch|ATen|c10)/' || true)
while IFS= read -r file; do
  complain "$file: includes a header of training/torch that brings LibTorch in"
done < <(ci/sources.sh h cpp | grep -vE '^(training/torch|tests/unit/training)/' |
  xargs grep -lE "^ *# *include *\"$inner\"" || true)

manager=$build_dir/bin/imgrec-manager
if [ -x "$manager" ]; then
  linked=$(ldd "$manager" | grep -iE 'torch|opencv|libc10' || true)
  [ -z "$linked" ] || complain "$manager must link neither LibTorch nor OpenCV:"$'\n'"$linked"
else
  complain "$manager is not there, so what it links cannot be checked"
fi

if [ "$failures" -gt 0 ]; then exit 1; fi
