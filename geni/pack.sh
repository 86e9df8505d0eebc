#!/usr/bin/env bash
# Packs manager, worker, command line client, website and bundled model for hosts.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=geni/common.sh
. "$here/common.sh"

usage() {
  cat <<'EOF'
Usage: geni/pack.sh [--build-dir DIR | --on HOST [--ssh-config FILE]] [--out FILE]

Makes one package, build/geni/imgrec.tar.gz, for every host: the programs of the release build as
`cmake --install` lays them out, and lists of the Debian 12 packages that they run with. The same
build makes the same file, byte for byte. Prints the file's name.

On Debian 12 it builds here. Elsewhere the programs must come from a Debian 12 machine: name one
with --on, for instance the manager's host, which then installs compilers and builds there what is
committed here. What was built is kept there, so that an interrupted build goes on, and another one
builds what differs.

  --build-dir DIR    pack what is built in DIR already, and build nothing
  --on HOST          build on this Debian 12 host, by ssh; you must be able to sudo there
  --ssh-config FILE  configuration for ssh
  --out FILE         the package's name (default build/geni/imgrec.tar.gz)
  --help             print this

Exit codes: 0 packed, 1 something failed, 2 wrong usage, 3 this cannot be done here.
EOF
}

build_dir=
on=
out=
while [ $# -gt 0 ]; do
  case "$1" in
    --help) usage; exit 0 ;;
    --build-dir | --on | --ssh-config | --out)
      [ $# -ge 2 ] || wrong_usage "$1 needs a value behind it"
      case "$1" in
        --build-dir) build_dir=$(realpath -m -- "$2") ;;
        --on) on=$2 ;;
        --ssh-config) ssh_config=$2 ;;
        --out) out=$(realpath -m -- "$2") ;;
      esac
      shift 2
      ;;
    *) wrong_usage "unknown argument \"$1\"" ;;
  esac
done
[ -z "$on" ] || [ -z "$build_dir" ] || wrong_usage "--on and --build-dir exclude each other"
cd "$here/.."
out=${out:-$PWD/build/geni/imgrec.tar.gz}
mkdir -p "$(dirname "$out")"

# The Debian packages whose libraries the programs name themselves; apt knows what those need.
packages_of() {  # PROGRAM...
  local binary library path needed
  for binary in "$@"; do
    needed=$(objdump -p "$binary" | awk '$1 == "NEEDED" { print $2 }')
    while read -r library path; do
      grep -qxF -- "$library" <<<"$needed" || continue
      dpkg-query -S "$(realpath "$path")" 2>/dev/null || dpkg-query -S "$path" 2>/dev/null ||
        die 1 "$binary needs $library, which is in no Debian package (it is $path)." \
          "Build on a Debian 12 with the packages of ci/install-deps.sh."
    done < <(ldd "$binary" | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }')
  done | sed 's/:.*//' | LC_ALL=C sort -u
}

build_here() {
  grep -qsx 'VERSION_CODENAME=bookworm' /etc/os-release || die 3 \
    "The programs must be built on Debian 12, and this is none." \
    "Name a Debian 12 host to build on: geni/pack.sh --on HOST (geni/README.md)."
  say "Building (log: build/geni/build.log)"
  mkdir -p build/geni
  ci/install-deps.sh
  if ! { cmake --preset release &&
    cmake --build --preset release --target imgrec-manager imgrec-worker imgrec imgrec-model; } \
    >build/geni/build.log 2>&1; then
    grep -E -A 15 'FAILED|error' build/geni/build.log | tail -n 40 >&2 || tail -n 30 build/geni/build.log >&2
    die 1 "The build failed; the whole log is in build/geni/build.log."
  fi
  build_dir=$PWD/build/release
}

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
stage=
cleanup() { if [ -n "$stage" ]; then rm -rf "$stage"; fi; }
trap cleanup EXIT

pack() {
  local component
  [ -f "$build_dir/cmake_install.cmake" ] || die 3 "$build_dir is no build: it has no cmake_install.cmake."
  stage=$(mktemp -d "$(dirname "$out")/.pack.XXXXXX")
  for component in manager worker tools; do
    cmake --install "$build_dir" --component "$component" --prefix "$stage/imgrec" --strip >"$stage/log" 2>&1 ||
      { tail -n 5 "$stage/log" >&2; die 1 "What is built in $build_dir cannot be installed; the reason is above."; }
  done
  # What ldd does not see: LibTorch only recommends its BLAS (docs/inference.md), and the website
  # draws with Debian's Chart.js.
  { packages_of "$stage/imgrec/bin/imgrec-manager" "$stage/imgrec/bin/imgrec"; echo libjs-chart.js; } \
    >"$stage/imgrec/packages-manager"
  { packages_of "$stage/imgrec/bin/imgrec-worker"; echo libopenblas0-openmp; } >"$stage/imgrec/packages-worker"
  # Hosts of another system make a Debian 12 with them.
  cp "$keyring" "$stage/imgrec/" || die 3 "There is no $keyring here: apt-get install debian-archive-keyring."
  tar -C "$stage" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=go-w,a+rX \
    -cf - imgrec | gzip -n >"$stage/package" || die 1 "$out cannot be written. Is the disk full?"
  mv "$stage/package" "$out"
}

# Runs there. The sources are unpacked beside the last ones, with the time of now; a file that is as it
# was keeps its old time, so that only what differs is built again, and what is gone is gone. Whatever
# this is cut off by, the build's folder is in one of the two.
# shellcheck disable=SC2016 # expanded there
readonly TAKE_SOURCES='set -e
mkdir -p "$HOME/imgrec-build"; cd "$HOME/imgrec-build"
exec 9>.lock
flock -n 9 || { echo "an earlier build is still at work there; waiting for it" >&2; flock 9; }
if [ -d new/build ]; then
  if [ -d sources ]; then rm -rf sources/build; mv new/build sources/; else mv new sources; fi
fi
rm -rf new old
mkdir -p new sources
tar -xmf - -C new
(cd new && find . -type f -print0) | while IFS= read -r -d "" file; do
  if cmp -s "new/$file" "sources/$file"; then touch -r "sources/$file" "new/$file"; fi
done
if [ -d sources/build ]; then mv sources/build new/; fi
mv sources old
mv new sources
rm -rf old
'

# Sources go there, the package comes back.
# shellcheck disable=SC2016 # expanded there
pack_on() {
  local check='set -e
    grep -qx VERSION_CODENAME=bookworm /etc/os-release || { echo "it is no Debian 12" >&2; exit 3; }
    [ "$(id -u)" = 0 ] || sudo -n true || { echo "sudo wants a password there" >&2; exit 3; }
  ' build='
    cd sources
    exec geni/pack.sh --out "$HOME/imgrec-build/imgrec.tar.gz" </dev/null >&2'
  say "Building on $on, in ~/imgrec-build, what is committed: $(git log -1 --format='%h (%s)')"
  if [ -n "$(git status --porcelain)" ]; then
    say "WARNING: this clone has changes that are not committed; they are not in the package:"
    git status --short | head -n 20
  fi
  git archive --format=tar HEAD | to_host "$on" "$check$TAKE_SOURCES$build" || die 1 \
    "$on: the build there failed, for the reason above. Started again it goes on where it stopped."
  to_host "$on" 'cat "$HOME/imgrec-build/imgrec.tar.gz"' </dev/null >"$out.partial" ||
    die 1 "$on: the package did not come."
  mv "$out.partial" "$out"
}

if [ -n "$on" ]; then
  check_destination "$on"
  pack_on
else
  [ -n "$build_dir" ] || build_here
  pack
fi
say "$out"
