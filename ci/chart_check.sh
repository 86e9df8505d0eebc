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

Helm and its tools come from ci/chart-tools.sh, which takes minutes the first time and nothing later.

  --if-built  skip (exit code 77) where they are not there yet, rather than build them
  --help      print this

Exit codes: 0 all is well, 1 it is not, 77 skipped: the tools cannot be had here.
EOF
}

skip() { echo "chart_check.sh: SKIPPED: $1" >&2; exit 77; }

case "${1:-}" in
  --help) usage; exit 0 ;;
  --if-built)
    shift
    folder=$(ci/chart-tools.sh --print)
    [ -f "$folder/complete" ] || skip "helm and its tools are not built; run ci/chart-tools.sh"
    ;;
  *) folder=$(ci/chart-tools.sh) || skip "helm and its tools could not be built" ;;
esac
/usr/bin/python3 -c 'import yaml' 2>/dev/null || skip "python3-yaml is missing"

export IMGREC_CHART_TOOLS=$folder
export IMGREC_BIN_DIR=${IMGREC_BIN_DIR:-$PWD/build/release/bin}
exec tests/python.sh -B -m pytest -p no:cacheprovider -q -rs tests/chart "$@"
