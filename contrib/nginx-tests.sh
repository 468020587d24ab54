#!/bin/bash
# Runs nginx's own tests twice, without our module and with it loaded and judging every request in dry run, and compares.
#   contrib/nginx-tests.sh DIRECTORY [FILE.t...]
# DIRECTORY is a checkout of nginx's test suite (nginx-tests). Results: target/nginx-tests. Fails when one file's results
# differ, twice in a row: some of those tests depend on time.
#   NGINX    the binary, /usr/sbin/nginx
#   MODULE   the module, target/module/ngx_http_sekisho_module.so
#   PATIENCE seconds for one file, 300
set -euo pipefail
cd "$(dirname "$0")/.."

nginx=${NGINX:-/usr/sbin/nginx}
module=$(realpath "${MODULE:-target/module/ngx_http_sekisho_module.so}")
patience=${PATIENCE:-300}
results=$PWD/target/nginx-tests
# What may feel a module in the request's way: what decides before or after it, what keeps shared memory or survives a
# reload, what moves a request about, and what brings it.
patterns=(limit_req limit_conn limit_rate realip access auth_basic auth_request auth_delay satisfy proxy_cache proxy_next_upstream
    proxy_intercept_errors error_page index try_files rewrite http_try_files subrequest ssi mirror addition
    http_error_page h2 http_v2 http_keepalive body_ slice range_ split_clients geo map proxy_protocol
    binary_upgrade worker_shutdown_timeout http_variables log stub_status x_accel not_modified)

die() {
    echo "nginx-tests: $*" >&2
    exit 2
}

[ $# -ge 1 ] || die "give the directory of nginx's test suite: make nginx-tests NGINX_TESTS=DIR"
suite=$(realpath "$1")
shift
[ -f "$suite/lib/Test/Nginx.pm" ] || die "$suite has no lib/Test/Nginx.pm: it is no checkout of nginx-tests"
[ -x "$nginx" ] || die "$nginx is not there"
command -v perl >/dev/null || die "perl is not installed"

files=("$@")
if [ ${#files[@]} -eq 0 ]; then
    for pattern in "${patterns[@]}"; do
        for file in "$suite/$pattern"*.t; do
            if [ -f "$file" ]; then files+=("$(basename "$file")"); fi
        done
    done
fi
[ ${#files[@]} -gt 0 ] || die "no tests in $suite"
mapfile -t files < <(printf '%s\n' "${files[@]}" | sort -u)

zone='sekisho_zone $binary_remote_addr zone=sekisho_tests:1m; '
check='sekisho zone=sekisho_tests threshold=0 suspect=0 min_requests=1; sekisho_log_level info;'

# One file's results, a line each, without what comments say of time and place.
run() { # without|with FILE
    local raw=$results/$1/${2%.t}.tap globals='' http=''
    if [ "$1" = with ]; then
        globals="load_module $module;"
        http=$zone$check
    fi
    (
        cd "$suite"
        TEST_NGINX_BINARY=$nginx TEST_NGINX_GLOBALS="${TEST_NGINX_GLOBALS:-} $globals" \
            TEST_NGINX_GLOBALS_HTTP="${TEST_NGINX_GLOBALS_HTTP:-} $http" \
            timeout "$patience" perl -I lib "$2" </dev/null >"$raw" 2>&1 || echo "exit code $?" >>"$raw"
    )
    grep -E '^ *(ok|not ok|1\.\.|Bail out|exit code)' "$raw" | sed -E 's/ # TODO.*/ # TODO/' >"$raw.results" || true
}

same() { # FILE
    run without "$1"
    run with "$1"
    cmp -s "$results/without/${1%.t}.tap.results" "$results/with/${1%.t}.tap.results"
}

mkdir -p "$results/without" "$results/with"
differ=0 tests=0 skipped=0 failed=0
for file in "${files[@]}"; do
    if same "$file" || same "$file"; then
        verdict=same
    else
        verdict=DIFFERS
        differ=$((differ + 1))
    fi
    tap=$results/with/${file%.t}.tap.results
    count=$(grep -cE '^(ok|not ok)' "$tap" || true)
    bad=$(grep -E '^not ok' "$tap" | grep -vc '# TODO' || true)
    if grep -qE '^1\.\.0' "$tap"; then
        skipped=$((skipped + 1))
        verdict="$verdict, skipped"
    elif [ "$count" -eq 0 ]; then
        # A file that ran nothing on either side proves nothing.
        verdict=EMPTY
        differ=$((differ + 1))
    fi
    tests=$((tests + count))
    failed=$((failed + bad))
    printf '%-40s %4d tests, %d failed: %s\n' "$file" "$count" "$bad" "$verdict"
    if [ "$verdict" = DIFFERS ]; then
        diff "$results/without/${file%.t}.tap.results" "$results/with/${file%.t}.tap.results" | sed 's/^/    /' || true
    fi
done
echo
echo "${#files[@]} files, $tests tests with the module, $failed failed, $skipped files skipped, $differ files differ from nginx without it"
[ "$differ" -eq 0 ]
