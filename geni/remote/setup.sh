#!/usr/bin/env bash
# Sets up and tends imgrec on this host, as root. geni/imgrec-host.sh sends it here, with what it needs
# beside it, and says what to do by its arguments: install ROLE [options], start, stop, restart, status,
# logs, uninstall. Each step looks whether it is done, and does nothing then; what takes long is made
# under another name and renamed at its end, so that nothing half-done is ever taken for done.
set -euo pipefail
umask 022
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=geni/remote/units.sh
. "$here/units.sh"
# shellcheck source=geni/remote/software.sh
. "$here/software.sh"

readonly PREFIX=/opt/imgrec CONFIG=/etc/imgrec LOG=/var/log/imgrec-setup.log
readonly OTHER_ROOT=$PREFIX/debian12
readonly READY_S=90
export DEBIAN_FRONTEND=noninteractive
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

say() { printf '%s\n' "$*" >&2; }
die() {  # CODE LINE...
  local code=$1
  shift
  printf '%s\n' "$@" >&2
  exit "$code"
}

# Quiet while it works; its last words are shown when it does not.
logged() {  # WHAT-FAILED COMMAND...
  local what=$1 from
  shift
  from=$(stat -c %s "$LOG" 2>/dev/null || echo 0)
  printf '\n== %s: %s\n' "$(date -u +%FT%TZ)" "$*" >>"$LOG"
  if "$@" >>"$LOG" 2>&1 </dev/null; then return 0; fi
  tail -c +"$((from + 1))" "$LOG" | tail -n 15 >&2
  if tail -c +"$((from + 1))" "$LOG" | grep -qiE "no space left|enough free space"; then
    die 1 "$what: the disk is full (df -h / /var). Make room there; the whole log is $LOG."
  fi
  die 1 "$what. The words above are its last; the whole log is $LOG."
}

# ---- what this host is -----------------------------------------------------------------------------
role=
model=     # the worker's model folder
root=      # the other root directory, or nothing where the host's own is used
in_root=false

read_system() {
  system=unknown
  # shellcheck source=/dev/null
  if [ -r /etc/os-release ]; then system=$(. /etc/os-release && echo "${ID:-} ${VERSION_ID:-}"); fi
}

check_host() {
  local version
  read_system
  [ "$(uname -m)" = x86_64 ] || die 3 "This host is a $(uname -m) machine; the programs are for x86_64 only."
  case "$system" in
    "debian 12") if $in_root; then root=$OTHER_ROOT; fi ;;
    "debian 11" | "debian 13" | "ubuntu 22."* | "ubuntu 23."* | "ubuntu 24."* | "ubuntu 25."* | "ubuntu 26."*)
      root=$OTHER_ROOT ;;
    *) die 3 "This host's system is \"$system\"; imgrec is set up on Debian 11 to 13 and Ubuntu 22.04 or later." \
      "Choose another image for it (geni/README.md), or use containers (docker/README.md)." ;;
  esac
  [ -d /run/systemd/system ] || die 3 "systemd does not run this host (process 1 is $(cat /proc/1/comm))," \
    "and manager and worker are to be its services. Is this a container?"
  version=$(systemctl --version | awk 'NR == 1 { print $2 }')
  [ "${version%%[!0-9]*}" -ge 247 ] || die 3 "systemd here is version $version; 247 or later is needed."
}

# MiB that an installation takes, with some to spare: measured with the packages of this version.
check_room() {
  local place=/usr wanted=100
  if [ "$role" = worker ]; then wanted=1200; fi
  if [ -n "$root" ]; then place=$PREFIX; fi
  if [ -n "$root" ] && [ ! -d "$root" ]; then wanted=$((wanted + 400)); fi
  if packages_are_there; then wanted=50; fi
  mkdir -p "$PREFIX" || die 1 "$PREFIX cannot be made: is the disk full, or mounted read-only?"
  need_room "$place" "$wanted"
  need_room "$PREFIX" 50
  need_room /var 50
}

need_room() {  # PLACE MIB
  local free
  free=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }')
  [ "$free" -ge "$2" ] || die 3 "The disk is too full: $1 has $free MiB left, and a $role takes $2 (df -h $1)." \
    "Make room there, or take a host with a larger disk."
}

check_port() {  # PORT WHAT
  local holder
  holder=$(ss -Hltnp "sport = :$1" 2>/dev/null | head -n 1 || true)
  [ -z "$holder" ] || die 3 "Port $1, for $2, is in use on this host: ${holder##* }." \
    "Stop that program, or choose another port by --set."
}

