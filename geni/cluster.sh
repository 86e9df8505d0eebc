#!/usr/bin/env bash
# Brings all hosts of a hosts file to a running imgrec, and tends them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=geni/common.sh
. "$here/common.sh"

usage() {
  cat <<'EOF'
Usage: geni/cluster.sh up --hosts FILE [options]
       geni/cluster.sh start | stop | restart | status --hosts FILE
       geni/cluster.sh logs --hosts FILE FOLDER
       geni/cluster.sh down --hosts FILE [--purge]

A hosts file has one line a machine, in this shape (geni/rspec.py hosts makes it of a manifest):

  manager: {ssh: ana@pc1.example.net, address: 10.10.1.1}
  workers:
    - {ssh: ana@pc2.example.net, address: 10.10.1.2, manager_address: 10.10.1.1}
    - {ssh: ana@pc3.example.net, address: 10.10.2.2, manager_address: 10.10.2.1}

ssh is what you give to ssh, address the machine's own on its link, manager_address the manager's as
that worker reaches it. Machines are set up as geni/imgrec-host.sh says, workers at the same time;
run it again after whatever interrupted it.

up:
  --package FILE      what geni/pack.sh made (default: made now)
  --token-file FILE   the join token; made where it is missing (default: FILE.join-token, beside the
                      hosts file)
  --model DIR, --listen ADDR, --in-root, --mirror URL, --security-mirror URL
                      as for geni/imgrec-host.sh
  --access-token-file FILE
                      as for geni/imgrec-host.sh install-manager
  --set-manager NAME=VALUE, --set-workers NAME=VALUE
                      its --set
logs: FOLDER gets a folder for each machine.
down:
  --purge             photos and results too
All:
  --ssh-config FILE   configuration for ssh
  --help              print this

Exit codes: 0 done, 1 a machine failed, 2 wrong usage, 3 a machine cannot be reached or does not do.
EOF
}

hosts=
package=
token=
folder=
common=()      # for every call of imgrec-host.sh
installing=()  # for both roles
for_manager=()
for_workers=()
down=()

take_options() {
  while [ $# -gt 0 ]; do
    case "$1" in
      --help) usage; exit 0 ;;
      --in-root) installing+=("$1"); shift; continue ;;
      --purge) down+=("$1"); shift; continue ;;
      --*) [ $# -ge 2 ] || wrong_usage "$1 needs a value behind it" ;;
      *)
        if [ "$verb" != logs ] || [ -n "$folder" ]; then wrong_usage "unknown argument \"$1\""; fi
        folder=$1
        shift
        continue
        ;;
    esac
    case "$1" in
      --hosts) hosts=$2 ;;
      --package) package=$2 ;;
      --token-file) token=$2 ;;
      --ssh-config) ssh_config=$2; common+=("$1" "$2") ;;
      --mirror | --security-mirror) installing+=("$1" "$2") ;;
      --listen | --access-token-file) for_manager+=("$1" "$2") ;;
      --model) for_workers+=("$1" "$2") ;;
      --set-manager) for_manager+=(--set "$2") ;;
      --set-workers) for_workers+=(--set "$2") ;;
      *) wrong_usage "unknown argument \"$1\"" ;;
    esac
    shift 2
  done
}

# ---- the hosts file --------------------------------------------------------------------------------
manager_ssh=
manager_address=
worker_ssh=()
worker_manager=()

bad_hosts() { die 2 "$hosts, line $1: $2" "geni/cluster.sh --help shows what it looks like."; }

# {key: value, ...} of a line: the values of ssh, address and manager_address into `found`.
declare -A found
read_machine() {  # LINE-NUMBER TEXT KEYS...
  local number=$1 text=$2 pair key
  shift 2
  found=()
  while IFS= read -r pair; do
    [[ $pair =~ ^\ *([a-z_]+):\ +([^\ ]+)\ *$ ]] || bad_hosts "$number" "\"$pair\" is not KEY: VALUE"
    key=${BASH_REMATCH[1]}
    [[ " $* " == *" $key "* ]] || bad_hosts "$number" "\"$key\" is none of: $*"
    [ -z "${found[$key]:-}" ] || bad_hosts "$number" "$key is there twice"
    found[$key]=${BASH_REMATCH[2]}
  done < <(tr ',' '\n' <<<"$text")
  for key in "$@"; do
    [ -n "${found[$key]:-}" ] || bad_hosts "$number" "$key is missing"
    [[ ${found[$key]} =~ ^[A-Za-z0-9_][A-Za-z0-9_.:@/%-]{0,255}$ ]] ||
      bad_hosts "$number" "$key: \"${found[$key]}\" is no host name or address"
  done
}

