#!/bin/bash
# `make loop`: the whole loop on one machine. A crawler in disguise passes; its requests become samples; an operator says
# what it is; a model is trained, shadows the one in force, is measured, approved, taken up by nginx's workers without a
# reload, stops the crawler, and is rolled back. Each claim is checked; the exit status is 1 when one does not hold.
#
#   JSON=FILE   also write claims and figures there, as one JSON document
#   LOOP=DIR    where it writes, kept afterwards (a temporary directory, removed at the end)
#   PORT=N      the shop's port, or the first free one after it (8580)
#   BUILD=no    use what is built
#
# Traffic is from `sekisho simulate`: no address in it is anybody's. Everything listens on 127.0.0.1 only.
set -euo pipefail
umask 022
cd "$(dirname "$0")/../.."
# shellcheck source=contrib/processes.sh
. contrib/processes.sh

sekisho=$PWD/target/release/sekisho
module=$PWD/target/module-test/ngx_http_sekisho_module.so
logs=models/data
first_port=${PORT:-8580}
# How long anything may take to come up, to be noticed or to go away, in tenths of a second.
patience=150
# People of the two hours that are learnt from, and share of them that may ever be rejected: it takes 199 who can be judged
# in the half that thresholds come from.
people=700
budget=0.015
# Addresses passed over from one hour to the next, so that other people and other crawlers come; a multiple of the
# search engines' hundred, so that these are the same.
apart=800
# Crawlers that the operator notices by himself.
noticed=6
# Requests after which a crawler that is known for what it is must be stopped mostly.
known_after=50
operator='Night shift'

