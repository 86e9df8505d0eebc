#!/usr/bin/env bash
# Installs the Debian 12 packages that imgrec is built from, and only those that are missing.
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: ci/install-deps.sh [--tests] [--list] [--help]

Installs by apt-get what is needed to build and run imgrec on Debian 12 (bookworm).
Quick where everything is there. Needs root, or sudo, only where something is missing.

  --tests   also what ./test.sh needs: among it docker.io where there is no Docker engine, which
            Debian starts as a service
  --list    print the packages, one a line, and install nothing
  --help    print this

Exit codes: 0 everything is there, 1 an installation failed, 2 wrong usage,
3 something is missing and cannot be installed here.
EOF
}

# What ./run.sh needs. libopenblas0-openmp is named because LibTorch only recommends it, and
# without it falls back to a BLAS that is 15 times slower.
packages=(
  build-essential cmake ninja-build ccache pkg-config
  libpistache-dev libboost1.81-dev libtorch-dev libdnnl-dev libopenblas0-openmp libopencv-dev
  libjpeg62-turbo-dev
  libyaml-cpp-dev libspdlog-dev nlohmann-json3-dev libsqlite3-dev prometheus-cpp-dev
  libprotobuf-dev protobuf-compiler libssl-dev libxxhash-dev zlib1g-dev
  libjs-chart.js
  libgtest-dev libgmock-dev
  curl ca-certificates procps
)
# What only ./test.sh needs. /usr/bin/python3 comes with the python3-* packages. matplotlib draws the
# experiments' reports; python3-munkres is named because apt else weighs SciPy for it and, though it
# drops that again, brings a second OpenBLAS, which would take the place of libopenblas0-openmp.
test_packages=(
  libbenchmark-dev
  clang-14 libclang-rt-14-dev clang-format-14
  chromium chromium-driver python3-venv python3-selenium python3-pytest python3-requests python3-websocket python3-jsonschema python3-yaml
  python3-torchvision python3-matplotlib python3-munkres
  shellcheck fonts-dejavu-core iproute2 openssl strace
  systemd-container debootstrap openssh-client
)

list=false
for arg in "$@"; do
  case "$arg" in
    --tests)
      packages+=("${test_packages[@]}")
      # Any Node.js will do, also one that did not come from Debian.
      command -v node >/dev/null || packages+=(nodejs)
      # Any Go will do that can fetch a newer one; helm is built with it (ci/chart-tools.sh).
      command -v go >/dev/null || [ -x /usr/local/go/bin/go ] || packages+=(golang-go)
      # Nor need these be Debian's. The tests start an engine of their own.
      command -v dockerd >/dev/null || packages+=(docker.io)
      command -v docker-compose >/dev/null || packages+=(docker-compose)
      ;;
    --list) list=true ;;
    --help) usage; exit 0 ;;
    *) echo "install-deps.sh: unknown argument \"$arg\"; --help lists what it takes" >&2; exit 2 ;;
  esac
done
if $list; then
  printf '%s\n' "${packages[@]}"
  exit 0
fi

cannot() {
  {
    echo "imgrec needs Debian 12 packages that are not installed:"
    printf '%s\n' "${missing[@]}" | fmt -w 78 | sed 's/^/  /'
    printf '%s\n' "$@"
  } >&2
  exit 3
}

missing=()
if command -v dpkg-query >/dev/null; then
  # One query for all; unknown names make it fail, which only says that they are missing.
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
    sed -n 's/^installed //p' || true)
  for package in "${packages[@]}"; do
    grep -qxF -- "$package" <<<"$installed" || missing+=("$package")
  done
else
  missing=("${packages[@]}")
fi
if [ "${#missing[@]}" -eq 0 ]; then exit 0; fi

system=unknown
# shellcheck source=/dev/null
[ -r /etc/os-release ] && system=$(. /etc/os-release && echo "${PRETTY_NAME:-unknown} (${VERSION_CODENAME:-})")
case "$system" in
  *"(bookworm)") ;;
  *) cannot "This system is $system, and only Debian 12 (bookworm) is supported." \
    "Use a Debian 12 machine, virtual machine or container." ;;
esac
command -v apt-get >/dev/null || cannot "There is no apt-get here to install them with."

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || cannot \
    "Installing them needs root, and there is no sudo. As root, run:" \
    "  ci/install-deps.sh$([[ " $* " == *" --tests "* ]] && echo ' --tests')"
  as_root=(sudo)
fi

echo "Installing ${#missing[@]} Debian packages and what they depend on: ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Quiet while it works; everything is shown when it does not.
apt_get() {
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get \
    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" >"$log" 2>&1; then
    cat "$log" >&2
    return 1
  fi
}

# A failing third-party source must not stop us: what counts is whether the packages come.
apt_get update || echo "apt-get update complained; going on with what is known" >&2
if ! apt_get install -y -q --no-install-recommends "${missing[@]}"; then
  {
    echo "The packages above could not be installed. Is there a network, and does"
    echo "/etc/apt/sources.list* name Debian 12 main, security and updates?"
  } >&2
  exit 1
fi
