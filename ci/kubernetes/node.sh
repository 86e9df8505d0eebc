#!/usr/bin/env bash
# Raises a real Kubernetes control plane and one node on this machine, in a network namespace.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
state=${IMGREC_K8S_STATE:-/var/lib/imgrec-k8s}  # images lie there too: no place in memory
namespace=imgrec-k8s
node=imgrec-node
node_ip=10.213.7.2     # the node's, at the end of the link to this machine
host_ip=10.213.7.1     # this machine's
cluster_cidr=10.214.0.0/16
pod_cidr=10.214.0.0/24  # of those, what the first node gets
service_cidr=10.215.0.0/16
api_service_ip=10.215.0.1

usage() {
  cat <<EOF
Usage: ci/kubernetes/node.sh up | down | kubeconfig | load FILE... | logs | --help

  up          etcd, kube-apiserver, controller-manager, scheduler, containerd, kubelet,
              kube-proxy, kube-router (network policies) and CoreDNS as processes of this
              machine, in the network namespace "$namespace"; waits until the node is ready
  kubeconfig  print the path of the administrator's kubeconfig
  load FILE   import an image (docker save) into the node
  logs        the last lines of each process' log
  down        end all of it, containers included, and leave nothing behind

Needs root, the packages etcd-server, containerd, runc, containernetworking-plugins,
iptables, ipset, iproute2, openssl, gcc and python3, and what ci/kubernetes/components.sh
builds. State: $state (IMGREC_K8S_STATE).

Exit codes: 0 good, 1 it did not come up, 2 wrong usage, 3 something is missing here,
4 a cluster is up already.
EOF
}

die() { local code=$1; shift; printf 'node.sh: %s\n' "$@" >&2; exit "$code"; }
say() { printf 'node.sh: %s\n' "$*" >&2; }

inside() { nsenter --net="/run/netns/$namespace" "$@"; }
ctr_() { ctr --address "$state/containerd.sock" --namespace k8s.io "$@"; }
kubectl_() { "$bin/kubectl" --kubeconfig "$state/admin.conf" "$@"; }

need_everything() {
  local program
  [ "$(id -u)" -eq 0 ] || die 3 "only root can make namespaces and containers"
  for program in etcd containerd runc ctr iptables ipset ip nsenter openssl python3 gcc; do
    command -v "$program" >/dev/null || die 3 "$program is missing (--help lists the packages)"
  done
  [ -x /usr/lib/cni/bridge ] || die 3 "the package containernetworking-plugins is missing"
  bin=$("$here/components.sh" --where) || die 3 "Kubernetes is not built yet: ci/kubernetes/components.sh does it"
}

# Starts a program in the node's network, apart from this script, and notes its pid.
start() {  # NAME PROGRAM ARGUMENT...
  local name=$1
  shift
  setsid nsenter --net="/run/netns/$namespace" "$@" >"$state/log/$name" 2>&1 </dev/null &
  echo $! >"$state/pid/$name"
}

wait_for() {  # SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$end" ]; then
      logs >&2
      die 1 "$what did not come up; the logs are above and in $state/log"
    fi
    sleep 0.3
  done
}

# --- The network: a namespace with one link to this machine.
make_network() {
  ip netns add "$namespace"
  ip link add imgrec-k8s0 type veth peer name eth0 netns "$namespace"
  ip address add "$host_ip/30" dev imgrec-k8s0
  ip link set imgrec-k8s0 up
  inside ip link set lo up
  inside ip address add "$node_ip/30" dev eth0
  inside ip link set eth0 up
  inside ip route add default via "$host_ip"
  inside sysctl -qw net.ipv4.ip_forward=1
  inside sysctl -qw net.bridge.bridge-nf-call-iptables=1 2>/dev/null || true
  mkdir -p "$state/cni"
  cat >"$state/cni/10-bridge.conflist" <<EOF
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$state/ipam", "ranges": [[{"subnet": "$pod_cidr"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
EOF
}

