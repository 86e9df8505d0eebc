#!/usr/bin/env bash
# Builds the Kubernetes components that ci/kubernetes/node.sh runs, from their Go modules.
set -euo pipefail

kubernetes=1.31.14
coredns=1.14.3
kube_router=2.1.0
parts=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl coredns kube-router)

usage() {
  cat <<EOF
Usage: ci/kubernetes/components.sh [--where] [--help]

Builds ${parts[*]}
(Kubernetes $kubernetes, CoreDNS $coredns, kube-router $kube_router) with Go, once, into a
cache folder, and prints that folder. That compiles for long the first time (some half an hour beside other
work on two cores); nothing later on.

  --where   print the folder and build nothing; exit code 1 where something in it is missing

Exit codes: 0 everything is there, 1 a build failed, 2 wrong usage, 3 there is no Go.
EOF
}

cache=${XDG_CACHE_HOME:-$HOME/.cache}/imgrec/kubernetes/$kubernetes-$coredns-$kube_router
missing() {
  local part
  for part in "${parts[@]}"; do
    if [ ! -x "$cache/$part" ]; then echo "$part"; fi
  done
}

case "${1:-}" in
  '') ;;
  --help) usage; exit 0 ;;
  --where)
    echo "$cache"
    [ -z "$(missing)" ]
    exit
    ;;
  *) echo "components.sh: unknown argument \"$1\"; --help lists what it takes" >&2; exit 2 ;;
esac

if [ -z "$(missing)" ]; then echo "$cache"; exit 0; fi
if ! command -v go >/dev/null && [ -x /usr/local/go/bin/go ]; then PATH=$PATH:/usr/local/go/bin; fi
if ! command -v go >/dev/null; then
  echo "components.sh: Go is missing, which builds Kubernetes' components: install Go 1.22 or newer" >&2
  exit 3
fi

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
mkdir -p "$cache"
export CGO_ENABLED=0 GOFLAGS="-mod=mod -trimpath"
cd "$build"

# k8s.io/kubernetes asks for its own staging directories, which its module does not hold, but which
# are modules of their own: v1.X.Y's are v0.X.Y. So it is built as a dependency, with the same pins.
# Some of them are not served at every patch release; those below hold only what hardly changes.
go mod init imgrec.example/kubernetes 2>/dev/null
go mod download "k8s.io/kubernetes@v$kubernetes"
source_folder=$(go env GOMODCACHE)/k8s.io/kubernetes@v$kubernetes
sed -E "s#^module .*#module imgrec.example/kubernetes#
        s#=> \\./staging/src/(k8s\\.io/(endpointslice|kube-controller-manager|kube-scheduler))\$#=> \\1 v0.31.13#
        s#=> \\./staging/src/(k8s\\.io/kube-proxy)\$#=> \\1 v0.31.11#
        s#=> \\./staging/src/(k8s\\.io/[a-z0-9-]+)#=> \\1 v0.${kubernetes#*.}#" \
  "$source_folder/go.mod" >go.mod
echo "require k8s.io/kubernetes v$kubernetes" >>go.mod
cp "$source_folder/go.sum" go.sum
chmod u+w go.sum

# With the plugins that node.sh's Corefile names, and not the clouds' software kits.
build_coredns() {
  mkdir -p dns
  cat >dns/main.go <<'EOF'
package main

import (
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
)

func main() { coremain.Run() }
EOF
  (cd dns && go mod init imgrec.example/dns 2>/dev/null &&
    go get "github.com/coredns/coredns@v$coredns" && go build -ldflags "-s -w" -o ../coredns .)
}

minor=${kubernetes#*.}
stamp=k8s.io/component-base/version
flags="-s -w -X $stamp.gitVersion=v$kubernetes -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%.*}"
for part in $(missing); do
  case "$part" in
    coredns) build_coredns ;;
    kube-router)
      GOFLAGS=-trimpath GOBIN=$build go install -ldflags "-s -w" \
        "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router@v$kube_router"
      ;;
    *) go build -ldflags "$flags" -o "$part" "k8s.io/kubernetes/cmd/$part" ;;
  esac
  mv "$part" "$cache/$part"
  echo "components.sh: built $part" >&2
done
echo "$cache"
