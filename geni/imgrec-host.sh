#!/usr/bin/env bash
# Brings one host to a running imgrec manager or worker, and tends it, by ssh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=geni/common.sh
. "$here/common.sh"

usage() {
  cat <<'EOF'
Usage: geni/imgrec-host.sh install-manager HOST [options]
       geni/imgrec-host.sh install-worker HOST --manager ADDR[:PORT] [options]
       geni/imgrec-host.sh start | stop | restart | status HOST
       geni/imgrec-host.sh logs HOST FOLDER
       geni/imgrec-host.sh uninstall HOST [--purge]

HOST is what you give to ssh; you must be root there, or able to sudo without a password. It needs
to be an x86-64 machine with Debian 11 to 13 or Ubuntu 22.04 or later, and nothing else: what is
missing is installed. Everything can be repeated: a second install changes what differs and nothing
else, and one that was interrupted, at whatever step, goes on. Nothing of it needs to stay connected:
manager and worker are systemd services, which come back after a crash and after a reboot.

install-manager, install-worker:
  --package FILE     what geni/pack.sh made (default build/geni/imgrec.tar.gz)
  --token-file FILE  the join token, the same for all; made where it is missing
                     (default ~/.config/imgrec/join-token)
  --access-token-file FILE
                     the website asks for this token (the manager's --http-token-file); not given
                     again, it is forgotten
  --model DIR        model folder for the worker, copied there (default: the one in the package)
  --name NAME        name of the worker on the website (default: the host's)
  --listen ADDR      address of the website (default 127.0.0.1: on the host itself only, which
                     `ssh -L 8080:127.0.0.1:8080 HOST` brings to you; 0.0.0.0: everywhere, for
                     everybody who reaches the host: give it an access token)
  --set NAME=VALUE   a setting, as a variable IMGREC_...; may be repeated. Settings that are not
                     given again are forgotten.
  --in-root          run in a Debian 12 of its own below /opt/imgrec, as is done where the host is
                     no Debian 12
  --mirror URL, --security-mirror URL
                     Debian mirrors for that (default http://deb.debian.org/debian, ...-security)
uninstall:
  --purge            photos and results too
All:
  --ssh-config FILE  configuration for ssh
  --help             print this

Exit codes: 0 done, 1 failed there, 2 wrong usage, 3 the host cannot be reached or does not do.
EOF
}

package=$here/../build/geni/imgrec.tar.gz
access_token=
token=${XDG_CONFIG_HOME:-$HOME/.config}/imgrec/join-token
model=
there=()  # arguments of setup.sh

take_options() {
  while [ $# -gt 0 ]; do
    case "$1" in
      --help) usage; exit 0 ;;
      --in-root | --purge) there+=("$1"); shift; continue ;;
      --*) [ $# -ge 2 ] || wrong_usage "$1 needs a value behind it" ;;
      *) wrong_usage "unknown argument \"$1\"" ;;
    esac
    case "$1" in
      --package) package=$2 ;;
      --token-file) token=$2 ;;
      --access-token-file) access_token=$2 ;;
      --model) model=$2 ;;
      --ssh-config) ssh_config=$2 ;;
      --manager | --name | --listen | --set | --mirror | --security-mirror) there+=("$1" "$2") ;;
      *) wrong_usage "unknown argument \"$1\"" ;;
    esac
    shift 2
  done
}

# Unpacks standard input into a folder of nobody else's, runs setup.sh in it as root, removes it.
# shellcheck disable=SC2016 # expanded there
readonly RUN_THERE='set -e
umask 077
root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "you are not root there, and there is no sudo" >&2; exit 3; }
  sudo -n true 2>/dev/null ||
    { echo "you may not sudo there without a password: log in as somebody who may, or as root" >&2; exit 3; }
  root="sudo -n"
fi
command -v tar >/dev/null || { echo "there is no tar there" >&2; exit 3; }
folder=$(mktemp -d /var/tmp/imgrec-setup.XXXXXX) || { echo "there is no room in /var/tmp there (df -h /var/tmp)" >&2; exit 3; }
trap "rm -rf $folder" EXIT
trap "exit 129" HUP
trap "exit 143" TERM
tar -C "$folder" -xf - || { echo "what was sent did not arrive whole: the connection broke, or /var/tmp is full there (df -h /var/tmp)" >&2; exit 3; }
'