# --- Who is who: an authority, a key pair for each part, a kubeconfig for each client.
make_certificate() {  # NAME SUBJECT [EXTENSION]
  openssl req -new -newkey rsa:2048 -nodes -keyout "$state/pki/$1.key" -subj "$2" 2>/dev/null |
    openssl x509 -req -CA "$state/pki/ca.crt" -CAkey "$state/pki/ca.key" -CAcreateserial -days 2 \
      -extfile <(printf '%s\nextendedKeyUsage=serverAuth,clientAuth\n' "${3:-}") \
      -out "$state/pki/$1.crt" 2>/dev/null
}

make_kubeconfig() {  # NAME SUBJECT
  make_certificate "$1" "$2"
  cat >"$state/$1.conf" <<EOF
{"apiVersion": "v1", "kind": "Config", "current-context": "imgrec",
 "clusters": [{"name": "imgrec", "cluster": {"server": "https://$node_ip:6443",
   "certificate-authority": "$state/pki/ca.crt"}}],
 "users": [{"name": "$1", "user": {"client-certificate": "$state/pki/$1.crt",
   "client-key": "$state/pki/$1.key"}}],
 "contexts": [{"name": "imgrec", "context": {"cluster": "imgrec", "user": "$1"}}]}
EOF
}

make_credentials() {
  mkdir -p "$state/pki"
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=imgrec test authority" \
    -keyout "$state/pki/ca.key" -out "$state/pki/ca.crt" 2>/dev/null
  openssl genrsa -out "$state/pki/accounts.key" 2048 2>/dev/null
  make_certificate apiserver "/CN=kube-apiserver" \
    "subjectAltName=DNS:kubernetes,DNS:kubernetes.default.svc,IP:$node_ip,IP:127.0.0.1,IP:$api_service_ip"
  make_certificate kubelet-server "/CN=$node" "subjectAltName=DNS:$node,IP:$node_ip"
  make_kubeconfig admin "/O=system:masters/CN=admin"
  make_kubeconfig controller-manager "/CN=system:kube-controller-manager"
  make_kubeconfig scheduler "/CN=system:kube-scheduler"
  make_kubeconfig kubelet "/O=system:nodes/CN=system:node:$node"
  make_kubeconfig proxy "/CN=system:kube-proxy"
  make_kubeconfig dns "/O=system:masters/CN=dns"
}

# --- The control plane.
start_control_plane() {
  local pki=$state/pki
  start etcd etcd --data-dir "$state/etcd" --name node --unsafe-no-fsync \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380
  start apiserver "$bin/kube-apiserver" --etcd-servers http://127.0.0.1:2379 \
    --advertise-address "$node_ip" --bind-address "$node_ip" --secure-port 6443 \
    --allow-privileged --authorization-mode Node,RBAC --service-cluster-ip-range "$service_cidr" \
    --client-ca-file "$pki/ca.crt" --tls-cert-file "$pki/apiserver.crt" \
    --tls-private-key-file "$pki/apiserver.key" --kubelet-client-certificate "$pki/admin.crt" \
    --kubelet-client-key "$pki/admin.key" --kubelet-certificate-authority "$pki/ca.crt" \
    --kubelet-preferred-address-types InternalIP \
    --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file "$pki/accounts.key" \
    --service-account-signing-key-file "$pki/accounts.key"
  wait_for 90 "the API server" kubectl_ get --raw /readyz
  start controller-manager "$bin/kube-controller-manager" --kubeconfig "$state/controller-manager.conf" \
    --service-account-private-key-file "$pki/accounts.key" --root-ca-file "$pki/ca.crt" \
    --use-service-account-credentials --leader-elect=false --bind-address 127.0.0.1 \
    --allocate-node-cidrs --cluster-cidr "$cluster_cidr" --service-cluster-ip-range "$service_cidr"
  start scheduler "$bin/kube-scheduler" --kubeconfig "$state/scheduler.conf" --leader-elect=false \
    --bind-address 127.0.0.1
}

