#!/bin/bash
# `make deb`: packs what `make build` has built into two packages, libnginx-mod-http-sekisho and sekisho, in target/deb.
# The same sources give the same bytes: times come from SOURCE_DATE_EPOCH, or from the last commit.
#   DEBFULLNAME, DEBEMAIL   who builds the package, for its control files
set -euo pipefail
cd "$(dirname "$0")/../.."

out=$PWD/target/deb
stage=$out/build
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)-1
maintainer="${DEBFULLNAME:-Sekisho} <${DEBEMAIL:-sekisho@localhost}>"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH

for built in target/release/sekisho target/module/ngx_http_sekisho_module.so; do
    [ -e "$built" ] || { echo "make deb: $built is missing: run make build" >&2; exit 1; }
done

rm -rf "$out"
mkdir -p "$stage"/{completions/{bash,zsh,fish},models}
cp -r contrib/deb/debian contrib/examples "$stage/"
cp -r docs README.md ARCHITECTURE.md NOTICE "$stage/"
cp models/default.onnx models/default.md models/README.md "$stage/models/"
cp target/release/sekisho target/module/ngx_http_sekisho_module.so "$stage/"
target/release/sekisho completions bash >"$stage/completions/bash/sekisho"
target/release/sekisho completions zsh >"$stage/completions/zsh/_sekisho"
target/release/sekisho completions fish >"$stage/completions/fish/sekisho.fish"
contrib/deb/manual.sh target/release/sekisho >"$stage/sekisho.1"
contrib/deb/libraries.sh | gzip -9n >"$stage/libraries.gz"

control=$(<"$stage/debian/control")
printf '%s\n' "${control/@MAINTAINER@/"$maintainer"}" >"$stage/debian/control"
cat >"$stage/debian/changelog" <<END
sekisho ($version) unstable; urgency=medium

  * Built from the sources of this version; CHANGELOG.md there tells what
    changed.

 -- $maintainer  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END

(cd "$stage" && dpkg-buildpackage --build=binary --no-sign --no-check-builddeps) >"$out/build.log" 2>&1 ||
    { tail -n 30 "$out/build.log" >&2; exit 1; }
# What the build tells of this machine, for who uploads to an archive.
rm -f "$out"/*.buildinfo "$out"/*.changes
if command -v lintian >/dev/null; then lintian --no-cfg --allow-root --tag-display-limit 0 "$out"/*.deb; fi
ls -l "$out"/*.deb
