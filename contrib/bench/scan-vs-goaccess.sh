#!/bin/bash
# Lines a second of `sekisho scan` beside GoAccess, on the same file in the same run. Prints Markdown.
#   ROUNDS=N    runs of each; they take turns, and the median counts (3)
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${ROUNDS:-3}
sekisho=target/release/sekisho
work=target/bench/goaccess
log=$work/airis-x5.log
times=$work/times

die() {
    echo "scan-vs-goaccess.sh: $*" >&2
    exit 1
}
command -v goaccess >/dev/null || die "goaccess is missing: contrib/install-tools.sh bench"
[ -x "$sekisho" ] || die "$sekisho is missing: make build"
mkdir -p "$work"

# Five sites' worth: each line for five clients of other networks, so that order, times and behaviour stay real.
zcat models/data/airis.log.gz | awk '{
    rest = substr($0, length($1) + 1)
    split($1, octet, ".")
    for (copy = 0; copy < 5; copy++)
        print (octet[1] + 40 * copy) % 223 + 1 "." octet[2] "." octet[3] "." octet[4] rest
}' >"$log"
lines=$(wc -l <"$log")
cat "$log" >/dev/null

# What each program is, and how it is called.
run() { # NAME
    case $1 in
    scan) "$sekisho" scan --format jsonl "$log" ;;
    scan-one) RAYON_NUM_THREADS=1 "$sekisho" scan --format jsonl "$log" ;;
    goaccess) goaccess "$log" --no-global-config --log-format=COMBINED --no-progress --output="$work/report.json" ;;
    esac
}
names=(scan scan-one goaccess)
: >"$times"
for ((round = 0; round < rounds; round++)); do
    for name in "${names[@]}"; do
        start=$EPOCHREALTIME
        run "$name" >"$work/$name.out" 2>"$work/$name.err" </dev/null || die "$name failed: $(tail -n 3 "$work/$name.err")"
        end=$EPOCHREALTIME
        echo "$name $((${end/./} - ${start/./}))" >>"$times"
    done
done

median() { # NAME: microseconds
    awk -v name="$1" '$1 == name { print $2 }' "$times" | sort -n | sed -n "$(((rounds + 1) / 2))p"
}
goaccess_time=$(median goaccess)
row() { # NAME TITLE
    awk -v title="$2" -v time="$(median "$1")" -v other="$goaccess_time" -v lines="$lines" 'BEGIN {
        printf "| %s | %.2f | %.0f | %.1f |\n", title, time / 1e6, lines / (time / 1e6), other / time
    }'
}
echo "$lines lines, $(du -m "$log" | cut -f 1) MB, $(nproc) processors, median of $rounds runs each, taking turns:"
echo
echo '| program | seconds | lines a second | times GoAccess |'
echo '|---|---|---|---|'
row scan 'sekisho scan, all processors'
row scan-one 'sekisho scan, one thread for scoring'
row goaccess "$(goaccess --version | sed -n '1s/ - / /p' | sed 's/\.$//')"
rm -f "$log"