read_hosts() {
  local line number=0 section=
  [ -n "$hosts" ] || wrong_usage "--hosts FILE is missing"
  if [ ! -f "$hosts" ] || [ ! -r "$hosts" ]; then die 2 "There is no hosts file $hosts that can be read."; fi
  [ "$(wc -c <"$hosts")" -le 1000000 ] || die 2 "$hosts is larger than a hosts file can be (1 MB)."
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    if [[ $line =~ ^\ *(#.*)?$ ]]; then continue; fi
    if [[ $line =~ ^manager:\ *\{(.*)\}\ *$ ]]; then
      [ -z "$manager_ssh" ] || bad_hosts "$number" "there is a manager already"
      read_machine "$number" "${BASH_REMATCH[1]}" ssh address
      manager_ssh=${found[ssh]} manager_address=${found[address]} section=manager
    elif [[ $line =~ ^workers:\ *$ ]]; then
      section=workers
    elif [[ $section = workers && $line =~ ^\ *-\ *\{(.*)\}\ *$ ]]; then
      read_machine "$number" "${BASH_REMATCH[1]}" ssh address manager_address
      worker_ssh+=("${found[ssh]}")
      worker_manager+=("${found[manager_address]}")
    else
      bad_hosts "$number" "this is neither the manager's line, nor \"workers:\", nor a worker's line"
    fi
  done <"$hosts"
  [ -n "$manager_ssh" ] || die 2 "$hosts names no manager."
  [ "${#worker_ssh[@]}" -gt 0 ] || die 2 "$hosts names no workers."
}

# ---- all machines ----------------------------------------------------------------------------------
host_script() { "$here/imgrec-host.sh" "$@" "${common[@]}"; }

# Each line with the machine's name in front; the exit code is the command's.
named() {  # NAME COMMAND...
  local name=$1
  shift
  "$@" 2>&1 </dev/null | sed -u "s/^/$name: /"
}

# Runs `FUNCTION I` for each worker I at the same time; the worst exit code is the result.
each_worker() {  # FUNCTION
  local i pids=() code worst=0
  for i in "${!worker_ssh[@]}"; do
    named "worker-$((i + 1))" "$1" "$i" &
    pids+=($!)
  done
  for i in "${!pids[@]}"; do
    code=0
    wait "${pids[$i]}" || code=$?
    if [ "$code" -gt "$worst" ]; then worst=$code; fi
  done
  return "$worst"
}

install_worker() {
  host_script install-worker "${worker_ssh[$1]}" --manager "${worker_manager[$1]}" --name "worker-$(($1 + 1))" \
    --package "$package" --token-file "$token" "${installing[@]}" "${for_workers[@]}"
}
on_worker() { host_script "$verb" "${worker_ssh[$1]}" "${down[@]}"; }
logs_of_worker() { host_script logs "${worker_ssh[$1]}" "$folder/worker-$(($1 + 1))"; }

on_manager() { named manager host_script "$verb" "$manager_ssh" "${down[@]}"; }

up() {
  local start=$SECONDS ready
  if [ -z "$package" ]; then
    "$here/pack.sh"
    package=$here/../build/geni/imgrec.tar.gz
  fi
  token=${token:-$hosts.join-token}
  ensure_token "$token"
  named manager host_script install-manager "$manager_ssh" --package "$package" --token-file "$token" \
    "${installing[@]}" "${for_manager[@]}"
  each_worker install_worker
  ready=$(host_script status "$manager_ssh" | sed -n 's/^workers ready=//p')
  say "" "imgrec is up: 1 manager, $ready of ${#worker_ssh[@]} workers ready, after $((SECONDS - start)) s."
  say "The website, unless --listen says otherwise, is on the manager's host only. To open it here:"
  say "  ssh ${ssh_config:+-F $ssh_config }-N -L 8080:127.0.0.1:8080 $manager_ssh" "and then http://localhost:8080/"
}

# What is true of all machines is asked of all, whatever the first say.
everywhere() {  # ORDER: manager-first or workers-first
  local worst=0 code=0
  if [ "$1" = manager-first ]; then on_manager || worst=$?; fi
  each_worker on_worker || code=$?
  if [ "$code" -gt "$worst" ]; then worst=$code; fi
  code=0
  if [ "$1" = workers-first ]; then on_manager || code=$?; fi
  if [ "$code" -gt "$worst" ]; then worst=$code; fi
  return "$worst"
}

collect_logs() {
  local worst=0 code=0
  [ -n "$folder" ] || wrong_usage "logs needs a folder to put them in"
  named manager host_script logs "$manager_ssh" "$folder/manager" || worst=$?
  each_worker logs_of_worker || code=$?
  say "Logs are in $folder"
  if [ "$code" -gt "$worst" ]; then worst=$code; fi
  return "$worst"
}

[ $# -ge 1 ] || wrong_usage "there is no verb"
verb=$1
shift
case "$verb" in
  --help | help) usage; exit 0 ;;
  up | start | stop | restart | status | logs | down) ;;
  *) wrong_usage "unknown verb \"$verb\"" ;;
esac
take_options "$@"
read_hosts
case "$verb" in
  up) up ;;
  start | status) everywhere manager-first ;;
  stop) everywhere workers-first ;;
  restart) everywhere manager-first ;;
  logs) collect_logs ;;
  down)
    verb=uninstall
    everywhere workers-first
    ;;
esac
