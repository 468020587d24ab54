#!/bin/bash
# Makes docs/first-report.png from what `sekisho scan` prints for a log of the project.
# Needs Debian's aha and chromium, and target/release/sekisho.
set -euo pipefail
cd "$(dirname "$0")/.."
page=$(mktemp --suffix .html)
profile=$(mktemp -d)
trap 'rm -rf "$page" "$profile"' EXIT
{
    echo '<meta charset="utf-8"><style>body{margin:0;background:#14161a}pre{margin:24px;color:#d7dae0;
        font:15px/1.35 "DejaVu Sans Mono",monospace;white-space:pre-wrap}b{color:#8fb8ff;font-weight:normal}</style><pre>'
    echo '<b>$ sekisho scan models/data/airis.log.gz</b>'
    COLUMNS=100 target/release/sekisho scan --color always models/data/airis.log.gz | aha --no-header --black
    echo '</pre>'
} >"$page"
mkdir -p docs
chromium --headless --no-sandbox --disable-gpu --disable-background-networking --no-first-run \
    --user-data-dir="$profile" --hide-scrollbars --window-size=980,990 --force-device-scale-factor=2 \
    --screenshot=docs/first-report.png "file://$page" 2>/dev/null
ls -l docs/first-report.png
