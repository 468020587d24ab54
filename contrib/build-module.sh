#!/bin/bash
# Builds ngx_http_sekisho_module.so for the installed nginx, twice:
#   target/module/       for use
#   target/module-test/  takes its time from a request header: for tests and the demo only
# Needs Debian's nginx-dev and libclang-dev. For another nginx, configured already:
#   NGINX_SOURCE_DIR, NGINX_BUILD_DIR   its source and the directory it was configured in
#   SEKISHO_MODULES                     where module/ and module-test/ go instead of target/
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
headers=${NGINX_SOURCE_DIR:-/usr/share/nginx/src}
build=${NGINX_BUILD_DIR:-$root/target/nginx-build}
modules=${SEKISHO_MODULES:-target}
package=ngx_http_sekisho_module

# The signature of nginx's configuration must match the binary's, so the headers are configured with its flags.
if [ -z "${NGINX_BUILD_DIR:-}" ] && { [ ! -f "$build/ngx_auto_config.h" ] || [ "$headers/conf_flags" -nt "$build/ngx_auto_config.h" ]; }; then
    mkdir -p "$build"
    (
        cd "$headers"
        . ./conf_flags
        ./configure "${NGX_CONF_FLAGS[@]}" --builddir="$build"
    ) >"$build.log" 2>&1 || { cat "$build.log" >&2; exit 1; }
fi

compile() { # DIRECTORY [CARGO ARGUMENT...]
    local directory=$modules/$1
    shift
    # The whole workspace, as everything else here: cargo unites the features of what it builds together, and
    # another selection would compile the ONNX library, minutes of work, once more.
    cargo build --release --workspace "$@"
    mkdir -p "$directory"
    # A running nginx has the old file mapped: replace it, never write into it.
    # Line tables of the model reader make four fifths of the file; function names stay, for profiles.
    strip --strip-debug -o "$directory/.new.so" "target/release/lib$package.so"
    # Another cargo may have built the other kind meanwhile. Only the test build knows this variable.
    local kind=module
    if grep -q sekisho_counters "$directory/.new.so"; then kind=module-test; fi
    if [ "$modules/$kind" != "$directory" ]; then
        echo "$directory: another build came in between, run this again" >&2
        exit 1
    fi
    mv "$directory/.new.so" "$directory/$package.so"
}

compile module-test --features "$package/test-clock"
compile module
