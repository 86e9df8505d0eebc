#!/usr/bin/env bash
# Makes two authorities and certificates of theirs, for tests of TLS:
#   ca, other-ca             authorities
#   manager                  of ca, for localhost, 127.0.0.1 and ::1
#   named                    of ca, for localhost by that name alone
#   worker                   of ca, for clients
#   expired, expired-worker  as manager and worker, but of the past
#   other-worker             as worker, but of other-ca
# Usage: make_certificates.sh DIRECTORY
set -euo pipefail

if [ "${1:-}" = --help ] || [ $# -ne 1 ]; then
  sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "$0"
  exit $(($# == 1 ? 0 : 2))
fi
mkdir -p "$1"
cd "$1"

key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }

authority() { # NAME
  key "$1"
  openssl req -x509 -new -key "$1.key" -subj "/CN=imgrec test $1" -days 30 -out "$1.pem" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
}

# NAME AUTHORITY USE START END [FOR]: the times as YYYYMMDDHHMMSSZ
certificate() {
  key "$1"
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
  printf '%s\n' basicConstraints=CA:FALSE "extendedKeyUsage=$3" \
    "subjectAltName=${6:-DNS:localhost,IP:127.0.0.1,IP:::1}" >"$1.ext"
  mkdir -p "$1.db"
  : >"$1.db/index"
  printf '%s\n' '[ca]' 'default_ca=x' '[x]' "database=$1.db/index" "new_certs_dir=$1.db" \
    rand_serial=yes default_md=sha256 policy=p '[p]' commonName=supplied >"$1.conf"
  openssl ca -batch -notext -config "$1.conf" -cert "$2.pem" -keyfile "$2.key" -in "$1.csr" \
    -out "$1.pem" -extfile "$1.ext" -startdate "$4" -enddate "$5"
}

now=$(date -u +%Y%m%d%H%M%SZ)
month=$(date -u -d '+30 days' +%Y%m%d%H%M%SZ)
past=(20200101000000Z 20200201000000Z)
authority ca
authority other-ca
certificate manager ca serverAuth "$now" "$month"
certificate named ca serverAuth "$now" "$month" DNS:localhost
certificate worker ca clientAuth "$now" "$month"
certificate other-worker other-ca clientAuth "$now" "$month"
certificate expired ca serverAuth "${past[@]}"
certificate expired-worker ca clientAuth "${past[@]}"
