#!/usr/bin/env bash
# What the experiments do on a host, as root: links, failures, services, counters. hosts_backend.py sends it by
# ssh. What it changes is gone after a reboot.
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: remote.sh netem DELAY-MS LOSS-PERCENT PEER...  what leaves towards these addresses is late, and lost
       remote.sh netem-try PEER...       whether this host can do that; says why not (exit code 1). Devices that
                                         somebody gave a queueing discipline of their own keep it
       remote.sh netem-clear PEER...     no more of it
       remote.sh counters PEER...        "sent=BYTES received=BYTES" of the devices towards them
       remote.sh fail PROBABILITY        of imgrec-worker, for each photo; 0: none, as it was set up
       remote.sh restarts                of imgrec-worker by systemd, since it was started by hand
       remote.sh start | stop | restart ROLE
       remote.sh presence                the manager's log of workers that came and went
       remote.sh congestion PORT         what TCP connections at a port of this host use
       remote.sh about                   "NAME=VALUE" lines: kernel, system, processor, version of the manager
EOF
}

fail() { printf '%s\n' "$*" >&2; exit 1; }

HANDLE=1e57:  # of the netem that is ours
DROP_IN=/run/systemd/system/imgrec-worker.service.d/experiment.conf

device_to() {  # ADDRESS
  local device
  device=$(ip -o route get "$1" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p')
  [ -n "$device" ] || fail "there is no route to $1"
  printf '%s\n' "$device"
}

devices() {  # ADDRESS...
  local address
  for address in "$@"; do device_to "$address"; done | sort -u
}

# The one that ssh comes by must stay as it is: the experimenter would lose the host.
keep_control() {  # DEVICE
  local client
  client=${SSH_CONNECTION:-}
  [ -n "$client" ] || return 0
  [ "$(device_to "${client%% *}")" != "$1" ] ||
    fail "$1 is also the device by which ssh comes to this host; links of their own are needed"
}

# What is at a device's root must be what the kernel puts there by itself (handle 0:), or ours: whatever somebody
# set up, a testbed's shaping for instance, would be gone for good.
keep_discipline() {  # DEVICE
  local root kind handle
  root=$(tc qdisc show dev "$1" root 2>/dev/null | head -n 1)
  read -r _ kind handle _ <<<"$root" || true
  [ -z "$root" ] || [ "$kind $handle" = "netem $HANDLE" ] || {
    case "$kind" in
      noqueue | mq | fq_codel | pfifo_fast | fq) [ "$handle" = 0: ] ;;
      *) false ;;
    esac
  } || fail "$1 has a queueing discipline that somebody set up (${root:0:100}), which would be lost; if it may be:" \
    "tc qdisc del dev $1 root"
}

netem() {  # DELAY LOSS PEER...
  local delay=$1 loss=$2 device
  shift 2
  for device in $(devices "$@"); do
    keep_control "$device"
    keep_discipline "$device"
    # Room for what is under way for the delay at 1 Gbit/s, not for a thousand packets.
    tc qdisc replace dev "$device" root handle "$HANDLE" netem delay "${delay}ms" loss "${loss}%" limit 100000
  done
}

netem_try() {  # PEER...
  local device said
  command -v tc >/dev/null || fail "there is no tc: apt-get install iproute2"
  if command -v modprobe >/dev/null; then modprobe -q sch_netem || true; fi
  for device in $(devices "$@"); do
    keep_control "$device"
    keep_discipline "$device"
    said=$(tc qdisc replace dev "$device" root handle "$HANDLE" netem delay 0ms limit 100000 2>&1) ||
      fail "the kernel $(uname -r) has no netem (module sch_netem): ${said%%$'\n'*}"
  done
  netem_clear "$@"
}

netem_clear() {  # PEER...
  local device
  command -v tc >/dev/null || return 0
  for device in $(devices "$@"); do
    if tc qdisc show dev "$device" root 2>/dev/null | grep -q "^qdisc netem $HANDLE"; then
      tc qdisc del dev "$device" root
    fi
  done
}

counters() {  # PEER...
  local wanted
  wanted=$(devices "$@")
  # Not of /sys, which in a container may be that of another network.
  tr ':' ' ' </proc/net/dev | awk -v wanted="${wanted//$'\n'/ }" '
    BEGIN { split(wanted, names, " "); for (i in names) ours[names[i]] }
    $1 in ours { received += $2; sent += $10 }
    END { printf "sent=%.0f received=%.0f\n", sent, received }'
}

set_failure() {  # PROBABILITY
  if [ "$1" = 0 ]; then
    [ -e "$DROP_IN" ] || return 0
    rm -f "$DROP_IN"
  else
    mkdir -p "$(dirname "$DROP_IN")"
    printf '[Service]\nEnvironment=IMGREC_WORKER_FAIL_PROBABILITY=%s\n' "$1" >"$DROP_IN"
  fi
  systemctl daemon-reload
  systemctl restart imgrec-worker
}

presence() {
  journalctl -q --no-pager -o cat -b -u imgrec-manager |
    grep -E ' imgrec-manager (manager_ready|worker_joined|worker_left)( |$)' || true
}

congestion() {  # PORT
  command -v ss >/dev/null || return 0
  ss -tinH state established "sport = :$1" | grep -owE 'bbr|cubic|reno|dctcp|htcp|vegas|westwood' | sort -u || true
}

about() {
  local program
  printf 'kernel=%s\n' "$(uname -r)"
  printf 'system=%s\n' "$(sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release)"
  printf 'cpu=%s\n' "$(sed -n '0,/^model name/s/^model name[^:]*: //p' /proc/cpuinfo)"
  printf 'cores=%s\n' "$(nproc)"
  program=$(systemctl show -p ExecStart --value imgrec-manager 2>/dev/null | sed -n 's/.*path=\([^ ;]*\).*/\1/p')
  # In a Debian of its own it does not run outside of it.
  if [ -x "$program" ]; then printf 'program_version=%s\n' "$("$program" --version 2>/dev/null | head -n 1)"; fi
}

if [ "$(id -u)" != 0 ]; then
  fail "this needs root"
fi
[ $# -ge 1 ] || { usage >&2; exit 2; }
verb=$1
shift
case "$verb" in
  netem) netem "$@" ;;
  netem-try) netem_try "$@" ;;
  netem-clear) netem_clear "$@" ;;
  counters) counters "$@" ;;
  fail) set_failure "$1" ;;
  restarts) systemctl show -p NRestarts --value imgrec-worker ;;
  start | stop | restart) systemctl "$verb" "imgrec-$1" ;;
  presence) presence ;;
  congestion) congestion "$1" ;;
  about) about ;;
  --help) usage ;;
  *) usage >&2; exit 2 ;;
esac
