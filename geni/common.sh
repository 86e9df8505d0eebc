# shellcheck shell=bash
# What the scripts on the experimenter's machine share. Sourced.

program=$(basename "$0")
ssh_config=

say() { printf '%s\n' "$@"; }
die() {  # CODE LINE...
  local code=$1
  shift
  printf '%s\n' "$program: $1" "${@:2}" >&2
  exit "$code"
}
wrong_usage() { die 2 "$1" "geni/$program --help says how to use it."; }

# What may stand for a machine in a command and in a hosts file: anything that ssh takes, an alias of
# its configuration included, but nothing that it or a shell would take for more than a name.
check_destination() {
  [[ $1 =~ ^[A-Za-z0-9_][A-Za-z0-9_.:@/%-]{0,255}$ ]] ||
    die 2 "\"$1\" is no host to ssh to: user@host, an alias, or ssh://user@host:port."
}

# Runs a bash script there; its standard input is ours. Exit code 255: there was no connection. The
# account's shell, which may be a csh, sees no more than "bash --norc -s". The script goes in front of the
# input: bash reads a pipe no further than what it runs, which is one group of commands.
to_host() {  # HOST SCRIPT
  local options=(-o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15 -o ServerAliveCountMax=8)
  if [ -n "$ssh_config" ]; then options+=(-F "$ssh_config"); fi
  { printf '{\n%s\nexit\n}\n' "$2" && cat; } 2>/dev/null | ssh "${options[@]}" -- "$1" "bash --norc -s" ||
    return "${PIPESTATUS[1]}"  # of what nobody read there is nothing to say
}

# A token that only its owner can read; made where there is none.
ensure_token() {  # FILE
  if [ ! -e "$1" ]; then
    (umask 077 && mkdir -p "$(dirname "$1")" && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$1.new" &&
      mv "$1.new" "$1") || die 3 "The join token $1 cannot be made."
    say "Made a join token: $1"
  fi
  check_secret "$1" "The join token"
}

check_secret() {  # FILE WHAT
  if [ ! -f "$1" ] || [ ! -r "$1" ]; then die 3 "$2 $1 is no file that you can read."; fi
  [ -z "$(find -L "$1" -perm /077)" ] || die 3 "$2 $1 can be read by others than you." \
    "If nobody has: chmod 600 $1. Else put a new one there, and run this again, for all hosts to get it."
}
