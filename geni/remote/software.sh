# shellcheck shell=bash
# shellcheck disable=SC2154 # here, role, root, system, packages and the mirrors are setup.sh's
# What imgrec is and what it needs, onto a host: the package, a model, a Debian 12 where the host is
# another system, Debian packages. Sourced by setup.sh; sets release and model.

unpack_release() {
  local id
  id=$(sha256sum "$here/package.tar.gz" | cut -c 1-12)
  release=$PREFIX/releases/$id
  [ ! -d "$release" ] || return 0
  say "Unpacking imgrec into $release"
  mkdir -p "$PREFIX/releases" "$PREFIX/models"
  rm -rf "$PREFIX/releases/"*.partial
  mkdir "$release.partial"
  logged "The package cannot be unpacked" \
    tar -xzf "$here/package.tar.gz" -C "$release.partial" --strip-components=1 --no-same-owner
  [ -x "$release.partial/bin/imgrec-$role" ] ||
    die 1 "The package holds no imgrec-$role: it was not made by geni/pack.sh of this version."
  mv "$release.partial" "$release"
}

unpack_model() {
  local id
  mkdir -p "$PREFIX/models"
  model=$release/share/imgrec/models/cifar10-inception
  [ -f "$here/model.tar" ] || return 0
  id=$(sha256sum "$here/model.tar" | cut -c 1-12)
  model=$PREFIX/models/$id
  [ ! -d "$model" ] || return 0
  say "Unpacking the model into $model"
  rm -rf "$PREFIX/models/"*.partial
  mkdir "$model.partial"
  logged "The model cannot be unpacked" tar -xf "$here/model.tar" -C "$model.partial" --no-same-owner
  mv "$model.partial" "$model"
}

# Runs a command in the system that the programs are to run in. Its mounts are seen by nobody else, and
# end with it.
in_system() {
  if [ -z "$root" ]; then
    "$@"
    return
  fi
  # shellcheck disable=SC2016 # the inner shell expands them
  unshare --mount --propagation private sh -c '
    set -e
    mount -t proc proc "$0/proc"
    mount --rbind /dev "$0/dev"
    for folder in releases models; do
      mkdir -p "$0/opt/imgrec/$folder"
      mount --bind "/opt/imgrec/$folder" "$0/opt/imgrec/$folder"
    done
    exec chroot "$0" "$@"' "$root" "$@"
}

missing_packages() {
  local installed
  # Unknown names make it fail, which only says that they are missing.
  # shellcheck disable=SC2016 # dpkg-query's own placeholders
  installed=$(in_system dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
    sed -n 's/^installed //p' || true)
  printf '%s\n' "${packages[@]}" | grep -vxF -- "${installed:-none}" || true
}

packages_are_there() { [ -z "$root" ] || [ -d "$root" ] && [ -z "$(missing_packages)" ]; }

# An earlier run may have been cut off while dpkg was at work, or may still be at it.
apt_get() { in_system apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"; }
heal_dpkg() {
  [ -n "$(in_system dpkg --audit 2>/dev/null)" ] || return 0
  say "Finishing an installation that was interrupted"
  logged "dpkg cannot finish what it had begun" in_system dpkg --configure -a
  logged "apt-get cannot mend what is half-installed" apt_get --fix-broken install
}

install_packages() {
  local missing
  heal_dpkg
  mapfile -t missing < <(missing_packages)
  [ "${#missing[@]}" -gt 0 ] || return 0
  say "Installing ${#missing[@]} Debian packages and what they depend on (log: $LOG)"
  logged "apt-get update failed: has this host a network, and do its package sources answer?" apt_get update
  logged "The packages of imgrec-$role could not be installed" \
    apt_get install --no-install-recommends "${missing[@]}"
  in_system apt-get clean
}

# The host's own way out, should it have one.
apt_proxy() {
  local PROXY=
  eval "$(apt-config shell PROXY Acquire::http::Proxy 2>/dev/null || true)"
  echo "$PROXY"
}

# Debian's keys come with the package: those that Ubuntu 22.04 has are older than Debian 12.
make_root() {
  local partial=$root.partial proxy
  [ -n "$root" ] || return 0
  [ ! -d "$root" ] || return 0
  say "Making a Debian 12 in $root, for this host's system is \"$system\" (some minutes; log: $LOG)"
  if ! command -v debootstrap >/dev/null; then
    logged "apt-get update failed: has this host a network, and do its package sources answer?" \
      apt-get -q -o DPkg::Lock::Timeout=300 update
    logged "debootstrap could not be installed" apt-get -q -y -o DPkg::Lock::Timeout=300 \
      install --no-install-recommends debootstrap gpgv
  fi
  proxy=$(apt_proxy)
  rm -rf "$partial"
  logged "debootstrap failed (does $mirror answer?)" env ${proxy:+"http_proxy=$proxy"} \
    debootstrap --variant=minbase --include=ca-certificates \
    --keyring="$release/debian-archive-keyring.gpg" bookworm "$partial" "$mirror"
  printf 'deb %s\n' "$mirror bookworm main" "$mirror bookworm-updates main" \
    "$security_mirror bookworm-security main" >"$partial/etc/apt/sources.list"
  if [ -n "$proxy" ]; then echo "Acquire::http::Proxy \"$proxy\";" >"$partial/etc/apt/apt.conf.d/01proxy"; fi
  # Nothing that comes with a package may start in there.
  printf '#!/bin/sh\nexit 101\n' >"$partial/usr/sbin/policy-rc.d"
  chmod +x "$partial/usr/sbin/policy-rc.d"
  mv "$partial" "$root"
}

check_program() {
  local lacking
  lacking=$(in_system ldd "$release/bin/imgrec-$role" | awk '/not found/ { print $1 }' | sort -u)
  [ -z "$lacking" ] || die 1 "imgrec-$role lacks libraries here:" "$lacking" \
    "Is the package of another Debian than 12? Make it again (geni/pack.sh)."
}
