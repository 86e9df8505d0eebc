#!/usr/bin/env bash
# Builds what ci/chart_check.sh and ci/k8s_smoke.sh need and Debian does not have: helm, helm-unittest,
# kubeconform, and the Kubernetes schemas that rendered manifests are held against.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Pinned; Go checks each against its public checksum database.
go_minimum=1.26
go_toolchain=1.26.8
helm=helm.sh/helm/v3/cmd/helm@v3.21.4
kubeconform=github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0
unittest=github.com/helm-unittest/helm-unittest@v1.1.2
# The oldest that the chart takes (Chart.yaml), one between, the newest there is.
kubernetes=(v1.29.6 v1.32.13 v1.35.4)
# Where each module keeps the definitions of its own kinds.
crds=(
  "github.com/kedacore/keda/v2@v2.21.0 config/crd/bases/keda.sh_scaledobjects.yaml"
  "github.com/prometheus-operator/prometheus-operator@v0.85.0 example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"
  "github.com/prometheus-operator/prometheus-operator@v0.85.0 example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml"
  "github.com/cert-manager/cert-manager@v1.21.2 deploy/crds/cert-manager.io_certificates.yaml"
  "github.com/cert-manager/cert-manager@v1.21.2 deploy/crds/cert-manager.io_issuers.yaml"
  "sigs.k8s.io/gateway-api@v1.6.3 config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"
)

usage() {
  cat <<'EOF'
Usage: ci/chart-tools.sh [--helm-only] [--print]

Builds helm, helm-unittest and kubeconform with Go, in pinned versions, and makes the JSON schemas of
three Kubernetes versions and of the custom resources that the chart may render. All of it lies in
$XDG_CACHE_HOME/imgrec/chart-tools (default ~/.cache), in a folder named by the versions: bin/ and
schemas/. Quick where it is there already; the first time takes minutes and some 300 MB of
downloads. Prints the folder.

  --helm-only  helm alone, without the rest
  --print      print the folder, whether it is complete or not, and make nothing
  --help       print this

Needs Go 1.26, or an older one (Debian's golang-go, 1.19) that fetches it as a module. Without any Go,
or without a way to Go's module proxy, nothing can be made.

Exit codes: 0 it is there, 1 something could not be made, 2 wrong usage, 77 there is no Go here.
EOF
}

helm_only=false
print=false
for arg in "$@"; do
  case "$arg" in
    --helm-only) helm_only=true ;;
    --print) print=true ;;
    --help) usage; exit 0 ;;
    *) echo "chart-tools.sh: unknown argument \"$arg\"; --help lists what it takes" >&2; exit 2 ;;
  esac
done

say() { echo "chart-tools.sh: $*" >&2; }

converter=ci/chart_schemas.py
versions=$(printf '%s\n' "$helm" "$kubeconform" "$unittest" "${kubernetes[@]}" "${crds[@]}" | cat - "$converter" | sha256sum)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/imgrec/chart-tools/${versions:0:16}
if $print; then
  echo "$folder"
  exit 0
fi
if [ -f "$folder/complete" ] || { $helm_only && [ -x "$folder/bin/helm" ]; }; then
  echo "$folder"
  exit 0
fi
mkdir -p "$folder/bin" "$folder/schemas"

# One at a time, whoever else runs this: the second finds what the first has made.
exec 9>"$folder/lock"
flock 9

find_go() {
  local candidate
  for candidate in "${GO:-}" "$(command -v go || true)" /usr/local/go/bin/go /usr/lib/go-*/bin/go; do
    if [ -n "$candidate" ] && [ -x "$candidate" ]; then echo "$candidate"; return; fi
  done
  say "there is no Go here, which helm and its tools are built with; on Debian: apt-get install golang-go"
  exit 77
}

at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# Sets `go` to one that is new enough. An older one fetches it as it fetches any module; that loses the
# files' modes (Go before 1.21 knows nothing of toolchains), so they are set here.
new_enough_go() {
  local version module
  go=$(find_go)
  version=$(GOTOOLCHAIN=local "$go" env GOVERSION)
  if at_least "${version#go}" "$go_minimum"; then return; fi
  say "$go is $version; fetching Go $go_toolchain with it"
  module=$(fetch "golang.org/toolchain@v0.0.1-go$go_toolchain.linux-$("$go" env GOARCH)")
  chmod -R u+w "$module"
  chmod u+x "$module"/bin/* "$module"/pkg/tool/*/*
  unset GOROOT
  go=$module/bin/go
}

