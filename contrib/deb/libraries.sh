#!/bin/bash
# The Rust libraries inside the module and `sekisho`, with their licences and the notices that these ask for.
set -euo pipefail
cd "$(dirname "$0")/../.."

echo 'Rust libraries inside ngx_http_sekisho_module.so and sekisho'
echo
cargo tree --offline --locked -p sekisho -p ngx_http_sekisho_module --edges normal --prefix none --format '{p} | {l}' |
    sed -e 's/ (proc-macro)//' -e 's/ ([^)|]*)//' | grep -v '^\(ngx_http_\)\?sekisho' | grep ' | ' | LC_ALL=C sort -u >target/libraries
cat target/libraries

# Each text once, however many libraries came with it.
declare -A told
while read -r name version _; do
    folder=$(echo "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$name-${version#v}")
    for file in "$folder"/{LICENSE,LICENCE,COPYING,COPYRIGHT,NOTICE}*; do
        [ -f "$file" ] || continue
        digest=$(sha256sum <"$file")
        [ -z "${told[$digest]:-}" ] || continue
        told[$digest]=yes
        printf '\n==== %s %s: %s ====\n\n' "$name" "$version" "${file##*/}"
        cat "$file"
    done
done <target/libraries
rm target/libraries
