#!/bin/bash
# `make run`: a real access log walks into Debian's nginx with the Sekisho module, enforcement on, seen on the dashboard.
#
#   ONCE=1      exit after the summary instead of staying up
#   LIMIT=N     replay the first N lines of the log (60,000)
#   SPEED=N     N times faster than the log, such as 12000 for about a minute and a half; as fast as it goes without
#   LOG=FILE    replay this log instead of models/data/airis.log.gz
#   PORT=N      the shop's port, or the first free one after it (8480)
#   DEMO=DIR    where this demo writes (target/demo)
#   BUILD=no    use what is built
#
# It starts an nginx and a daemon of its own, on 127.0.0.1 only. Any other nginx on this machine stays as it is.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=contrib/processes.sh
. contrib/processes.sh

default_log=models/data/airis.log.gz
log=${LOG:-$default_log}
limit=${LIMIT:-60000}
first_port=${PORT:-8480}
sekisho=target/release/sekisho
# Room for 40,000 clients; `sekisho scan --zone` is given the same.
zone=10m
model=models/default.onnx
# How long anything may take to come up or to go away, in tenths of a second.
patience=100

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
die() { printf 'make run: %s\n' "$*" >&2; exit 1; }
if [ ! -t 1 ] || [ -n "${NO_COLOR:-}" ]; then say() { printf '\n%s\n' "$*"; }; fi

