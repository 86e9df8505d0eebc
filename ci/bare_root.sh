#!/usr/bin/env bash
# Runs ./test.sh in a bare Debian 12, as a newcomer's machine would: nothing is installed there
# but what debootstrap's "minbase" holds.
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: ci/bare_root.sh DIR [COMMAND...]

Makes a bare Debian 12 in DIR (where there is none yet), clones this repository's HEAD into it and
runs COMMAND there (default: ./test.sh). Needs root, debootstrap and a network. Development data
in ../shared, where it is there, is mounted read-only beside the clone.

DIR is kept, so that a second run installs and compiles little. The Debian mirror is
$IMGREC_MIRROR, the one for security updates $IMGREC_SECURITY_MIRROR; by default those of this
machine's own apt.
Changes that are not committed are not tested.

  --prepare   as COMMAND: make the root and the clone, and run nothing

Exit code: that of COMMAND; 2 wrong usage, 3 something is missing here.
EOF
}

if [ $# -eq 0 ] || [ "$1" = --help ]; then
  usage
  exit $(($# == 0 ? 2 : 0))
fi
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
root=$(realpath -m "$1")
shift
# The address that this machine's apt has for a Debian suite.
mirror_of() {
  # shellcheck disable=SC2016 # apt's own placeholders
  apt-get indextargets --format '$(CODENAME) $(REPO_URI)' |
    awk -v suite="$1" '$1 == suite && !found { print $2; found = 1 }'
}
mirror=${IMGREC_MIRROR:-$(mirror_of bookworm)}
security=${IMGREC_SECURITY_MIRROR:-$(mirror_of bookworm-security)}
command=("$@")
if [ $# -eq 0 ]; then command=(./test.sh); fi

need() { echo "bare_root.sh: $1" >&2; exit 3; }
[ "$(id -u)" -eq 0 ] || need "only root can make and enter a root directory"
command -v debootstrap >/dev/null || need "debootstrap is missing: apt-get install debootstrap"
command -v git >/dev/null || need "git is missing: apt-get install git"
if [ -z "$mirror" ] || [ -z "$security" ]; then
  need "apt here knows no bookworm mirror: set IMGREC_MIRROR and IMGREC_SECURITY_MIRROR"
fi
[ "$root" != / ] || need "DIR must not be /"
case "$repository/" in "$root"/*) need "DIR must not hold this repository" ;; esac

if [ ! -f "$root/etc/debian_version" ]; then
  echo "Making a bare Debian 12 in $root"
  debootstrap --variant=minbase bookworm "$root" "$mirror" >"$root.debootstrap.log" 2>&1 ||
    { tail -n 20 "$root.debootstrap.log" >&2; need "debootstrap failed; see $root.debootstrap.log"; }
fi
cat >"$root/etc/apt/sources.list" <<EOF
deb $mirror bookworm main
deb $mirror bookworm-updates main
deb $security bookworm-security main
EOF
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
cp -L /etc/hosts "$root/etc/hosts"

# The host's own way out for apt, should it have one: a proxy.
if [ -f /etc/apt/apt.conf ]; then cp -L /etc/apt/apt.conf "$root/etc/apt/apt.conf"; fi

mounts=()
# shellcheck disable=SC2317 # called by the trap
unmount_all() {
  local i
  for ((i = ${#mounts[@]} - 1; i >= 0; i--)); do
    umount "${mounts[$i]}" 2>/dev/null || umount -l "${mounts[$i]}" || true
  done
  mounts=()
}
trap unmount_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

mount_at() {  # TARGET ARGUMENTS-OF-mount...
  local target=$1
  shift
  mkdir -p "$target"
  mount "$@" "$target"
  mounts+=("$target")
}
mount_at "$root/proc" -t proc proc
mount_at "$root/sys" -o ro,bind /sys
mount_at "$root/dev" --bind /dev
mount_at "$root/dev/pts" --bind /dev/pts
mount_at "$root/dev/shm" -t tmpfs -o mode=1777 tmpfs

# A plain clone, beside the data as in a working place. What was built before is kept.
place=/root/imgrec
if [ -d "$root$place/main/.git" ]; then
  git -C "$root$place/main" fetch --quiet "$repository" HEAD
  git -C "$root$place/main" checkout --quiet --detach FETCH_HEAD
else
  mkdir -p "$root$place"
  git clone --quiet --no-hardlinks "$repository" "$root$place/main"
fi
if [ -d "$repository/../shared" ]; then
  mount_at "$root$place/shared" --bind "$(realpath "$repository/../shared")"
  mount -o remount,ro,bind "$root$place/shared"
fi

if [ "${command[0]}" = --prepare ]; then
  echo "Prepared: $root$place/main"
  exit 0
fi
echo "Running ${command[*]} in $root$place/main"
code=0
# Only what a login gives: nothing of this shell's environment may help.
# shellcheck disable=SC2016 # the inner shell expands them
env -i HOME=/root TERM="${TERM:-dumb}" LANG=C.UTF-8 \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  chroot "$root" /bin/bash -c 'cd "$0" && exec "$@"' "$place/main" "${command[@]}" || code=$?
exit "$code"
