#!/bin/bash
# `make deb-check`: installs the packages that `make deb` made on this machine, serves requests through them, purges them,
# and looks that nothing is left. For a machine that may be changed; needs root. No nginx is started as a service, and
# a running one is left alone but for what any package of a module does: it is asked to reload.
set -euo pipefail
cd "$(dirname "$0")/../.."

packages="libnginx-mod-http-sekisho sekisho"
policy=/usr/sbin/policy-rc.d
# Tenths of a second that nginx may take to come up.
patience=100

die() { echo "deb-check: $*" >&2; exit 1; }
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
say() { echo "deb-check: $*"; }

[ "$(id -u)" -eq 0 ] || die 'needs root: it installs packages'
ls target/deb/*.deb >/dev/null 2>&1 || die 'no packages in target/deb: run make deb'
for package in $packages; do
    if installed "$package"; then die "$package is installed already, and this check would remove it"; fi
done

work=$(mktemp -d)
pid=
had_policy=yes
finish() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    dpkg -P $packages >/dev/null 2>&1 || true
    [ "$had_policy" = yes ] || rm -f "$policy"
    rm -rf "$work"
}
trap finish EXIT
if [ ! -e "$policy" ]; then
    had_policy=no
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
chmod 755 "$work"

dpkg -i target/deb/*.deb >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; die 'dpkg -i failed'; }
say "installed: $(dpkg-query -W -f '${Package} ${Version}; ' $packages)"
link=/etc/nginx/modules-enabled/50-mod-http-sekisho.conf
[ -e "$link" ] || die "$link is missing"
nginx -t 2>"$work/system.log" || { cat "$work/system.log" >&2; die 'nginx -t refuses the system with the module in it'; }

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
examples=/usr/share/doc/libnginx-mod-http-sekisho/examples
sed "s,/var/log/nginx,$work," "$examples/sekisho.conf" >"$work/sekisho.conf"
mkdir "$work/html"
echo 'through the checkpoint' >"$work/html/index.html"
cat >"$work/nginx.conf" <<END
include /etc/nginx/modules-enabled/*.conf;
user www-data;
pid $work/nginx.pid;
error_log $work/error.log;
events {}
http {
    include $work/sekisho.conf;
    server { listen 127.0.0.1:$port; root $work/html; }
}
END
nginx -t -q -c "$work/nginx.conf" || die 'nginx -t refuses the example'
nginx -c "$work/nginx.conf" -g 'daemon off;' &
pid=$!
answer=
for ((wait = 0; wait < patience; wait++)); do
    answer=$(curl -s "http://127.0.0.1:$port/") && break
    kill -0 "$pid" 2>/dev/null || die "nginx ended: $(cat "$work/error.log")"
    sleep 0.1
done
[ "$answer" = 'through the checkpoint' ] || die "nginx answered: $answer"
for _ in $(seq 12); do curl -s -o "$work/answer" "http://127.0.0.1:$port/"; done
grep -Eq '^127.0.0.1 .* 200 .* PASSED ' "$work/sekisho.log" || die "no verdict in the log: $(head -n 1 "$work/sekisho.log")"
say "served: $(tail -n 1 "$work/sekisho.log")"

sekisho --version >/dev/null
format='$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $sekisho_status $sekisho_score $sekisho_reason $sekisho_id'
sekisho scan --quiet --log-format "$format" "$work/sekisho.log" >/dev/null ||
    die 'sekisho scan does not read the log of the example'
sekisho doctor --conf "$work/nginx.conf" >"$work/doctor" || { cat "$work/doctor" >&2; die 'sekisho doctor sees a problem'; }
say "doctor: $(tail -n 1 "$work/doctor")"
man -w sekisho >/dev/null 2>&1 || [ -e /usr/share/man/man1/sekisho.1.gz ] || grep -q man /etc/dpkg/dpkg.cfg.d/* ||
    die 'no manual page'

kill -QUIT "$pid"
wait "$pid" || die 'nginx did not end well'
pid=
# Directories are shared with other packages; files are not.
dpkg -L $packages | LC_ALL=C sort -u | while read -r path; do if [ ! -d "$path" ]; then echo "$path"; fi; done >"$work/files"
dpkg -P $packages >"$work/purge.log" 2>&1 || { cat "$work/purge.log" >&2; die 'dpkg -P failed'; }
while read -r path; do [ ! -e "$path" ] || die "$path is left"; done <"$work/files"
for path in /etc/nginx/modules-enabled/*sekisho* /usr/share/sekisho /usr/share/doc/*sekisho*; do
    if [ -e "$path" ] || [ -L "$path" ]; then die "$path is left"; fi
done
nginx -t -q || die 'nginx -t refuses the system after the purge'
say 'purged, nothing is left'
