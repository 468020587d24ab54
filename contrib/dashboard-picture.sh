#!/bin/bash
# Makes docs/dashboard.png: the busiest client of the log that `make run` replays, for README.md.
# Needs what `make build` and the browser tests install.
set -euo pipefail
cd "$(dirname "$0")/.."
demo=$(mktemp -d)
demo_pid=
finish() {
    if [ -n "$demo_pid" ]; then kill -s TERM "$demo_pid" 2>/dev/null || true; wait "$demo_pid" 2>/dev/null || true; fi
    rm -rf "$demo"
}
trap finish EXIT
BUILD=no DEMO=$demo contrib/demo/run.sh >"$demo/said" 2>&1 &
demo_pid=$!
for ((wait = 0; wait < 600; wait++)); do
    if grep -q 'Up until' "$demo/said" || ! kill -0 "$demo_pid" 2>/dev/null; then break; fi
    sleep 0.1
done
address=$(sed -n 's,^.*The dashboard: \(http://[0-9.:]*\).*,\1,p' "$demo/said")
[ -n "$address" ] || { cat "$demo/said" >&2; exit 1; }
node tests/browser/picture.mjs "$address/clients?order=requests" docs/dashboard.png "tbody th a"
ls -l docs/dashboard.png
