#!/usr/bin/env bash
# Runs the scripts of geni/ for real, against machines that this one pretends to be.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'EOF'
Usage: ci/geni_smoke.sh [--build-dir DIR] [--from-nothing] [--in-root] [--thorough] [--system NAME]

Raises four little virtual machines (geni/lab/lab.py: network namespaces with a bare system, systemd
and sshd each, links as geni/rspec.py asks for), and has geni/cluster.sh bring up a manager and three
workers on them, recognise photos, survive what can go wrong, and go again. Ends with what it
started, however it ends.

  --build-dir DIR  the build whose programs are tried (default build/release)
  --from-nothing   the workers' machines have no packages yet, and each installs its own. Without it
                   they find LibTorch's there, installed once and kept, which saves some minutes.
  --in-root        in a Debian 12 below /opt/imgrec on each machine, as on hosts of another system;
                   from nothing
  --thorough       cut an installation off after each of its statements, not each fifth
  --system NAME    the machines' system: debian12 (default) or ubuntu22, which is always --in-root
  --help           print this

Exit codes: 0 passed, 1 failed, 2 wrong usage, 77 skipped, because this machine cannot; it says why.
EOF
}

build_dir=build/release
layered=true
system=debian12
thorough=0
in_root=
while [ $# -gt 0 ]; do
  case "$1" in
    --help) usage; exit 0 ;;
    --from-nothing) layered=false ;;
    --thorough) thorough=1 ;;
    --in-root) in_root=1 layered=false ;;
    --build-dir | --system)
      [ $# -ge 2 ] || { echo "geni_smoke.sh: $1 needs a value behind it" >&2; exit 2; }
      if [ "$1" = --system ]; then system=$2; else build_dir=$2; fi
      shift
      ;;
    *) echo "geni_smoke.sh: unknown argument \"$1\"; --help lists what it takes" >&2; exit 2 ;;
  esac
  shift
done
case "$system" in
  debian12) ;;
  ubuntu22) layered=false in_root=1 ;;
  *) echo "geni_smoke.sh: --system is debian12 or ubuntu22" >&2; exit 2 ;;
esac

if ! reason=$(tests/python.sh -B geni/lab/lab.py --check 2>&1); then
  echo "SKIPPED: the scripts of geni/ on machines of their own: ${reason#lab: }"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
geni/pack.sh --build-dir "$build_dir" --out "$folder/imgrec.tar.gz"

lab=(--workers 3 --system "$system")
if $layered; then
  tar -xzOf "$folder/imgrec.tar.gz" imgrec/packages-worker >"$folder/packages"
  lab+=(--layer "$folder/packages")
  echo "Machines: $system, bare; the workers' with their Debian packages, not with imgrec"
else
  echo "Machines: $system, bare${in_root:+; imgrec runs in a Debian 12 of its own}"
fi
export IMGREC_GENI_PACKAGE=$folder/imgrec.tar.gz IMGREC_GENI_IN_ROOT=$in_root IMGREC_GENI_THOROUGH=$thorough
export IMGREC_BIN_DIR=$build_dir/bin
# Not exec: the folder is to be removed. The lab ends with this shell's child, and that with this shell.
tests/python.sh -B geni/lab/lab.py "${lab[@]}" -- \
  tests/python.sh -B -m pytest -p no:cacheprovider -q -s --durations=8 tests/integration/test_geni_hosts.py
