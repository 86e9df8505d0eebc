#!/usr/bin/env bash
# Checks the Helm chart without a cluster.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'EOF'
Usage: ci/chart_check.sh [--if-built] [PYTEST-ARGUMENTS...]

helm lint --strict on every file of values in helm/imgrec/ci; what they render against the strict
schemas of three Kubernetes versions; the unit tests of the templates; values against schema, README
and each other; the dashboard's metrics against docs/metrics.md; the rendered variables against
imgrec-manager and imgrec-worker --check-config, where they are built ($IMGREC_BIN_DIR, default
build/release/bin); the script of `helm test` against a manager and a worker.

Needs Debian's python3-pytest and python3-yaml, and python3-jsonschema for one of the tests.
Helm and its tools come from ci/chart-tools.sh, which takes minutes the first time and nothing later.

  --if-built  skip (exit code 77) where they are not there yet, rather than build them
  --help      print this

Exit codes: 0 all is well, 1 it is not, 77 skipped: the tools cannot be had here.
EOF
}

skip() { echo "chart_check.sh: SKIPPED: $1" >&2; exit 77; }

if [ "${1:-}" = --help ]; then usage; exit 0; fi
# Before minutes go into tools.
tests/python.sh -B -c 'import pytest, yaml' 2>/dev/null ||
  skip "Python has no pytest or no yaml; apt-get install python3-pytest python3-yaml python3-jsonschema"

case "${1:-}" in
  --if-built)
    shift
    folder=$(ci/chart-tools.sh --print)
    [ -f "$folder/complete" ] || skip "helm and its tools are not built; run ci/chart-tools.sh"
    ;;
  *) folder=$(ci/chart-tools.sh) || skip "helm and its tools could not be built" ;;
esac

export IMGREC_CHART_TOOLS=$folder
export IMGREC_BIN_DIR=${IMGREC_BIN_DIR:-$PWD/build/release/bin}
exec tests/python.sh -B -m pytest -p no:cacheprovider -q -rs tests/chart "$@"
