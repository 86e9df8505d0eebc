#!/bin/bash
# Asks the program in this container whether it is ready: /readyz of its operations port. Bash alone:
# the images hold no HTTP client.
set -euo pipefail

case "${1:-}" in
  '') ;;
  --help)
    echo "Usage: imgrec-healthcheck [PORT]   (default: that of IMGREC_OPS_LISTEN)"
    echo "Exit codes: 0 ready, 1 not, 2 wrong usage."
    exit 0
    ;;
  *[!0-9]*) echo "imgrec-healthcheck: \"$1\" is no port" >&2; exit 2 ;;
esac
listen=${IMGREC_OPS_LISTEN:-}
port=${1:-${listen##*:}}
if [ -z "$port" ]; then
  echo "imgrec-healthcheck: IMGREC_OPS_LISTEN is empty, so that there is nobody to ask" >&2
  exit 2
fi

# A program that hangs accepts and never answers.
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r -t 4 _ status _ <&3
if [ "$status" != 200 ]; then
  echo "not ready: HTTP status $status"
  exit 1
fi