die() { printf 'make loop: %s\n' "$*" >&2; exit 1; }
bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\033[1m' plain=$'\033[0m'; fi
begun=$EPOCHREALTIME
seconds() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }'; }
say() { printf '\n%s%5.0f s  %s%s\n' "$bold" "$(seconds "$begun")" "$*" "$plain"; }
tell() { printf '         %s\n' "$*"; }

claims='' figures='' failed=0
claim() { # NAME CONDITION WORDS: what must be so, a shell test over numbers, and how it is told
    local held=true mark=ok
    if ! (($2)); then held=false mark='NOT SO' failed=1; fi
    claims+="${claims:+,}\"$1\":$held"
    tell "[$mark] $3"
}
figure() { figures+="${figures:+,}\"$1\":$2"; }

nginx_pid='' origin_pid='' daemon_pid='' loop=''
finish() {
    trap '' INT TERM
    stop "$nginx_pid" QUIT
    stop "$daemon_pid" TERM
    stop "$origin_pid" TERM
    if [ -n "$loop" ] && [ -z "${LOOP:-}" ]; then rm -rf "$loop"; fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

[[ $first_port =~ ^[1-9][0-9]{0,4}$ ]] || die "PORT=$first_port is no port"
if [ "${BUILD:-yes}" = yes ]; then
    contrib/install-tools.sh build
    say 'Building (minutes the first time, seconds after that)'
    contrib/build-module.sh
    begun=$EPOCHREALTIME
fi
[ -x "$sekisho" ] || die "$sekisho is missing: run make build"
[ -r "$module" ] || die "$module is missing: run make build"

if [ -n "${LOOP:-}" ]; then
    mkdir -p "$LOOP"
    loop=$(cd "$LOOP" && pwd)
    [ -z "$(ls -A "$loop")" ] || die "$loop is not empty"
else
    loop=$(mktemp -d "${TMPDIR:-/tmp}/sekisho-loop.XXXXXX")
fi
# The workers are another user when root starts nginx, and look at the model's files.
chmod 755 "$loop"
mkdir "$loop/logs" "$loop/tmp" "$loop/models"
cp models/default.onnx "$loop/champion.onnx"
cp models/default.onnx "$loop/challenger.onnx"
cp contrib/loop/bots.txt "$loop/bots.txt"
(umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$loop/token")
cat >"$loop/sekisho.toml" <<END
[[samples]]
path = "$loop/samples"

[store]
path = "$loop/sekisho.db"

[api]
listen = "127.0.0.1:0"
token_file = "$loop/token"

[models]
directory = "$loop/models"
champion = "$loop/champion.onnx"
challenger = "$loop/challenger.onnx"
END

# For background use: the child takes this process's place, and ends with us even when we are killed.
start() { exec setpriv --pdeathsig TERM "$@"; }
until_it() { # COMMAND...: true as soon as it is, false after a while
    for ((tries = 0; tries < patience; tries++)); do
        if "$@"; then return 0; fi
        sleep 0.1
    done
    return 1
}
run() { "$sekisho" "$@" 2>>"$loop/logs/sekisho.log"; }
must() { run "$@" || die "sekisho $1 failed: $(tail -n 3 "$loop/logs/sekisho.log")"; }
model() { must model "$1" --config "$loop/sekisho.toml" "${@:2}"; }

ask() { # METHOD PORT PATH [BODY]: the answer's body
    exec 3<>"/dev/tcp/127.0.0.1/$2"
    printf '%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n' "$1" "$3" >&3
    if [ -n "${4:-}" ]; then
        printf 'Authorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n' "$(cat "$loop/token")" \
            "${#4}" >&3
    fi
    printf '\r\n%s' "${4:-}" >&3
    sed '1,/^\r*$/d' <&3
    exec 3>&-
}
status() { ask GET "$port" /sekisho/v1/status; }
workers() { status | grep -Eo '"pid": ?[0-9]+' | sort | tr -dc '0-9\n' | paste -sd ' '; }
all_run() { # ROLE DIGEST: whether both workers do
    [ "$(status | grep -Eo "\"$1\": ?\"$2" | wc -l)" -eq 2 ]
}
digest_of() { sha256sum "$1" | cut -d ' ' -f 1; }
number() { grep -Eo "\"$1\": ?[0-9]+" | head -n 1 | tr -dc 0-9; }

start "$sekisho" replay --origin 127.0.0.1:0 >"$loop/origin" &
origin_pid=$!
until_it grep -qs '^origin ' "$loop/origin" || die 'the origin did not start'
origin=$(sed -n 's,^origin http://,,p' "$loop/origin")

user=
# nginx that root starts gives its workers away; others may not choose.
if [ "$(id -u)" -eq 0 ]; then
    user='user www-data;'
    setpriv --reuid=www-data --regid=www-data --clear-groups test -r "$loop/champion.onnx" \
        || die "nginx's workers, www-data, cannot read $loop: set LOOP or TMPDIR to a directory that they can enter"
fi
up() { [ "$(cat "$loop/nginx.pid" 2>/dev/null)" = "$nginx_pid" ] || ! kill -0 "$nginx_pid" 2>/dev/null; }
port=
for ((candidate = first_port; candidate < first_port + 100; candidate++)); do
    # nginx tries for seconds to bind a port that is taken: look first, without touching whoever listens there.
    taken=$(printf ':%04X [0-9A-F]+:0000 0A' "$candidate")
    if grep -Eq "$taken" /proc/net/tcp /proc/net/tcp6 2>/dev/null; then continue; fi
    sed -e "s,@MODULE@,$module,g" -e "s,@LOOP@,$loop,g" -e "s,@ORIGIN@,$origin,g" -e "s,@PORT@,$candidate,g" \
        -e "s,@USER@,$user,g" contrib/loop/nginx.conf >"$loop/nginx.conf"
    start /usr/sbin/nginx -p "$loop" -e "$loop/logs/error.log" -c "$loop/nginx.conf" 2>"$loop/logs/start.log" &
    nginx_pid=$!
    until_it up || die 'nginx did not start'
    if kill -0 "$nginx_pid" 2>/dev/null; then port=$candidate && break; fi
    grep -q 'Address already in use' "$loop/logs/start.log" || die "nginx did not start: $(cat "$loop/logs/start.log")"
done
[ -n "$port" ] || die "no free port from $first_port on"

NO_COLOR=1 start "$sekisho" serve --config "$loop/sekisho.toml" 2>"$loop/logs/serve.log" &
daemon_pid=$!
until_it grep -qs 'listening on http://' "$loop/logs/serve.log" || die "the daemon did not start: $(cat "$loop/logs/serve.log")"
api=$(sed -n 's,.*listening on http://127.0.0.1:\([0-9]*\).*,\1,p' "$loop/logs/serve.log")

# Yesterday: what is older than the store keeps, or lies ahead of the clock, is no sample of a site.
day=$(date -u -d yesterday +%F)
traffic() { # HOUR SEED PEOPLE: sends an hour of the shop through nginx and waits until its samples are stored
    local lines=0
    must simulate --quiet --preset loop --seed "$2" --people "$3" --skip $((($2 - 1) * apart)) --start "${day}T$1:00:00Z" \
        --out "$loop/$2.log" --truth "$loop/$2.csv"
    if [ -e "$loop/logs/verdicts.log" ]; then lines=$(wc -l <"$loop/logs/verdicts.log"); fi
    must replay "$loop/$2.log" --to "http://127.0.0.1:$port" >"$loop/logs/replay.$2"
    tell "$(head -n 1 "$loop/logs/replay.$2")"
    tail -n +$((lines + 1)) "$loop/logs/verdicts.log" >"$loop/logs/verdicts.$2"
    until_it stored || die 'the daemon does not store what nginx writes'
    read -r walkers walkers_stopped highest_walker walks walks_stopped late late_stopped earliest latest <<<"$(sums "$2" '^walker$')"
    read -r persons persons_stopped highest_person _ <<<"$(sums "$2" '^(shopper|mobile|returning|office)$')"
    read -r bots bots_stopped _ <<<"$(sums "$2" '^(googlebot|bingbot|uptime)$')"
    for name in walkers walkers_stopped highest_walker walks walks_stopped late late_stopped earliest latest persons persons_stopped \
        highest_person bots bots_stopped; do
        figure "hour_$2_$name" "${!name}"
    done
}
# Clients of a kind, those stopped, their highest score, requests, those stopped, requests after the first ones, those
# stopped; at which of its requests a client was first stopped, the earliest and the latest.
sums() { # SEED KIND
    awk -v kind="$2" -v known="$known_after" '
        FNR == NR { split($0, part, ","); actor[part[1]] = part[2]; next }
        { split($0, part, "\""); client = part[4]; if (actor[client] !~ kind) next
          requests++; late += ++seen[client] > known
          if (part[16] + 0 > highest) highest = part[16] + 0
          if (part[8] == "REJECTED") { stopped++; late_stopped += seen[client] > known; 
              if (!was[client]++) { clients_stopped++; latest = seen[client]; if (!earliest) earliest = latest
                  if (latest < earliest) earliest = latest; if (latest > last) last = latest } } }
        END { for (client in seen) clients++
              print clients + 0, clients_stopped + 0, highest + 0, requests + 0, stopped + 0, late + 0, late_stopped + 0, earliest + 0, last + 0 }
    ' "$loop/$1.csv" "$loop/logs/verdicts.$1"
}
quiet=0 before=-1
stored() { # Samples wait in a worker for a second at most: nothing new for longer than that, and all of it stored.
    local written there
    written=$(status | number samples_written)
    there=$(ask GET "$api" /v1/status | number samples)
    if [ "$written" = "$before" ]; then quiet=$((quiet + 1)); else quiet=0 before=$written; fi
    [ "$quiet" -ge 12 ] && [ "$written" = "$there" ]
}

first_workers=$(workers)
default=$(digest_of "$loop/champion.onnx")

say 'An hour of a shop. Among its visitors: a crawler in disguise, at 16 addresses'
traffic 06 1 "$people"
claim the_crawler_passes "walkers == 16 && walkers_stopped == 0" "the default model stops $walkers_stopped of the crawler's $walkers addresses"
claim nobody_else_is_stopped "persons_stopped == 0 && bots_stopped == 0" "and $persons_stopped of $persons people, $bots_stopped of $bots good bots"
counts=$(ask GET "$api" /v1/status)
figure samples "$(number samples <<<"$counts")"
claim samples_are_stored "$(number samples <<<"$counts") > 1000 && $(number duplicates <<<"$counts") == 0 && $(number broken <<<"$counts") == 0" \
    "the daemon has stored $(number samples <<<"$counts") samples, none twice, none broken"

say "An operator notices $noticed of these addresses, and says so"
awk -F, -v most="$noticed" '$2 == "walker" && found++ < most { print $1 }' "$loop/1.csv" >"$loop/noticed"
while read -r client; do
    must label add "$client" --class crawler --zone clients --author "$operator" --note 'walks the catalogue in order' \
        --config "$loop/sekisho.toml" >/dev/null
done <"$loop/noticed"
must label count --config "$loop/sekisho.toml" | sed 's/^/         /'

model add "$loop/champion.onnx" --origin found --note 'shipped' >/dev/null
say 'Training on the store, beside the logs that the default model was made from'
since=$EPOCHREALTIME
must train --store "$loop/sekisho.db" "$logs"/{airis,srhegde,semicomplete}.log.gz --automated "$logs/hackers.log.gz" \
    --out "$loop/trained.onnx"
figure training_seconds "$(seconds "$since")"
trained=$(digest_of "$loop/trained.onnx")
model add "$loop/trained.onnx" --parent champion --note 'with the operator'\''s labels' >/dev/null
tell "${trained:0:12}, in $(seconds "$since") s"

say 'It shadows the model in force: it scores beside it, and has no say'
cp "$loop/trained.onnx" "$loop/challenger.onnx.new"
mv "$loop/challenger.onnx.new" "$loop/challenger.onnx"
until_it all_run challenger "$trained" || die "the workers do not take the challenger up: $(status)"
traffic 08 2 "$people"
claim a_shadow_stops_nobody "walkers_stopped == 0 && persons_stopped == 0 && bots_stopped == 0" \
    "nobody is stopped, nor the crawler, which now comes from $walkers other addresses"
must export --config "$loop/sekisho.toml" --format jsonl --since "${day}T08:00:00Z" --out "$loop/shadow.jsonl"
shadowed=$(grep -c "\"challenger\":\"$trained\"" "$loop/shadow.jsonl" || true)
figure shadowed "$shadowed"
claim shadow_scores_are_in_samples "shadowed > 1000" "$shadowed samples have its score beside the other"
# The unlabelled clients by their worst score, worst first.
awk '
    match($0, /"client":"[^"]*"/) { client = substr($0, RSTART + 10, RLENGTH - 11) }
    !/"class":null/ { next }
    match($0, /"challenger_score":[0-9.e-]+/) { score = substr($0, RSTART + 19, RLENGTH - 19) + 0
        if (!(client in worst) || score > worst[client]) worst[client] = score }
    END { for (client in worst) printf "%.4f %s\n", worst[client], client }
' "$loop/shadow.jsonl" | sort -rn >"$loop/worst"
reviewed=0 found=0
while read -r score client; do
    # What the operator finds when looking at a client is what the simulator wrote down. The first person ends it.
    reviewed=$((reviewed + 1))
    grep -q "^$client,walker," "$loop/2.csv" || break
    ask POST "$api" /v1/labels "{\"zone\":\"clients\",\"client\":\"$client\",\"class\":\"crawler\",\"author\":\"$operator\",\"note\":\"looked at: $score\"}" \
        | grep -q '"added":true' || die "cannot label $client"
    found=$((found + 1))
done <"$loop/worst"
figure reviewed "$reviewed"
claim the_operator_finds_the_rest "found == walkers && reviewed <= walkers + 1" \
    "the operator looks at its $reviewed worst: $found are the crawler, the next (${score:-}) is a person"

say "Thresholds for a budget of $budget, from people whom it has never seen"
must calibrate --store "$loop/sekisho.db" --contrast 100% --since "${day}T08:00:00Z" --model "$loop/trained.onnx" --budget "$budget" \
    --out "$loop/calibrated.onnx" >"$loop/logs/calibrate"
calibrated=$(digest_of "$loop/calibrated.onnx")
sed -n '3,6p' "$loop/logs/calibrate" | sed 's/^/         /'
model add "$loop/calibrated.onnx" --parent "$trained" --note 'the same with thresholds' >/dev/null

say 'Champion against challenger'
refused=0
run model promote "$calibrated" --config "$loop/sekisho.toml" --by "$operator" >/dev/null || refused=$?
claim no_promotion_without_evaluation "refused == 1" 'without an evaluation, promotion is refused'
must evaluate --champion "$loop/champion.onnx" --challenger "$loop/calibrated.onnx" --store "$loop/sekisho.db" --contrast 100% \
    --since "${day}T08:00:00Z" --budget "$budget" --format json >"$loop/evaluation.json"
tell "$(sed -n 's/^ *"sentence": "\(.*\)",$/\1/p' "$loop/evaluation.json" | fold -s -w 100 | sed '2,$s/^/         /')"
since=$EPOCHREALTIME
model promote "$calibrated" --evaluation "$loop/evaluation.json" --by "$operator" --note 'stops the catalogue crawler' \
    | sed 's/^/         /'
taken=1
until_it all_run model "$calibrated" || taken=0
figure taken_up_seconds "$(seconds "$since")"
claim workers_take_it_up "taken == 1" "approved by $operator; both workers run ${calibrated:0:12} after $(seconds "$since") s"

say 'Another hour, other people, other addresses of the same crawler'
traffic 10 3 300
claim the_crawler_is_stopped "walkers == 16 && walkers_stopped == walkers" "stopped: $walkers_stopped of the crawler's $walkers addresses"
claim most_of_it_is_stopped "2 * late_stopped > late" \
    "first at its request $earliest to $latest: $((100 * late_stopped / (late > 0 ? late : 1))) % of all after the first $known_after"
claim no_person_is_stopped "persons > 200 && persons_stopped == 0" "$persons_stopped of $persons people (the highest score is $highest_person)"
claim no_good_bot_is_stopped "bots == 6 && bots_stopped == 0" "$bots_stopped of $bots good bots"

say 'Somebody has doubts: the model before it, please'
since=$EPOCHREALTIME
model rollback --by "$operator" --note 'to be sure' >/dev/null
back=1
until_it all_run model "$default" || back=0
figure rolled_back_seconds "$(seconds "$since")"
claim rollback_works "back == 1" "both workers run ${default:0:12} again after $(seconds "$since") s"
last_workers=$(workers)
same=0
if [ "$first_workers" = "$last_workers" ]; then same=1; fi
grep -E '\[(crit|alert|emerg)\]|SIGHUP' "$loop/logs/error.log" | head -n 5 >&2 || true
claim no_reload "same == 1 && $(grep -Ec '\[(crit|alert|emerg)\]|SIGHUP' "$loop/logs/error.log" || true) == 0" \
    'the same two workers from beginning to end: nothing was reloaded, and nothing went wrong'
model log | grep -E '^ 20' | cut -c -72 | sed 's/^/        /'

figure seconds "$(seconds "$begun")"
if [ -n "${JSON:-}" ]; then printf '{"claims":{%s},"figures":{%s}}\n' "$claims" "$figures" >"$JSON"; fi
say "$([ "$failed" -eq 0 ] && echo 'The loop is closed' || echo 'NOT everything is as it should be')"
exit "$failed"