nginx_pid=
origin_pid=
serve_pid=
finish() {
    trap '' INT TERM
    stop "$serve_pid" TERM
    stop "$nginx_pid" QUIT
    stop "$origin_pid" TERM
    serve_pid='' nginx_pid='' origin_pid=''
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

[ -r "$log" ] || die "cannot read $log"
[[ $limit =~ ^[1-9][0-9]*$ ]] || die "LIMIT=$limit is no number of lines"
[[ $first_port =~ ^[1-9][0-9]{0,4}$ ]] || die "PORT=$first_port is no port"

if [ "${BUILD:-yes}" = yes ]; then
    contrib/install-tools.sh build
    say 'Building (minutes the first time, seconds after that)'
    contrib/build-module.sh
fi
[ -x "$sekisho" ] || die "$sekisho is missing: run make build"
module=$PWD/target/module-test/ngx_http_sekisho_module.so
[ -r "$module" ] || die "$module is missing: run make build"

mkdir -p "${DEMO:-target/demo}"
demo=$(cd "${DEMO:-target/demo}" && pwd)
exec 9>"$demo/lock"
flock -n 9 || die "a demo is already running in $demo"
rm -rf "$demo/logs" "$demo/tmp" "$demo/nginx.pid" "$demo/origin" "$demo/store.db"*
mkdir -p "$demo/logs" "$demo/tmp"
: >"$demo/allowed"

# For background use: the child takes this process's place, and ends with us even when we are killed.
start() { exec setpriv --pdeathsig TERM "$@" 9>&-; }

: >"$demo/origin"
start "$sekisho" replay --origin 127.0.0.1:0 >"$demo/origin" &
origin_pid=$!
for ((wait = 0; wait < patience; wait++)); do
    grep -q '^origin ' "$demo/origin" && break
    kill -0 "$origin_pid" 2>/dev/null || break
    sleep 0.1
done
origin=$(sed -n 's,^origin http://,,p' "$demo/origin")
[ -n "$origin" ] || die 'the origin did not start'

user=
# nginx that root starts gives its workers away; others may not choose.
if [ "$(id -u)" -eq 0 ]; then user='user www-data;'; fi

try_port() { # PORT: starts nginx there; false when it is taken
    sed -e "s,@MODULE@,$module,g" -e "s,@DEMO@,$demo,g" -e "s,@ORIGIN@,$origin,g" -e "s,@PORT@,$1,g" \
        -e "s,@ZONE@,$zone,g" -e "s,@MODEL@,$PWD/$model,g" -e "s,@USER@,$user,g" contrib/demo/nginx.conf >"$demo/nginx.conf"
    start /usr/sbin/nginx -p "$demo" -e "$demo/logs/error.log" -c "$demo/nginx.conf" 2>"$demo/logs/start.log" &
    nginx_pid=$!
    for ((wait = 0; wait < patience; wait++)); do
        kill -0 "$nginx_pid" 2>/dev/null || break
        # Its pid file says that it is ours which answers there.
        [ "$(cat "$demo/nginx.pid" 2>/dev/null)" = "$nginx_pid" ] && return 0
        sleep 0.1
    done
    wait "$nginx_pid" 2>/dev/null || true
    nginx_pid=
    grep -q 'Address already in use' "$demo/logs/start.log" || die "nginx did not start: $(cat "$demo/logs/start.log")"
    return 1
}
port=
for ((candidate = first_port; candidate < first_port + 100; candidate++)); do
    # nginx tries for seconds to bind a port that is taken: look first, without touching whoever listens there.
    taken=$(printf ':%04X [0-9A-F]+:0000 0A' "$candidate")
    if grep -Eq "$taken" /proc/net/tcp /proc/net/tcp6 2>/dev/null; then continue; fi
    if try_port "$candidate"; then port=$candidate && break; fi
done
[ -n "$port" ] || die "no free port from $first_port on"
shop=http://127.0.0.1:$port

cat >"$demo/sekisho.toml" <<END
[[samples]]
path = "$demo/logs/samples"

[[nginx]]
name = "shop"
api = "$shop/sekisho/"
poll_seconds = 1
allow_file = "$demo/allowed"

[store]
path = "$demo/store.db"

[api]
listen = "127.0.0.1:0"

[models]
directory = "$demo/models"

[decisions]
log = "$demo/logs/bans.json"
END
: >"$demo/logs/serve.log"
start "$sekisho" serve --config "$demo/sekisho.toml" 2>"$demo/logs/serve.log" &
serve_pid=$!
dashboard=
for ((wait = 0; wait < patience; wait++)); do
    dashboard=$(sed -n 's,.*listening on \(http://[0-9.:]*\).*,\1,p' "$demo/logs/serve.log")
    if [ -n "$dashboard" ] || ! kill -0 "$serve_pid" 2>/dev/null; then break; fi
    sleep 0.1
done
[ -n "$dashboard" ] || die "the dashboard did not start: $(cat "$demo/logs/serve.log")"

say "The dashboard: $dashboard/?span=minutes"
say "Replaying ${log##*/}, first $limit lines, into nginx at $shop: enforcement is ON"
# The log's times are moved so that it ends now: the dashboard shows these days.
"$sekisho" replay "$log" --to "$shop" --limit "$limit" --speed "${SPEED:-max}" --end-now --decisions "$demo/logs/decisions.log"

if [ "$log" = "$default_log" ]; then
    echo 'The default model has learnt from this log, among others: models/README.md tells how it does on sites that'
    echo 'it has never seen. Try one of yours: make run LOG=/path/to/access.log'
fi

short=${demo#"$PWD/"}
say 'Where to look'
cat <<END
  who would be stopped by the access log alone, with each reason in words:
      $sekisho scan --model $model --zone $zone $short/logs/access.log
  every decision, one a line:     $short/logs/decisions.log
  each client that was rejected:  $short/logs/error.log
  how nginx and the daemon are configured:  $short/nginx.conf, $short/sekisho.toml

This nginx loads the module's test build, which believes the clock of a replay. The one for your own server is
target/module/ngx_http_sekisho_module.so; it stops nobody until you say sekisho_dry_run off.
END
if [ -n "${ONCE:-}" ]; then exit 0; fi

cat <<END

  the dashboard: $dashboard/?span=minutes   Who came, who was stopped and why; live.
      To label, allow, ban and approve there: $sekisho user add you --role approver --config $short/sekisho.toml
  the shop: $shop/   Walk around; $shop/about tells how to be a crawler yourself.
END
say 'Up until Ctrl-C'
trap 'echo; echo "Stopped."; exit 0' INT TERM
wait "$nginx_pid"
die "nginx ended: $(tail -n 3 "$demo/logs/error.log")"
