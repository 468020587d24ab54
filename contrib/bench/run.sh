#!/bin/bash
# Every measurement, into one Markdown report.
#   contrib/bench/run.sh [REPORT]
# Needs what contrib/build-module.sh builds, GoAccess and valgrind.
set -euo pipefail
cd "$(dirname "$0")/../.."
report=${1:-target/bench/report.md}
mkdir -p "$(dirname "$report")" target/bench
log=target/bench/criterion.log

# The whole workspace, as everywhere: another selection would build the ONNX library once more.
# Only the harnesses: unit tests would take criterion's arguments for their own.
cargo bench --workspace $(printf -- '--bench %s ' $(basename -s .rs benches/benches/*.rs)) -- --noplot | tee "$log"

# criterion's lines: a name, on its own line when it is long, then "time: [low median high]" and "thrpt: [...]".
figures() {
    awk '
        /^Benchmarking/ { next }
        # Compared with an earlier run, criterion says everything again as a change.
        /time: +\[|thrpt: +\[/ && /%/ { next }
        /time: +\[/ {
            name = $0; sub(/ *time: .*/, "", name); if (name == "") name = held
            match($0, /\[.*\]/); split(substr($0, RSTART + 1, RLENGTH - 2), part, " ")
            time = part[3] " " part[4]; next
        }
        /thrpt: +\[/ {
            match($0, /\[.*\]/); split(substr($0, RSTART + 1, RLENGTH - 2), part, " ")
            rate = part[3]; unit = part[4]
            scale = unit ~ /^G/ ? 1e9 : unit ~ /^M/ ? 1e6 : unit ~ /^K/ ? 1e3 : 1
            printf "| %s | %.0f ns | %.2f M |\n", name, 1e9 / (rate * scale), rate * scale / 1e6; time = ""; next
        }
        /^[a-z].*\/.*[^:]$/ { if (time != "") { printf "| %s | %s | |\n", name, time; time = "" } held = $0 }
        END { if (time != "") printf "| %s | %s | |\n", name, time }
    ' "$log"
}

{
    echo '# Speed'
    echo
    echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors, $(rustc --version), $(/usr/sbin/nginx -v 2>&1 | sed 's/.*: //')."
    echo
    echo '## A step at a time (criterion, median)'
    echo
    echo '| step | each | a second |'
    echo '|---|---|---|'
    figures
    echo
    echo '## Instructions a request (callgrind)'
    echo
    contrib/bench/callgrind.sh
    echo
    echo '## The table, from a thousand clients to four million'
    echo
    target/release/table-cost docs/table-cost.svg
    echo
    echo '## Lines a second'
    echo
    contrib/bench/scan-vs-goaccess.sh
} >"$report.new"
mv "$report.new" "$report"
cat "$report"
