#!/bin/bash
# Downloads BVLC GoogLeNet with its public ImageNet weights and makes a model folder of it.
set -euo pipefail

readonly caffe_host="http://dl.caffe.berkeleyvision.org"
readonly model_url="$caffe_host/bvlc_googlenet.caffemodel"
readonly model_sha1="405fc5acd08a3bb12de8ee5e23a96bec22f08204" # from the Caffe model zoo
readonly prototxt_url="https://raw.githubusercontent.com/BVLC/caffe/master/models/bvlc_googlenet/deploy.prototxt"
readonly labels_url="$caffe_host/caffe_ilsvrc12.tar.gz"

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(dirname "$here")"
out="$here/googlenet"
timeout=1800
cache="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/imgrec/bvlc_googlenet"
importer="${IMGREC_IMPORTER:-}"
force=()

usage() {
  cat <<EOF
Usage: models/get-googlenet.sh [--out DIR] [--timeout SECONDS] [--importer FILE] [--force]

Downloads BVLC GoogLeNet (some 50 MB) and makes a model folder with imgrec-model, which checks it
against OpenCV's own inference. An interrupted download is continued.

  --out DIR          the model folder (default: models/googlenet)
  --timeout SECONDS  give up on one file after this long (default: 1800)
  --importer FILE    the imgrec-model program (default: \$IMGREC_IMPORTER, or the newest in build/)
  --force            replace DIR if it is a model folder

Downloads are kept in $cache.
Exit codes: 0 good, 1 a failure, 2 wrong usage, 3 a file could not be downloaded.
EOF
}

usage_error() {
  echo "get-googlenet.sh: $1; --help says how it is used" >&2
  exit 2
}

while (($# > 0)); do
  case "$1" in
    --out | --timeout | --importer)
      (($# > 1)) || usage_error "$1 needs a value"
      case "$1" in
        --out) out="$2" ;;
        --timeout) timeout="$2" ;;
        --importer) importer="$2" ;;
      esac
      shift 2
      ;;
    --force)
      force=(--force)
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) usage_error "unknown argument $1" ;;
  esac
done
[[ "$timeout" =~ ^[1-9][0-9]{0,5}$ ]] || usage_error "--timeout $timeout: needs whole seconds"
[[ -n "$out" ]] || usage_error "--out needs a value"

find_importer() {
  local candidate newest=""
  for candidate in "$root"/build/*/bin/imgrec-model "$root"/build/bin/imgrec-model; do
    if [[ -x "$candidate" && (-z "$newest" || "$candidate" -nt "$newest") ]]; then
      newest="$candidate"
    fi
  done
  echo "$newest"
}

# What a person can do where the downloads do not work, with a command to paste.
cannot_download() {
  cat >&2 <<EOF

get-googlenet.sh: cannot download $1.

Without it there is no ImageNet model here. To make one by hand, bring these three files from a
machine with a network (any way you like):

  1. bvlc_googlenet.caffemodel  $model_url
     (SHA-1 $model_sha1)
  2. deploy.prototxt            $prototxt_url
  3. synset_words.txt           inside $labels_url

and import them:

  $importer import-caffe --prototxt deploy.prototxt \\
    --caffemodel bvlc_googlenet.caffemodel --labels synset_words.txt \\
    --name bvlc_googlenet --out $out

EOF
  exit 3
}

# download URL FILE: continues FILE.part, and names it FILE when it is whole.
download() {
  local url="$1" file="$2" code
  if [[ -s "$file" ]]; then
    echo "have $file"
    return 0
  fi
  echo "downloading $url"
  # A server that cannot continue (33, 36) or has nothing more to send (416, code 22) gets one
  # fresh start.
  for attempt in continue fresh; do
    [[ "$attempt" == continue ]] || rm -f "$file.part"
    code=0
    curl --fail --location --show-error --progress-bar --connect-timeout 10 \
      --max-time "$timeout" --speed-limit 1000 --speed-time 30 --retry 2 --continue-at - \
      --output "$file.part" "$url" || code=$?
    if ((code == 0)); then
      mv "$file.part" "$file"
      return 0
    fi
    case "$code" in
      22 | 33 | 36) [[ -s "$file.part" ]] || break ;;
      *) break ;;
    esac
  done
  echo "curl ended with code $code" >&2
  return 1
}

if [[ -z "$importer" ]]; then importer="$(find_importer)"; fi
if [[ -z "$importer" || ! -x "$importer" ]]; then
  echo "get-googlenet.sh: no imgrec-model program; build it first (cmake --preset release &&" \
    "cmake --build build/release --target imgrec-model), or give --importer FILE" >&2
  exit 1
fi
# Absolute, as the downloads change the directory.
out="$(realpath --canonicalize-missing -- "$out")"
importer="$(realpath -- "$importer")"
if [[ -e "$out" && ${#force[@]} -eq 0 ]]; then
  echo "get-googlenet.sh: $out exists; give another --out, or --force to replace it" >&2
  exit 1
fi
command -v curl >/dev/null || {
  echo "get-googlenet.sh: curl is missing; install it (apt-get install curl)" >&2
  exit 1
}

mkdir -p "$cache"
cd "$cache"
download "$prototxt_url" deploy.prototxt || cannot_download "deploy.prototxt from raw.githubusercontent.com"
download "$labels_url" caffe_ilsvrc12.tar.gz || cannot_download "the labels from dl.caffe.berkeleyvision.org"
download "$model_url" bvlc_googlenet.caffemodel || cannot_download "the weights from dl.caffe.berkeleyvision.org"

if ! echo "$model_sha1  bvlc_googlenet.caffemodel" | sha1sum --check --status; then
  rm -f bvlc_googlenet.caffemodel
  echo "get-googlenet.sh: the weights that came are not the public ones (SHA-1 differs from" \
    "$model_sha1); they are deleted. Run this again." >&2
  exit 1
fi
if ! tar -xzf caffe_ilsvrc12.tar.gz synset_words.txt 2>/dev/null &&
  ! tar -xzf caffe_ilsvrc12.tar.gz ./synset_words.txt; then
  rm -f caffe_ilsvrc12.tar.gz
  echo "get-googlenet.sh: the labels' archive is damaged; it is deleted. Run this again." >&2
  exit 1
fi

"$importer" import-caffe --prototxt deploy.prototxt --caffemodel bvlc_googlenet.caffemodel \
  --labels synset_words.txt --name bvlc_googlenet --source "$model_url" \
  --licence "released by its authors for unrestricted use" --out "$out" "${force[@]}"
