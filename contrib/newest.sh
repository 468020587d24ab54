#!/bin/bash
# Builds the newest nginx that the crate nginx-src carries, builds the module for it, and runs the module's tests with
# the two. All of it goes to target/newest; the nginx that is installed plays no part.
#   NGINX_SRC=VERSION   another version of the crate, such as "=1.28.5+1.28.3" (any: the newest)
#   FILTER=EXPRESSION   other tests than the module's, as cargo nextest selects them
set -euo pipefail
cd "$(dirname "$0")/.."

newest=$PWD/target/newest
source=$newest/source
build=$newest/objs
# Debian's flags, and the modules that its program has built in besides.
. /usr/share/nginx/src/conf_flags
mapfile -t built_in < <(/usr/sbin/nginx -V 2>&1 | tr ' ' '\n' | grep -x -e '--with-http_[a-z0-9_]*_module')
flags=("${NGX_CONF_FLAGS[@]}" "${built_in[@]}")
# What shows that the configured source is the one wanted, with the flags wanted.
mark=$newest/configured

# A crate of its own: nginx-src is no dependency of the workspace, so its lock file does not name it.
mkdir -p "$newest/fetch/src"
: >"$newest/fetch/src/lib.rs"
cat >"$newest/fetch/Cargo.toml" <<END
[package]
name = "fetch"
version = "0.0.0"
edition = "2024"
[workspace]
[dependencies]
nginx-src = "${NGINX_SRC:-*}"
END
rm -f "$newest/fetch/Cargo.lock"
machine=$(rustc -vV | sed -n 's/^host: //p')
crate=$(cargo metadata --quiet --format-version 1 --filter-platform "$machine" --manifest-path "$newest/fetch/Cargo.toml" |
    grep -o '"manifest_path":"[^"]*/nginx-src-[^"/]*/Cargo.toml"' | cut -d '"' -f 4)
crate=${crate%/Cargo.toml}
[ -f "$crate/nginx/src/core/nginx.h" ] || { echo "newest: cargo brought no source of nginx" >&2; exit 1; }
wanted="$(basename "$crate") $(cksum <<<"${flags[*]}")"

if [ "$(cat "$mark" 2>/dev/null)" != "$wanted" ]; then
    echo "newest: configuring ${crate##*/} as Debian configures its nginx"
    rm -rf "$source" "$build" "$mark"
    # configure writes beside the source, which is cargo's.
    cp -r "$crate/nginx" "$source"
    (
        cd "$source"
        sh auto/configure "${flags[@]}" --builddir="$build"
    ) >"$newest/configure.log" 2>&1 || { tail -n 20 "$newest/configure.log" >&2; exit 1; }
    echo "$wanted" >"$mark"
fi
# make knows by itself what is left to do.
make -C "$source" -f "$build/Makefile" -j"$(nproc)" build >"$newest/make.log" 2>&1 || { tail -n 20 "$newest/make.log" >&2; exit 1; }
"$build/nginx" -v

# What follows must see the same headers in every step, or cargo would build the module anew for Debian's nginx.
export NGINX_SOURCE_DIR=$source NGINX_BUILD_DIR=$build
SEKISHO_MODULES=$newest contrib/build-module.sh
SEKISHO_TEST_NGINX=$build/nginx SEKISHO_TEST_MODULES=$newest \
    cargo nextest run --release --workspace --no-fail-fast -E "${FILTER:-binary(/^(module|along)_/)}"