# ---- configuration ---------------------------------------------------------------------------------
settings=()   # NAME=VALUE, as given
access=       # access-token, where the website is to ask for one
manager_address=
name=
listen=127.0.0.1
mirror=http://deb.debian.org/debian
security_mirror=http://deb.debian.org/debian-security

setting() {  # NAME DEFAULT: what was given last
  local value=$2 pair
  for pair in "${settings[@]}"; do
    if [ "${pair%%=*}" = "$1" ]; then value=${pair#*=}; fi
  done
  echo "$value"
}

print_settings() {  # MODEL
  if [ "$role" = manager ]; then
    echo "IMGREC_HTTP_LISTEN=$listen"
    echo "IMGREC_HTTP_FRONTEND=$release/share/imgrec/frontend"
    echo "IMGREC_WORKERS_LISTEN=0.0.0.0"
    echo "IMGREC_STORAGE_DIR=/var/lib/imgrec"
  else
    echo "IMGREC_WORKER_MANAGERS=$manager_address"
    echo "IMGREC_WORKER_NAME=$name"
    echo "IMGREC_WORKER_MODEL=$1"
    # Says here whether the worker is ready. Not 9090: a host may have a manager too, whose it may be.
    echo "IMGREC_OPS_LISTEN=127.0.0.1:9091"
  fi
  if [ "${#settings[@]}" -gt 0 ]; then printf '%s\n' "${settings[@]}"; fi
}

# The worker's model folder is a link, so that another one can take its place while it works.
link_model() {  # FOLDER
  if [ "$(readlink "$PREFIX/models/current" || true)" = "$1" ]; then return; fi
  rm -f "$PREFIX/models/new"
  ln -s "$1" "$PREFIX/models/new"
  mv -T "$PREFIX/models/new" "$PREFIX/models/current"
}

# A file that is either the old or the new, whenever we are cut off.
put() {  # FILE MODE: its content is standard input
  rm -f "$1.new"
  (umask 077 && cat >"$1.new")
  chmod "$2" "$1.new"
  sync -f "$1.new"
  mv "$1.new" "$1"
}

drain() {
  if [ "$role" = manager ]; then setting IMGREC_SHUTDOWN_DRAIN 5s; else setting IMGREC_WORKER_DRAIN 10s; fi
}

# A program takes no notice of variables that it does not know: a slip of the pen is found here.
check_settings() {
  local help pair flag
  [ "${#settings[@]}" -gt 0 ] || return 0
  help=$(in_system "$release/bin/imgrec-$role" --help 2>/dev/null)
  for pair in "${settings[@]}"; do
    flag=${pair%%=*}
    # They would win over the token that comes with the unit, and could turn it off.
    case "$flag" in *_TOKEN | *_TOKEN_FILE)
      die 1 "--set $flag: tokens are not settings; --token-file and --access-token-file take them." ;;
    esac
    flag=--$(tr 'A-Z_' 'a-z-' <<<"${flag#IMGREC_}")
    grep -qE -- "$flag([] ,]|$)" <<<"$help" ||
      die 1 "--set $pair: imgrec-$role has no such setting (it would be $flag; imgrec-$role --help lists them)."
  done
}

secret_in() { sed '$ s/[[:space:]]*$//' "$1"; }

