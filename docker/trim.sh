#!/bin/bash
# Takes away the Debian packages that came with others as dependencies and that these never load.
set -euo pipefail

usage() {
  cat <<'END'
Usage: trim BEFORE PACKAGE...

For the making of an image, as root. BEFORE is a file with the packages that were there before,
one a line; each PACKAGE came since, with what it depends on. Of all that came, these stay: each
PACKAGE; whatever holds a library that one of its libraries is linked to, near or far; where it has
no libraries, what it depends on. The others are purged, though packages that stay name them as
dependencies: LibTorch depends on OpenCV, that on GDAL, Qt and VA, and those on drivers, maps and an
LLVM, which nothing here ever opens. dpkg still knows what is there.
END
}

if [ "${1:-}" = --help ]; then usage; exit 0; fi
if [ $# -lt 2 ]; then usage >&2; exit 2; fi
before=$1
shift

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Names without architecture: what dpkg calls "libc6:amd64" is libc6.
names() { sed 's/:.*//' | LC_ALL=C sort -u; }

libraries_of() { # PACKAGE
  dpkg-query -L "$1" | while read -r file; do
    case "$file" in *.so | *.so.*) if [ -f "$file" ]; then realpath "$file"; fi ;; esac
  done | LC_ALL=C sort -u
}

linked() { # FILE: what ldd says of it, and an end where a library is missing
  local said
  said=$(ldd "$1")
  if grep -q 'not found' <<<"$said"; then
    printf 'trim: libraries of %s are missing:\n%s\n' "$1" "$(grep 'not found' <<<"$said")" >&2
    exit 1
  fi
  printf '%s\n' "$said"
}

for package in "$@"; do
  echo "$package"
  libraries_of "$package" >"$work/roots"
  if [ -s "$work/roots" ]; then
    # Each by the name that the loader finds it by and by that of the file behind its links: those of
    # Debian's "alternatives" belong to no package. dpkg knows /lib and /usr/lib by one name only.
    while read -r root; do linked "$root"; done <"$work/roots" | awk '$3 ~ /^\// { print $3 }' |
      LC_ALL=C sort -u | while read -r library; do
      printf '%s\n' "$library" "$(realpath "$library")"
    done | sed -E 's|^/usr/lib/|/lib/|; p; s|^/lib/|/usr/lib/|' | LC_ALL=C sort -u >"$work/libraries"
    # Paths that no package owns make it fail, which says nothing.
    { xargs dpkg-query -S <"$work/libraries" 2>/dev/null || true; } | names
  else
    apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
      --no-replaces --no-enhances "$package" | grep '^[a-z0-9]' | names
  fi
done >"$work/keep"
cat "$before" >>"$work/keep"
names <"$work/keep" >"$work/kept"

dpkg-query -W -f '${Package}\n' | names >"$work/now"
LC_ALL=C comm -23 "$work/now" "$work/kept" >"$work/purge"
xargs --no-run-if-empty dpkg --purge --force-depends <"$work/purge" >"$work/log" 2>&1 ||
  { tail -n 20 "$work/log" >&2; exit 1; }

for package in "$@"; do
  libraries_of "$package" >"$work/roots"
  while read -r root; do linked "$root" >/dev/null; done <"$work/roots"
done
echo "trim: $(wc -l <"$work/purge") of $(wc -l <"$work/now") packages purged"