# Outside of any module; -mod=mod for those who have set something else.
export GOFLAGS="-trimpath -buildvcs=false" GO111MODULE=on CGO_ENABLED=0
scratch=$(mktemp -d "$folder/scratch.XXXXXX")
trap 'chmod -R u+w "$scratch" 2>/dev/null; rm -rf "$scratch"' EXIT

# Fetches a module, and prints where it lies unpacked.
fetch() {  # MODULE@VERSION
  (cd "$scratch" && GOFLAGS=-mod=mod "$go" mod download -json "$1") | /usr/bin/python3 -c '
import json, sys
said = json.load(sys.stdin)
if "Dir" not in said:
    sys.exit("chart-tools.sh: %s: %s" % (sys.argv[1], said.get("Error", "it cannot be fetched")))
print(said["Dir"])' "$1"
}

new_enough_go
export GOTOOLCHAIN=local

# Into a folder of its own, then moved: a build that is cut leaves nothing that looks whole.
install() {  # PACKAGE@VERSION FLAGS...
  local name
  name=$(basename "${1%@*}")
  if [ -x "$folder/bin/$name" ]; then return; fi
  say "building $1"
  GOBIN=$scratch/bin "$go" install -p "$(nproc)" "${@:2}" "$1" >&2
  mv "$scratch/bin/$name" "$folder/bin/$name"
}

# What helm takes for the cluster's version where it asks none: the newest of ours, not v1.20.
newest=${kubernetes[-1]#v}
minor=${newest#*.}
settings=helm.sh/helm/v3/pkg
install "$helm" -ldflags "-s -X helm.sh/helm/v3/internal/version.version=${helm#*@} \
  -X $settings/chartutil.k8sVersionMajor=${newest%%.*} -X $settings/chartutil.k8sVersionMinor=${minor%.*} \
  -X $settings/lint/rules.k8sVersionMajor=${newest%%.*} -X $settings/lint/rules.k8sVersionMinor=${minor%.*}"
if $helm_only; then
  echo "$folder"
  exit 0
fi
install "$kubeconform" -ldflags=-s
# Its go.mod replaces a module, which `go install` refuses: it is built in its own folder instead.
if [ ! -x "$folder/bin/helm-unittest" ]; then
  say "building $unittest"
  module=$(fetch "$unittest")
  (cd "$module" && GOFLAGS="-mod=readonly $GOFLAGS" \
    "$go" build -p "$(nproc)" -ldflags=-s -o "$scratch/helm-unittest" ./cmd/helm-unittest) >&2
  mv "$scratch/helm-unittest" "$folder/bin/helm-unittest"
fi

# The trees that modules are unpacked to are large and of no further use: not in the user's cache.
# Sources that only Go's own cache would keep are dropped with the scratch folder.
export GOMODCACHE=$scratch/modules
for version in "${kubernetes[@]}"; do
  if [ -d "$folder/schemas/$version" ]; then continue; fi
  say "making the schemas of Kubernetes $version"
  module=$(fetch "k8s.io/kubernetes@$version")
  /usr/bin/python3 "$converter" --swagger "$module/api/openapi-spec/swagger.json" --out "$scratch/$version"
  mv "$scratch/$version" "$folder/schemas/$version"
  chmod -R u+w "$GOMODCACHE"
  rm -rf "$GOMODCACHE"
done
if [ ! -d "$folder/schemas/crds" ]; then
  say "making the schemas of custom resources"
  files=()
  for entry in "${crds[@]}"; do
    files+=("$(fetch "${entry% *}")/${entry#* }")
  done
  /usr/bin/python3 "$converter" --crds "${files[@]}" --out "$scratch/crds"
  mv "$scratch/crds" "$folder/schemas/crds"
fi
touch "$folder/complete"
echo "$folder"
