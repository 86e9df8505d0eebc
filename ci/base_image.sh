#!/usr/bin/env bash
# Makes a file that `docker import` takes: Debian 12 as slim as the official image, for machines where
# no registry answers.
set -euo pipefail

usage() {
  cat <<'END'
Usage: ci/base_image.sh FILE

Writes a tar of a Debian 12 root file system (debootstrap's "minbase", without manuals, documents
and translations) to FILE, and does nothing where FILE is there and was made by this very script.
Needs root, debootstrap and a network; apt in it uses this machine's mirrors and settings, or
$IMGREC_MIRROR and $IMGREC_SECURITY_MIRROR.

Exit codes: 0 the file is there, 1 it could not be made, 2 wrong usage, 3 something is missing here.
END
}

if [ "${1:-}" = --help ]; then usage; exit 0; fi
if [ $# -ne 1 ]; then usage >&2; exit 2; fi
file=$(realpath -m "$1")
made_by=$(sha256sum "${BASH_SOURCE[0]}" | cut -d ' ' -f 1)
if [ -f "$file" ] && [ "$(cat "$file.made-by" 2>/dev/null)" = "$made_by" ]; then exit 0; fi

need() { echo "base_image.sh: $1" >&2; exit 3; }
[ "$(id -u)" -eq 0 ] || need "only root can make a root file system"
command -v debootstrap >/dev/null || need "debootstrap is missing: apt-get install debootstrap"
mirror_of() { # SUITE: the address that this machine's apt has for it
  # shellcheck disable=SC2016 # apt's own placeholders
  apt-get indextargets --format '$(CODENAME) $(REPO_URI)' |
    awk -v suite="$1" '$1 == suite && !found { print $2; found = 1 }'
}
mirror=${IMGREC_MIRROR:-$(mirror_of bookworm)}
security=${IMGREC_SECURITY_MIRROR:-$(mirror_of bookworm-security)}
if [ -z "$mirror" ] || [ -z "$security" ]; then
  need "apt here knows no bookworm mirror: set IMGREC_MIRROR and IMGREC_SECURITY_MIRROR"
fi

mkdir -p "$(dirname "$file")"
root=$(mktemp -d "$file.XXXXXX")
trap 'rm -rf "$root" "$file.part"' EXIT
debootstrap --variant=minbase bookworm "$root" "$mirror" >"$file.log" 2>&1 ||
  { tail -n 20 "$file.log" >&2; echo "base_image.sh: debootstrap failed; see $file.log" >&2; exit 1; }

cat >"$root/etc/apt/sources.list" <<END
deb $mirror bookworm main
deb $mirror bookworm-updates main
deb $security bookworm-security main
END
# The host's own way out, and what it asks of a mirror's dates.
apt-config dump --format '%f "%v";%n' | grep -E '^Acquire::(https?|ftp|Check-|Retries)' \
  >"$root/etc/apt/apt.conf.d/host" || true
cat >"$root/etc/apt/apt.conf.d/slim" <<'END'
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
END
cat >"$root/etc/dpkg/dpkg.cfg.d/slim" <<'END'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
END
find "$root/usr/share/doc" -type f ! -name copyright -delete
rm -rf "$root"/usr/share/{info,lintian,locale,man}/* "$root"/var/lib/apt/lists/* \
  "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/log/*.log

tar -C "$root" --one-file-system --numeric-owner -cf "$file.part" .
mv "$file.part" "$file"
echo "$made_by" >"$file.made-by"
