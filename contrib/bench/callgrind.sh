#!/bin/bash
# Instructions per request of the module's own functions, in the real nginx under callgrind. Prints Markdown.
# Needs valgrind, models/default.onnx, and what contrib/build-module.sh builds.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v valgrind >/dev/null || { echo "callgrind.sh: valgrind is missing: contrib/install-tools.sh bench" >&2; exit 1; }
[ -x target/release/gauge ] || { echo "callgrind.sh: target/release/gauge is missing: contrib/build-module.sh" >&2; exit 1; }
exec target/release/gauge