# The program's own judgement. The service's secrets are not there yet: their text goes by variables,
# which only root can see.
check_config() (
  while read -r pair; do
    export "${pair%%_FILE=*}=$(secret_in "$here/${pair##*/}")"
  done < <(print_secrets "$role" "$access")
  mapfile -t lines < <(print_settings "$model")
  in_system env "${lines[@]}" "$release/bin/imgrec-$role" --check-config
)

# What is refused never gets to where a restart would find it. The model is checked in its own folder,
# for the link still leads to the one that is at work.
configure() {
  local words
  if [ "$role" = manager ] && [ -f "$here/access-token" ]; then access="access-token"; fi
  check_settings
  words=$(check_config 2>&1) || die 1 "$words" "imgrec-$role does not take these settings. Nothing was changed by them."
  mkdir -p "$CONFIG"
  put "$CONFIG/join-token" 600 <"$here/join-token"
  if [ -n "$access" ]; then put "$CONFIG/access-token" 600 <"$here/access-token"; fi
  print_settings "$PREFIX/models/current" | put "$CONFIG/$role.env" 600
  print_unit "$role" "$release" "$root" "$(drain)" "$access" | put "/etc/systemd/system/imgrec-$role.service" 644
  if [ "$role" = manager ] && [ -z "$access" ]; then rm -f "$CONFIG/access-token"; fi
}

# What the service has to be started with; what it was started with is in ROLE.applied. Likewise for
# the model, which needs no start.
wanted_state() {
  cat "/etc/systemd/system/imgrec-$role.service" "$CONFIG/$role.env" "$CONFIG/join-token" \
    ${access:+"$CONFIG/$access"} | sha256sum
}

# systemd passes over what it does not know in a unit, with a word in its own log only.
check_unit() {
  local variable unit=imgrec-$role
  while read -r variable; do
    [[ " $(systemctl show -p Environment --value "$unit") " != *" $variable "* ]] || continue
    systemctl --quiet disable --now "$unit" || true
    rm -f "/etc/systemd/system/$unit.service" "$CONFIG/$role.applied"
    systemctl daemon-reload
    die 1 "systemd here (version $(systemctl --version | awk 'NR == 1 { print $2 }')) does not hand $variable" \
      "to $unit, which would then do without the token. So $unit is not started."
  done < <(print_secrets "$role" "$access")
}

apply() {
  local unit=imgrec-$role
  systemctl daemon-reload
  check_unit
  systemctl --quiet enable "$unit"
  if [ "$(cat "$CONFIG/$role.applied" 2>/dev/null)" = "$(wanted_state)" ] && systemctl --quiet is-active "$unit"; then
    say "$unit runs already, with these settings"
    wait_ready
    if [ "$role" = worker ]; then change_model; fi
    return
  fi
  say "Starting $unit"
  rm -f "$CONFIG/$role.applied"
  if [ "$role" = worker ]; then link_model "$model"; fi
  systemctl restart "$unit" || true  # wait_ready says why
  wait_ready
  if [ "$role" = worker ]; then model_is_applied; fi
  wanted_state | put "$CONFIG/$role.applied" 600
}

model_is_applied() {
  put "$CONFIG/model.applied" 644 <<<"$model"
  rm -f "$CONFIG/model.changing"
}

# Without a stop, and without losing a photo (docs/model-rollout.md): the worker loads the new model
# beside the old one, and joins with it.
change_model() {
  local old joined failed i
  old=$(cat "$CONFIG/model.applied")
  if [ "$old" = "$model" ] && [ ! -e "$CONFIG/model.changing" ]; then return; fi
  touch "$CONFIG/model.changing"  # until it is gone, nobody knows which of the two the worker has
  link_model "$model"
  say "Changing the model of imgrec-worker"
  joined=$(said_by_worker 'worker_registered|reload_unchanged')
  failed=$(said_by_worker reload_failed)
  systemctl kill --kill-who=main --signal=HUP imgrec-worker
  for ((i = 0; i < READY_S * 5; i++)); do
    if [ "$(said_by_worker 'worker_registered|reload_unchanged')" -gt "$joined" ]; then
      model_is_applied
      say "imgrec-worker has the new model"
      return
    fi
    if [ "$(said_by_worker reload_failed)" -gt "$failed" ]; then break; fi
    sleep 0.2
  done
  # Its next start is to find the model that it has.
  link_model "$old"
  rm -f "$CONFIG/model.changing"
  journalctl -q --no-pager -o cat -u imgrec-worker -n 8 >&2
  die 1 "imgrec-worker does not take the new model, and goes on with the old one; its last words are above."
}

# ---- is it there? ----------------------------------------------------------------------------------
# The answer of a program of ours to a GET, headers included, or nothing.
ask() {  # ADDRESS PORT PATH
  # shellcheck disable=SC2016 # the inner shell expands them
  timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1" &&
    printf "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n" "$2" "${more_headers:-}" >&3 &&
    cat <&3' \
    "$@" 2>/dev/null || true
}

# A setting of the service as it is installed.
installed() {  # ROLE NAME
  sed -n "s/^$2=//p" "$CONFIG/$1.env" | tail -n 1
}

ask_manager() {  # PATH
  local address port
  local -x more_headers=  # not an argument, which everybody on the host could see
  if [ -f "$CONFIG/access-token" ]; then
    more_headers="Authorization: Bearer $(secret_in "$CONFIG/access-token")"$'\r\n'
  fi
  address=$(installed manager IMGREC_HTTP_LISTEN)
  port=$(installed manager IMGREC_HTTP_PORT)
  case "$address" in 0.0.0.0 | ::) address=127.0.0.1 ;; esac
  ask "$address" "${port:-8080}" "$1"
}

# How many lines of the worker that runs now hold one of these words.
said_by_worker() {  # WORDS
  local start
  start=$(systemctl show -p InvocationID --value imgrec-worker)
  journalctl -q --no-pager -o cat "_SYSTEMD_INVOCATION_ID=${start:-none}" | grep -cE -- "$1" || true
}

