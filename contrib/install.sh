#!/bin/bash
# `make install` and `make uninstall`: what `make build` made, without a package.
#   contrib/install.sh install|uninstall
#   PREFIX    for sekisho, its completions, manual page and model (/usr/local)
#   MODULES   for the module (where the installed nginx keeps its own)
#   DESTDIR   put before both; with it, no rights are needed
set -euo pipefail
cd "$(dirname "$0")/.."

work=${1:?install or uninstall}
prefix=${PREFIX:-/usr/local}
destination=${DESTDIR:-}
modules=${MODULES:-$(/usr/sbin/nginx -V 2>&1 | tr ' ' '\n' | sed -n 's/^--modules-path=//p')}
modules=${modules:-/usr/lib/nginx/modules}
stage=target/install
module=ngx_http_sekisho_module.so

# Mode, what was built, where it goes: the one list for both ways.
list() {
    cat <<END
755 $stage/sekisho $prefix/bin/sekisho
644 target/module/$module $modules/$module
644 $stage/sekisho.bash $prefix/share/bash-completion/completions/sekisho
644 $stage/sekisho.zsh $prefix/share/zsh/site-functions/_sekisho
644 $stage/sekisho.fish $prefix/share/fish/vendor_completions.d/sekisho.fish
644 $stage/sekisho.1 $prefix/share/man/man1/sekisho.1
644 models/default.onnx $prefix/share/sekisho/default.onnx
644 models/default.md $prefix/share/sekisho/default.md
644 contrib/examples/sekisho.conf $prefix/share/doc/sekisho/sekisho.conf
END
}

case $work in
install)
    for built in target/release/sekisho "target/module/$module"; do
        [ -e "$built" ] || { echo "make install: $built is missing: run make build" >&2; exit 1; }
    done
    mkdir -p "$stage"
    # Line tables of the model reader make nine tenths of the file.
    strip --strip-debug -o "$stage/sekisho" target/release/sekisho
    for shell in bash zsh fish; do target/release/sekisho completions "$shell" >"$stage/sekisho.$shell"; done
    contrib/deb/manual.sh target/release/sekisho >"$stage/sekisho.1"
    # install removes the old file before it makes the new one: a running nginx keeps the one that it has mapped.
    list | while read -r mode from to; do install -D -m "$mode" "$from" "$destination$to"; done
    list | while read -r _ _ to; do echo "$destination$to"; done
    if [ -z "$destination" ]; then
        echo
        echo "Load it with: load_module $modules/$module;   then see what sekisho doctor says."
    fi
    ;;
uninstall)
    list | while read -r _ _ to; do rm -f "$destination$to"; done
    # Directories that are ours alone.
    for folder in "$prefix/share/sekisho" "$prefix/share/doc/sekisho"; do
        if [ -d "$destination$folder" ]; then rmdir --ignore-fail-on-non-empty "$destination$folder"; fi
    done
    if /usr/sbin/nginx -t 2>&1 | grep -q "$module"; then
        echo "make uninstall: nginx's configuration still loads $module: take the line out before nginx starts again"
    fi
    ;;
*)
    echo "contrib/install.sh: $work: install or uninstall" >&2
    exit 2
    ;;
esac