# --- The node.
start_containerd() {
  cat >"$state/containerd.toml" <<EOF
version = 2
root = "$state/containerd"
state = "$state/containerd-state"
[grpc]
  address = "$state/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "imgrec.example/pause:1"
  restrict_oom_score_adj = true  # as low as is allowed here, instead of failing
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$state/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
EOF
  start containerd containerd --config "$state/containerd.toml"
  wait_for 30 containerd ctr_ version
  make_pause_image
}

# The container that holds a pod's namespaces: it sleeps, and reaps what others leave.
make_pause_image() {
  local build=$state/pause
  mkdir -p "$build/root"
  printf '%s\n' '#include <signal.h>' '#include <sys/wait.h>' '#include <unistd.h>' \
    'static void end(int s) { (void)s; _exit(0); }' \
    'static void reap(int s) { (void)s; while (waitpid(-1, 0, WNOHANG) > 0) {} }' \
    'int main(void) { signal(SIGTERM, end); signal(SIGINT, end); signal(SIGCHLD, reap); for (;;) pause(); }' |
    gcc -x c -Os -static -o "$build/root/pause" -
  tar -C "$build/root" -cf "$build/layer.tar" pause
  python3 - "$build" <<'EOF'
import hashlib, json, sys, tarfile
build = sys.argv[1]
layer = open(f"{build}/layer.tar", "rb").read()
config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/pause"]},
                     "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}})
open(f"{build}/config.json", "w").write(config)
json.dump([{"Config": "config.json", "RepoTags": ["imgrec.example/pause:1"], "Layers": ["layer.tar"]}],
          open(f"{build}/manifest.json", "w"))
with tarfile.open(f"{build}/image.tar", "w") as image:
    for name in ("manifest.json", "config.json", "layer.tar"):
        image.add(f"{build}/{name}", name)
EOF
  ctr_ images import "$build/image.tar" >/dev/null
}

start_node() {
  cat >"$state/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node_ip
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $state/pki/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
clusterDNS: [$node_ip]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix://$state/containerd.sock
evictionHard: {memory.available: 200Mi, nodefs.available: 1%, imagefs.available: 1%}
failSwapOn: false
healthzBindAddress: 127.0.0.1
imageGCHighThresholdPercent: 99
imageGCLowThresholdPercent: 98
registerNode: true
resolvConf: /dev/null
tlsCertFile: $state/pki/kubelet-server.crt
tlsPrivateKeyFile: $state/pki/kubelet-server.key
volumePluginDir: $state/volume-plugins
podLogsDir: $state/pod-logs
EOF
  start kubelet "$bin/kubelet" --config "$state/kubelet.yaml" --kubeconfig "$state/kubelet.conf" \
    --root-dir "$state/kubelet" --hostname-override "$node" --node-ip "$node_ip"
  cat >"$state/proxy.yaml" <<EOF
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clusterCIDR: $cluster_cidr
hostnameOverride: $node
clientConnection: {kubeconfig: $state/proxy.conf}
conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
EOF
  start proxy "$bin/kube-proxy" --config "$state/proxy.yaml"
  wait_for 60 "the node" kubectl_ get node "$node"
  start policies "$bin/kube-router" --kubeconfig "$state/dns.conf" --hostname-override "$node" \
    --run-firewall --run-router=false --run-service-proxy=false --health-port 0 \
    --service-cluster-ip-range "$service_cidr"
  cat >"$state/Corefile" <<EOF
cluster.local:53 in-addr.arpa:53 {
    bind $node_ip
    errors
    kubernetes cluster.local in-addr.arpa {
        kubeconfig $state/dns.conf
        ttl 2
    }
}
EOF
  start dns "$bin/coredns" -conf "$state/Corefile"
}

# Volumes for whoever claims one: there is no provisioner, and "local" ones get the pod's group.
make_volumes() {
  local i
  for i in 1 2 3 4; do
    mkdir -p "$state/volumes/$i"
    kubectl_ apply -f - >/dev/null <<EOF
apiVersion: v1
kind: PersistentVolume
metadata: {name: local-$i}
spec:
  capacity: {storage: 20Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: local
  local: {path: $state/volumes/$i}
  nodeAffinity:
    required:
      nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [$node]}]}]