# The manager: it takes photos. A worker: it is warm, and a manager has taken it.
is_ready() {
  local ops
  systemctl --quiet is-active "imgrec-$role" || return 1
  if [ "$role" = manager ]; then
    [[ $(ask_manager /readyz) == "HTTP/1.1 200"* ]]
  else
    ops=$(installed worker IMGREC_OPS_LISTEN)
    [[ $(ask "${ops%:*}" "${ops##*:}" /readyz) == "HTTP/1.1 200"* ]]
  fi
}

wait_ready() {
  local restarts i
  restarts=$(systemctl show -p NRestarts --value "imgrec-$role")
  for ((i = 0; i < READY_S * 5; i++)); do
    if is_ready; then
      say "imgrec-$role is ready"
      return
    fi
    # Twice down by itself: it will not come.
    if [ "$(systemctl show -p NRestarts --value "imgrec-$role")" -ge $((restarts + 2)) ]; then break; fi
    sleep 0.2
  done
  journalctl -q --no-pager -o cat -u "imgrec-$role" -n 15 >&2
  if [ "$role" = worker ] && systemctl --quiet is-active imgrec-worker; then
    die 1 "imgrec-worker runs, but the manager at $(installed worker IMGREC_WORKER_MANAGERS)" \
      "has not taken it within $READY_S s; its last words are above. Is that the manager's address on the link," \
      "and does the manager run, with the same join token? The worker goes on trying."
  fi
  die 1 "imgrec-$role does not come up; its last words are above, more with: journalctl -u imgrec-$role"
}

# ---- verbs -----------------------------------------------------------------------------------------
services() {
  local unit
  for unit in manager worker; do
    if [ -f "/etc/systemd/system/imgrec-$unit.service" ]; then echo "$unit"; fi
  done
}

need_services() {
  [ -n "$(services)" ] || die 1 "imgrec is not installed on this host."
}

readonly SYSCTL=/etc/sysctl.d/60-imgrec.conf MODULES=/etc/modules-load.d/imgrec.conf

# It works without, only slower where links are long or lose packets; a host may refuse it.
tune_network() {
  put "$SYSCTL" 644 <"$here/sysctl.conf"
  put "$MODULES" 644 <<<tcp_bbr
  modprobe -q tcp_bbr 2>/dev/null || true
  sysctl -q -e -p "$SYSCTL" 2>/dev/null || say "This host's kernel does not take all of $SYSCTL; it goes on without"
}

remove_old_releases() {
  local folder
  for folder in "$PREFIX/releases/"* "$PREFIX/models/"*; do
    if [ -d "$folder" ] && [ ! -L "$folder" ] &&
      ! grep -qsF -- "$folder" /etc/systemd/system/imgrec-*.service "$CONFIG/model.applied"; then
      rm -rf "$folder"
    fi
  done
}

install_role() {
  check_host
  if [ -f "$CONFIG/$role.env" ] && systemctl --quiet is-active "imgrec-$role"; then
    :  # its ports are its own
  elif [ "$role" = manager ]; then
    check_port "$(setting IMGREC_HTTP_PORT 8080)" "the website"
    check_port "$(setting IMGREC_WORKERS_PORT 2888)" "workers"
  else
    local ops
    ops=$(setting IMGREC_OPS_LISTEN 127.0.0.1:9091)
    check_port "${ops##*:}" "the worker's readiness"
  fi
  mapfile -t packages < <(tar -xzOf "$here/package.tar.gz" "imgrec/packages-$role" 2>/dev/null)
  [ "${#packages[@]}" -gt 0 ] || die 1 "The package was not made by geni/pack.sh of this version, or is damaged."
  check_room
  unpack_release
  make_root
  install_packages
  if [ "$role" = worker ]; then unpack_model; fi
  check_program
  configure
  tune_network
  apply
  remove_old_releases
  case "$role $listen $access" in
    *access-token | worker* | *" 127."* | *" ::1 "* | *" localhost "*) ;;
    *) say "The website is open to everybody who reaches $listen; --access-token-file has it ask for a token" ;;
  esac
}

start_all() {
  need_services
  for role in $(services); do
    systemctl start "imgrec-$role" || true
    wait_ready
  done
}

# A worker first: it hands back what it has.
stop_all() {
  need_services
  for role in $(services | sort -r); do
    systemctl stop "imgrec-$role" || die 1 "imgrec-$role does not stop: journalctl -u imgrec-$role"
    say "imgrec-$role is stopped"
  done
}

