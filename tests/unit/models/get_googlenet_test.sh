#!/bin/bash
# models/get-googlenet.sh with a curl and an importer of this test's own: no network is used.
set -euo pipefail

script="$1"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
export PATH="$work/bin:$PATH" XDG_CACHE_HOME="$work/cache"
cache="$work/cache/imgrec/bvlc_googlenet"
failures=0

# expect CODE TEXT ARGUMENTS...: runs the script; its exit code and a part of what it says.
expect() {
  local code="$1" text="$2" got=0
  shift 2
  bash "$script" "$@" >"$work/log" 2>&1 || got=$?
  if [[ "$got" != "$code" ]] || ! grep --quiet --fixed-strings -- "$text" "$work/log"; then
    echo "FAILED: $* gave exit code $got, not $code with \"$text\"; it said:"
    sed 's/^/  | /' "$work/log"
    failures=$((failures + 1))
  fi
}

cat >"$work/bin/importer" <<'EOF'
#!/bin/bash
echo "imported with $*"
EOF
# Writes $FAKE_CONTENT, or fails with $FAKE_CODE.
cat >"$work/bin/curl" <<'EOF'
#!/bin/bash
echo "$*" >>"$FAKE_LOG"
while (($# > 0)); do
  if [[ "$1" == --output ]]; then file="$2"; fi
  shift
done
if [[ "${FAKE_CODE:-0}" != 0 ]]; then exit "$FAKE_CODE"; fi
echo "some bytes" >>"$file"
EOF
chmod +x "$work/bin/importer" "$work/bin/curl"
export FAKE_LOG="$work/curl.log"
touch "$FAKE_LOG"
importer=(--importer "$work/bin/importer")

expect 0 "Usage: models/get-googlenet.sh" --help
expect 2 "unknown argument --ouch" --ouch
expect 2 "--out needs a value" --out
expect 2 "needs whole seconds" --timeout 1s
expect 1 "no imgrec-model program" --importer "$work/none" --out "$work/model"

mkdir "$work/there"
expect 1 "exists; give another --out" "${importer[@]}" --out "$work/there"

# No network: exit code 3, the three files and the command.
export FAKE_CODE=6
expect 3 "bvlc_googlenet.caffemodel" "${importer[@]}" --out "$work/model"
for text in deploy.prototxt synset_words.txt "import-caffe --prototxt" "--out $work/model"; do
  expect 3 "$text" "${importer[@]}" --out "$work/model"
done
[[ ! -e "$work/model" ]] || { echo "FAILED: a folder was left"; failures=$((failures + 1)); }

# Downloads that are not the public file are deleted, so that the next run starts afresh.
export FAKE_CODE=0
expect 1 "SHA-1 differs" "${importer[@]}" --out "$work/model"
[[ ! -e "$cache/bvlc_googlenet.caffemodel" ]] || { echo "FAILED: wrong weights kept"; failures=$((failures + 1)); }
[[ -s "$cache/deploy.prototxt" ]] || { echo "FAILED: deploy.prototxt not kept"; failures=$((failures + 1)); }

# What is there is not downloaded again.
: >"$FAKE_LOG"
expect 1 "have deploy.prototxt" "${importer[@]}" --out "$work/model"
if grep --quiet deploy.prototxt "$FAKE_LOG"; then echo "FAILED: downloaded twice"; failures=$((failures + 1)); fi

((failures == 0)) && echo "get-googlenet.sh behaves"
