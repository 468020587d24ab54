#!/bin/bash
# Holds a running API against its contract: generated requests, good and bad, every answer compared with the contract.
#   contrib/check-api.sh URL      the location of sekisho_api, such as http://127.0.0.1:8080/sekisho
# It puts and lifts bans: not for an nginx that serves visitors. CONTRACT=docs/serve-openapi.yaml holds a daemon's interface against
# its own, with KEY= of a bouncer and its TOKEN=. EXAMPLES=30 is how many requests each operation gets.
# AT is the unix second that the test build of the module takes for now: bans of a second then last.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -eq 1 ] || { echo "usage: contrib/check-api.sh URL" >&2; exit 2; }
# schemathesis leaves caches where it runs.
mkdir -p target
cd target
venv=venv-api
# Its own environment: another test fills target/venv at the same time.
version=4.32.5

if ! "$venv/bin/schemathesis" --version 2>/dev/null | grep -q "$version"; then
    exec 9>.venv-api.lock
    flock 9
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "schemathesis==$version"
    exec 9>&-
fi

# The seed makes a failure repeatable; a proxy of the environment has no business between us and this machine.
headers=()
config=()
# What nginx itself answers before the module is asked.
if [ -z "${CONTRACT:-}" ]; then config=(--config-file ../contrib/schemathesis.toml); fi
if [ -n "${AT:-}" ]; then headers+=(--header "X-Sekisho-Time: $AT"); fi
if [ -n "${KEY:-}" ]; then headers+=(--header "X-Api-Key: $KEY"); fi
if [ -n "${TOKEN:-}" ]; then headers+=(--header "Authorization: Bearer $TOKEN"); fi
exec env -u http_proxy -u HTTP_PROXY -u all_proxy -u ALL_PROXY "$venv/bin/schemathesis" "${config[@]}" run "../${CONTRACT:-docs/openapi.yaml}" \
    --url "$1" --max-examples "${EXAMPLES:-30}" --seed 1 --phases examples,coverage,fuzzing,stateful \
    --no-color --request-timeout 10 "${headers[@]}"
