#!/bin/bash
# Makes docs/dashboard.png: the dashboard's front page while `make run` replays its log, for README.md.
# Needs what `make build` and the browser tests install. It takes two minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
demo=$(mktemp -d)
demo_pid=
finish() {
    if [ -n "$demo_pid" ]; then kill -s TERM "$demo_pid" 2>/dev/null || true; wait "$demo_pid" 2>/dev/null || true; fi
    rm -rf "$demo"
}
trap finish EXIT
BUILD=no DEMO=$demo SPEED=12000 contrib/demo/run.sh >"$demo/said" 2>&1 &
demo_pid=$!
address=
for ((wait = 0; wait < 100; wait++)); do
    address=$(sed -n 's,^.*The dashboard: \(http://[0-9.:]*\).*,\1,p' "$demo/said")
    [ -z "$address" ] || break
    sleep 0.1
done
[ -n "$address" ] || { cat "$demo/said" >&2; exit 1; }
# Most of the replay: the page has something to show.
sleep 80
node tests/browser/picture.mjs "$address/" docs/dashboard.png
ls -l docs/dashboard.png
