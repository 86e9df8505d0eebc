#!/bin/sh
# What `helm test` runs: has each manager, HOST:PORT, recognise the picture, and compares the label with
# $LABEL (empty: any).
set -eu
failed=0
for manager in "$@"; do
  # The label is what stands between the quotes of the first prediction.
  if ! answer=$(imgrec classify --quiet --jsonl --top 1 --delete --timeout "$TIMEOUT" \
    --server "http://$manager" "${0%/*}/ship.png"); then
    echo "$manager: not recognised" >&2
    failed=1
    continue
  fi
  label=$(printf '%s\n' "$answer" | sed -n 's/.*"label":"\([^"]*\)".*/\1/p')
  if [ -z "$label" ] || { [ -n "$LABEL" ] && [ "$label" != "$LABEL" ]; }; then
    echo "$manager: it says \"$label\", and should say \"$LABEL\": $answer" >&2
    failed=1
  else
    echo "$manager: $label"
  fi
done
exit "$failed"