status() {
  local ok=true count
  need_services
  for role in $(services); do
    printf 'imgrec-%s %s since=%s restarts=%s release=%s\n' "$role" \
      "$(systemctl is-active "imgrec-$role" || true)" \
      "$(systemctl show -p ActiveEnterTimestamp --value "imgrec-$role" | tr ' ' _)" \
      "$(systemctl show -p NRestarts --value "imgrec-$role")" \
      "$(sed -n 's|^ExecStart=/opt/imgrec/releases/\([^/]*\)/.*|\1|p' "/etc/systemd/system/imgrec-$role.service")"
    is_ready || ok=false
    if [ "$role" = manager ]; then
      count=$(ask_manager /api/v1/cluster | { grep -o '"state":"ready"' || true; } | wc -l)
      echo "workers ready=$count"
    fi
  done
  $ok || die 1 "Not everything on this host is ready."
}

logs() {
  local folder unit
  folder=$(mktemp -d)
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf '$folder'" EXIT
  {
    uname -a
    cat /etc/os-release
    echo "processors: $(nproc)"
    free -m
    df -h / /var /opt
    ip -br address
    for unit in $(services); do
      systemctl --no-pager --full status "imgrec-$unit" || true
      cat "/etc/systemd/system/imgrec-$unit.service" "$CONFIG/$unit.env"
      journalctl -q --no-pager -o short-iso-precise -u "imgrec-$unit" -n 500000 >"$folder/imgrec-$unit.log"
    done
  } >"$folder/machine.txt" 2>&1
  if [ -f "$LOG" ]; then cp "$LOG" "$folder/setup.log"; fi
  tar -C "$folder" --transform 's|^\./||' -cf - .
}

uninstall() {  # [--purge]
  local unit
  for unit in worker manager; do
    systemctl disable --quiet --now "imgrec-$unit" 2>/dev/null || true
    rm -f "/etc/systemd/system/imgrec-$unit.service"
  done
  systemctl daemon-reload
  rm -rf "$PREFIX" "$CONFIG" "$LOG" "$SYSCTL" "$MODULES"
  if [ "${1:-}" = --purge ]; then
    rm -rf /var/lib/private/imgrec /var/lib/imgrec
    say "imgrec is gone from this host, with its photos and results; the Debian packages that it used are not"
  elif [ -e /var/lib/private/imgrec ]; then
    say "imgrec is gone from this host; photos and results are still in /var/lib/private/imgrec"
  else
    say "imgrec is gone from this host; the Debian packages that it used are not"
  fi
}

one_at_a_time() {
  exec 9>/run/imgrec-setup.lock
  # What a step starts holds the lock too, and so until it has ended.
  flock -n 9 && return 0
  say "Another setup is at work on this host; waiting for it, 15 minutes at most"
  flock -w 900 9 || die 1 "The other setup does not end. Look at it with: fuser -v /run/imgrec-setup.lock"
}

take_options() {
  while [ $# -gt 0 ]; do
    case "$1" in
      --in-root) in_root=true; shift; continue ;;
      --manager) manager_address=$2 ;;
      --name) name=$2 ;;
      --listen) listen=$2 ;;
      --mirror) mirror=$2 ;;
      --security-mirror) security_mirror=$2 ;;
      --set)
        # What systemd reads from its file as it stands: no quotes, no end of line.
        [[ $2 =~ ^IMGREC_[A-Z0-9_]+=[A-Za-z0-9_.,:@%+=/-]*$ ]] ||
          die 2 "--set \"$2\": that is not IMGREC_NAME=VALUE, with a value of letters, digits and _.,:@%+=/-"
        settings+=("$2")
        ;;
      *) die 2 "unknown argument \"$1\"" ;;
    esac
    shift 2
  done
  name=${name:-$(hostname -s)}
  if [[ -n $manager_address && $manager_address != *:* ]]; then manager_address+=:2888; fi
  local value
  for value in "$manager_address" "$name" "$listen" "$mirror" "$security_mirror"; do
    [[ $value =~ ^[A-Za-z0-9_.,:/-]*$ ]] || die 2 "\"$value\" is no address or name"
  done
}

verb=$1
shift
case "$verb" in
  install)
    role=$1
    shift
    take_options "$@"
    one_at_a_time
    install_role
    ;;
  start) one_at_a_time; start_all ;;
  stop) one_at_a_time; stop_all ;;
  restart) one_at_a_time; stop_all; start_all ;;
  status) status ;;
  logs) logs ;;
  uninstall) one_at_a_time; uninstall "$@" ;;
  *) die 2 "unknown verb \"$verb\"" ;;
esac