EOF
  done
  kubectl_ apply -f - >/dev/null <<EOF
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
EOF
}

# The pid of a process of ours that is alive. The state outlives the machine's start, and pids come
# again: it must be one that was told of this state.
alive() {  # NAME
  local pid
  pid=$(cat "$state/pid/$1" 2>/dev/null) || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$state/" || return 1
  echo "$pid"
}

# Whether a process of a cluster is alive.
runs() {
  local file
  for file in "$state"/pid/*; do
    if alive "${file##*/}" >/dev/null; then return 0; fi
  done
  return 1
}

up() {
  need_everything
  ! runs || die 4 "a cluster is up already, in $state; ci/kubernetes/node.sh down ends it"
  if [ -d "$state" ]; then down; fi  # what an interrupted one left
  mkdir -p "$state/log" "$state/pid"
  chmod 700 "$state"
  trap 'say "giving up"; down' EXIT
  make_network
  make_credentials
  start_containerd
  start_control_plane
  start_node
  wait_for 120 "the node (ready)" kubectl_ wait --for=condition=Ready "node/$node" --timeout=1s
  make_volumes
  trap - EXIT
  say "Kubernetes $(kubectl_ version -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["serverVersion"]["gitVersion"])') is up: export KUBECONFIG=$state/admin.conf"
}

end_process() {  # NAME
  local pid i
  pid=$(alive "$1") || return 0
  kill "$pid" 2>/dev/null || return 0
  for ((i = 0; i < 50; i++)); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
}

down() {
  local name container
  for name in kubelet proxy policies dns scheduler controller-manager apiserver etcd; do end_process "$name"; done
  local networks=()
  if [ -S "$state/containerd.sock" ]; then
    # The network namespaces that the pods were given, which the CNI plugins leave where nobody asks.
    mapfile -t networks < <(for container in $(ctr_ containers list --quiet 2>/dev/null); do
      ctr_ containers info "$container" | grep -o 'netns/cni-[0-9a-f-]*' || true
    done | cut -d/ -f2 | sort -u)
    for container in $(ctr_ tasks list --quiet 2>/dev/null); do
      ctr_ tasks kill --signal KILL "$container" 2>/dev/null || true
    done
    sleep 0.5
    for container in $(ctr_ tasks list --quiet 2>/dev/null); do
      ctr_ tasks delete --force "$container" >/dev/null 2>&1 || true
    done
  fi
  # What a shim holds is gone by now; one that is left would outlive containerd.
  local shims
  shims=$(pgrep -f -- "containerd-shim-runc-v2 .*-address $state/containerd.sock" || true)
  if [ -n "$shims" ]; then
    # shellcheck disable=SC2086 # several pids
    kill -KILL $shims 2>/dev/null || true
  fi
  end_process containerd
  awk -v state="$state/" 'index($5, state) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
    while read -r mount; do umount -l "$mount" 2>/dev/null || true; done
  for name in "${networks[@]}"; do ip netns delete "$name" 2>/dev/null || true; done
  ip link delete imgrec-k8s0 2>/dev/null || true
  ip netns delete "$namespace" 2>/dev/null || true
  find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} + 2>/dev/null || true
  rm -rf "$state"
}

load() {
  local file
  for file in "$@"; do ctr_ images import "$file"; done
}

logs() {
  local file
  for file in "$state"/log/*; do
    printf '==> %s\n' "$file"
    tail -n "${IMGREC_K8S_LOG_LINES:-15}" "$file" | cut -c 1-300
  done
}

case "${1:-}" in
  up) up ;;
  down) down ;;
  kubeconfig) echo "$state/admin.conf" ;;
  load) shift; load "$@" ;;
  logs) logs ;;
  --help) usage ;;
  *) usage >&2; exit 2 ;;
esac
