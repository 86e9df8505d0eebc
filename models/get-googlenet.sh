#!/bin/bash
# Downloads BVLC GoogLeNet with its public ImageNet weights and makes a model folder of it.
set -euo pipefail

readonly caffe_host="http://dl.caffe.berkeleyvision.org"
model_url="$caffe_host/bvlc_googlenet.caffemodel"
model_sha1="405fc5acd08a3bb12de8ee5e23a96bec22f08204" # from the Caffe model zoo
prototxt_url="https://raw.githubusercontent.com/BVLC/caffe/master/models/bvlc_googlenet/deploy.prototxt"
labels_url="$caffe_host/caffe_ilsvrc12.tar.gz"
readonly most_bytes=200000000 # of one file

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(dirname "$here")"
out="$here/googlenet"
timeout=1800
cache="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/imgrec/bvlc_googlenet"
importer="${IMGREC_IMPORTER:-}"
force=()
from=

usage() {
  cat <<EOF
Usage: models/get-googlenet.sh [--from URL] [--out DIR] [--timeout SECONDS] [--force]

Downloads BVLC GoogLeNet (some 50 MB) and makes a model folder with imgrec-model, which checks it
against OpenCV's own inference. An interrupted download is continued.

  --from URL         a mirror: bvlc_googlenet.caffemodel, deploy.prototxt and
                     caffe_ilsvrc12.tar.gz are taken from below URL, not from their authors' servers
  --sha1 HEX         what a mirror's caffemodel must be, where it is not the authors' very file
  --out DIR          the model folder (default: models/googlenet, which ./run.sh then uses)
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
    --from | --sha1 | --out | --timeout | --importer)
      (($# > 1)) || usage_error "$1 needs a value"
      case "$1" in
        --from) from="${2%/}" ;;
        --sha1) model_sha1="${2,,}" ;;
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
[[ "$model_sha1" =~ ^[0-9a-f]{40}$ ]] || usage_error "--sha1 $model_sha1: needs 40 hex digits"
if [[ -n "$from" ]]; then
  [[ "$from" =~ ^https?:// ]] || usage_error "--from $from: needs an address, http://… or https://…"
  model_url="$from/bvlc_googlenet.caffemodel"
  prototxt_url="$from/deploy.prototxt"
  labels_url="$from/caffe_ilsvrc12.tar.gz"
fi

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
cannot_download() {  # URL
  cat >&2 <<EOF

get-googlenet.sh: cannot download $1.

What came so far is kept: run this again to continue, or with --from URL to take the files from a
mirror. To make the model by hand, bring these three files from a machine with a network:

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

size_of() { stat --format %s -- "$1" 2>/dev/null || echo 0; }

# fetch URL FILE.part: adds to it what is missing; returns curl's exit code. Goes on after a cut for
# as long as each try brings something. Sets `continued` where some of it was there.
fetch() {
  local url="$1" part="$2" code before
  while true; do
    before="$(size_of "$part")"
    if ((before > 0)); then continued=true; fi
    code=0
    curl --fail --location --show-error --progress-bar --connect-timeout 10 \
      --max-time "$timeout" --speed-limit 1000 --speed-time 30 --retry 2 --continue-at - \
      --max-filesize "$most_bytes" --output "$part" "$url" || code=$?
    case "$code" in
      18 | 52 | 55 | 56) (("$(size_of "$part")" > before)) || return "$code" ;; # cut off
      *) return "$code" ;;
    esac
    echo "the connection was cut; going on" >&2
  done
}

# download URL FILE [SHA1]: continues FILE.part, and names it FILE when it is whole.
download() {
  local url="$1" file="$2" sha1="${3:-}" code continued again=false
  if [[ -s "$file" ]] && is_right "$file" "$sha1"; then
    echo "have $file"
    return
  fi
  rm -f "$file"
  echo "downloading $url"
  # What was begun before may be another file's, complete, or from a server that cannot continue:
  # then once more, from the beginning.
  while true; do
    continued=false
    code=0
    fetch "$url" "$file.part" || code=$?
    if ((code == 0)) && is_right "$file.part" "$sha1"; then
      mv "$file.part" "$file"
      return
    fi
    case "$code" in
      0 | 22 | 33 | 36) if ! $continued || $again; then break; fi ;;
      *) break ;;
    esac
    again=true
    echo "it cannot be continued; beginning again" >&2
    rm -f "$file.part"
  done
  case "$code" in
    0)
      rm -f "$file.part"
      fail "what came from $url is not the file that it should be (its SHA-1 is not $sha1);" \
        "it is deleted. Run this again, or take it from elsewhere with --from URL."
      ;;
    23) fail "cannot write $PWD/$file.part: is the disk full? Run this again when there is room." ;;
    *) cannot_download "$url (curl ended with code $code)" ;;
  esac
}

is_right() {  # FILE SHA1: true where none is asked for
  [[ -z "$2" ]] || sha1sum --check --status <<<"$2  $1"
}

fail() {
  echo "get-googlenet.sh: $*" >&2
  exit 1
}

if [[ -z "$importer" ]]; then importer="$(find_importer)"; fi
if [[ -z "$importer" || ! -x "$importer" ]]; then
  fail "no imgrec-model program; build it first (./run.sh does, or cmake --preset release &&" \
    "cmake --build --preset release --target imgrec-model), or give --importer FILE"
fi
# Absolute, as the downloads change the directory.
out="$(realpath --canonicalize-missing -- "$out")"
importer="$(realpath -- "$importer")"
if [[ -e "$out" && ${#force[@]} -eq 0 ]]; then
  fail "$out exists; give another --out, or --force to replace it"
fi
command -v curl >/dev/null || fail "curl is missing; install it (apt-get install curl)"

mkdir -p "$cache" || fail "cannot make the directory $cache; XDG_CACHE_HOME names another one"
cd "$cache"
# Two of us would write into the same files.
exec 8>.lock
flock --nonblock 8 || fail "another models/get-googlenet.sh is at work in $cache"
download "$prototxt_url" deploy.prototxt
# A network's login page comes as an answer too.
grep --quiet '^layer' deploy.prototxt || {
  rm -f deploy.prototxt
  fail "what came from $prototxt_url is no network definition; it is deleted." \
    "Is this machine's network open to the internet? Run this again."
}
download "$labels_url" caffe_ilsvrc12.tar.gz
if ! tar -xzf caffe_ilsvrc12.tar.gz synset_words.txt 2>/dev/null &&
  ! tar -xzf caffe_ilsvrc12.tar.gz ./synset_words.txt; then
  rm -f caffe_ilsvrc12.tar.gz
  fail "the labels' archive is damaged; it is deleted. Run this again."
fi
download "$model_url" bvlc_googlenet.caffemodel "$model_sha1"

"$importer" import-caffe --prototxt deploy.prototxt --caffemodel bvlc_googlenet.caffemodel \
  --labels synset_words.txt --name bvlc_googlenet --source "$model_url" \
  --licence "released by its authors for unrestricted use" --out "$out" "${force[@]}"

if [[ "$out" == "$here/googlenet" ]]; then
  echo "./run.sh uses it from now on: start that again."
else
  echo "Use it with: ./run.sh --model $out"
fi
echo "The downloads in $cache are not needed any more."
