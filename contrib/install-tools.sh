#!/bin/bash
# Installs what is missing of the tools that building, testing and measuring need. Debian 12 and its like.
#   contrib/install-tools.sh [build] [test] [bench]
# Never starts an nginx nor a Prometheus: those that the packages bring are only programs for us.
set -euo pipefail

declare -A packages=(
    [build]="build-essential pkg-config curl nginx nginx-dev libclang-dev libpcre2-dev libssl-dev zlib1g-dev"
    [test]="python3 python3-venv valgrind prometheus chromium nodejs npm nftables ipset iproute2"
    [bench]="goaccess valgrind"
)
# nginx-module is built with bindgen's clang, and the ONNX library needs this compiler.
least_rust=1.91
policy=/usr/sbin/policy-rc.d
# Packages with a service that would start with the machine.
services="nginx prometheus prometheus-node-exporter"

die() {
    echo "install-tools: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root, and there is no sudo: run as root: $*"
    fi
}

installed() { # PACKAGE
    # Those of others than Debian have both in one, and Debian's npm cannot stand beside them.
    case "$1" in
        nodejs) command -v node >/dev/null && return ;;
        npm) command -v npm >/dev/null && return ;;
    esac
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_packages() { # PACKAGE...
    local service had=" "
    command -v apt-get >/dev/null || die "no apt-get here; install by hand: $*"
    for service in $services; do
        if installed "$service"; then had+="$service "; fi
    done
    echo "install-tools: installing $*"
    # A package's service is started as it is installed, unless this file says no.
    if [ ! -e "$policy" ]; then
        trap 'as_root rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    as_root apt-get update -qq || die "apt-get could not read its lists"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null ||
        die "apt-get could not install: $*"
    # Nor at the next start of the machine, when it was not there before.
    command -v systemctl >/dev/null || return 0
    for service in $services; do
        case "$had" in *" $service "*) continue ;; esac
        if installed "$service"; then as_root systemctl disable "$service" >/dev/null 2>&1 || true; fi
    done
}

check_rust() {
    command -v cargo >/dev/null || die "no cargo here: install Rust $least_rust or later, see https://rustup.rs"
    local version
    version=$(rustc --version | cut -d ' ' -f 2)
    [ "$(printf '%s\n' "$least_rust" "$version" | sort -V | head -n 1)" = "$least_rust" ] ||
        die "rustc $version is too old, $least_rust is needed: rustup update stable"
}

install_nextest() {
    command -v cargo-nextest >/dev/null && return
    echo "install-tools: installing cargo-nextest"
    # Without it, make falls back to cargo test.
    cargo install cargo-nextest --locked --quiet </dev/null || echo "install-tools: cargo-nextest could not be built, going on without it"
}

# Unpacked, not installed: these packages' services would start with the machine, and one registers with its makers.
unpack_crowdsec() {
    local place package packages=(crowdsec crowdsec-custom-bouncer crowdsec-firewall-bouncer)
    place=$(cd "$(dirname "$0")/.." && pwd)/target/tools
    for package in "${packages[@]}"; do
        if [ ! -x "$place/usr/bin/$package" ]; then package=; break; fi
    done
    [ -z "$package" ] || return 0
    echo "install-tools: unpacking ${packages[*]} into $place"
    mkdir -p "$place"
    # A later one sees a whole program or none.
    (
        cd "$place"
        apt-get download -qq "${packages[@]}" 2>/dev/null || { as_root apt-get update -qq && apt-get download -qq "${packages[@]}"; }
        for package in ./*.deb; do dpkg -x "$package" .; done
        rm -f ./*.deb
    ) || die "apt-get could not download: ${packages[*]}"
}

missing=()
for group in "${@:-build}"; do
    [ -n "${packages[$group]:-}" ] || die "no such group of tools: $group (build, test, bench)"
    for package in ${packages[$group]}; do
        installed "$package" || missing+=("$package")
    done
done
[ "${#missing[@]}" -eq 0 ] || install_packages "${missing[@]}"
check_rust
case " $* " in *" test "*) install_nextest; unpack_crowdsec ;; esac