# Sends setup.sh, what it sources and what it needs in one stream; runs it with the arguments given.
run_there() {  # HOST TAR-ARGUMENTS... -- ARGUMENTS...
  local host=$1 send=() command code=0
  shift
  while [ "$1" != -- ]; do
    send+=("$1")
    shift
  done
  shift
  command="$RUN_THERE\$root env LC_ALL=C.UTF-8 bash \"\$folder/setup.sh\"$(printf ' %q' "$@") </dev/null"
  tar -C "$here/remote" -cf - setup.sh units.sh software.sh sysctl.conf "${send[@]}" | to_host "$host" "$command" || code=$?
  case "$code" in
    0) return 0 ;;
    127) die 3 "$host has no bash, it seems; its words are above. Install it there, and run this again." ;;
    255) die 3 "$host cannot be reached by ssh, or the connection broke; ssh's words are above." \
      "Try: ssh $host true. Then run this again: it goes on where it stopped." ;;
    *)
      if [ "$verb" = status ]; then exit "$((code == 3 ? 3 : 1))"; fi
      die "$((code == 3 ? 3 : 1))" "$host: $verb did not succeed, for the reason above." \
        "Run this again when that is mended: it goes on where it stopped."
      ;;
  esac
}

staged=
cleanup() { if [ -n "$staged" ]; then rm -rf "$staged"; fi; }
trap cleanup EXIT

# Everything that setup.sh takes, in one folder, so that it can be sent in one stream.
stage() {
  local file
  [ -f "$package" ] || die 3 "There is no package $package. Make one: geni/pack.sh"
  ensure_token "$token"
  staged=$(mktemp -d)
  ln -s "$(realpath "$package")" "$staged/package.tar.gz"
  ln -s "$(realpath "$token")" "$staged/join-token"
  if [ -n "$access_token" ]; then
    check_secret "$access_token" "The access token"
    ln -s "$(realpath "$access_token")" "$staged/access-token"
  fi
  if [ -n "$model" ]; then
    for file in model.pt model.yaml labels.txt; do
      [ -f "$model/$file" ] || die 3 "--model $model: this is no model folder: there is no $file in it."
    done
    tar -C "$model" --sort=name --owner=0 --group=0 --mtime=@0 --mode=a+rX -cf "$staged/model.tar" .
  fi
}

install_host() {  # ROLE HOST
  local send=(-C "$staged" --dereference package.tar.gz join-token)
  if [ "$1" = worker ] && [ -n "$model" ]; then send+=(model.tar); fi
  if [ -n "$access_token" ]; then send+=(access-token); fi
  run_there "$2" "${send[@]}" -- install "$1" "${there[@]}"
}

# Only plain files of the names that setup.sh gives them come out of what the host sends.
fetch_logs() {  # HOST FOLDER
  mkdir -p "$2" || die 3 "The folder $2 cannot be made."
  run_there "$1" -- logs "${there[@]}" | head -c 268435456 >"$2/.logs.tar"
  tar -C "$2" --no-same-owner --no-same-permissions -xf "$2/.logs.tar" \
    machine.txt setup.log imgrec-manager.log imgrec-worker.log 2>/dev/null || true
  rm -f "$2/.logs.tar"
  [ -s "$2/machine.txt" ] || die 1 "$1: no logs came."
}

[ $# -ge 1 ] || wrong_usage "there is no verb"
verb=$1
shift
case "$verb" in
  --help | help) usage; exit 0 ;;
  install-manager | install-worker | start | stop | restart | status | logs | uninstall) ;;
  *) wrong_usage "unknown verb \"$verb\"" ;;
esac
if [ "${1:-}" = --help ]; then usage; exit 0; fi
[ $# -ge 1 ] || wrong_usage "$verb needs a host"
host=$1
shift
check_destination "$host"
if [ "$verb" = logs ]; then
  [ $# -ge 1 ] || wrong_usage "logs needs a folder to put them in"
  folder=$1
  shift
fi
take_options "$@"
case "$verb" in
  install-*)
    if [ "$verb" = install-worker ] && [[ " ${there[*]} " != *" --manager "* ]]; then
      wrong_usage "install-worker needs --manager ADDR"
    fi
    if [ "$verb" = install-worker ] && [ -n "$access_token" ]; then
      wrong_usage "--access-token-file is for install-manager, which has the website"
    fi
    stage
    install_host "${verb#install-}" "$host"
    ;;
  logs) fetch_logs "$host" "$folder" ;;
  *) run_there "$host" -- "$verb" "${there[@]}" ;;
esac
