# `make` alone lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# One selection of packages and features for everything: cargo unites the features of what it builds together, and
# another selection would build the ONNX library, minutes of work, once more.
ALL := --release --workspace
SEKISHO := target/release/sekisho
DATA := models/data
# Logs whose licence keeps them out of the project, beside it: measured on, never shipped.
OTHER_DATA ?= ../shared/data
# How many cases `make fuzz` tries of each property, and how long it fuzzes each target.
CASES ?= 20000
FUZZ_SECONDS ?= 300
# What `make valgrind` runs, and what there is not what the test says: a second, a delay, a spin, names of processes.
VALGRIND_TESTS := along_delays along_order along_redirects along_subrequests along_transport along_upstream along_variables module_actions module_api \
	module_api_decisions module_api_metrics module_api_refusals module_guard module_guards module_keys module_kill module_model module_samples module_shadow \
	module_state module_trust module_verdicts module_zone
VALGRIND_FILTER := not (test(a_worker_that_hangs) | test(a_delayed_request) | test(so_many_requests) | test(who_has_waited) | test(four_workers_that_accept) | test(a_cache_that_is_filled))

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Replay a real log against nginx with the module and a small shop; ONCE=1 exits after the summary
	@contrib/demo/run.sh

.PHONY: loop
loop: ## A crawler in disguise passes, is labelled, learnt, shadowed, approved and stopped, in a minute; nothing is left behind
	@contrib/loop/run.sh

.PHONY: test
test: test-tools ## Install what is missing, build, and run every check there is
	contrib/build-module.sh
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory check
	@if [ "$${CI:-}" = true ]; then $(MAKE) --no-print-directory deb-check; fi

.PHONY: build
build: tools ## Build `sekisho` and the nginx module
	contrib/build-module.sh

.PHONY: module
module: build ## The same: ngx_http_sekisho_module.so in target/module and, for tests, target/module-test
	@ls -l target/module/*.so target/module-test/*.so

.PHONY: install uninstall
install: ## Install what `make build` made: PREFIX=/usr/local MODULES=/usr/lib/nginx/modules DESTDIR=
	@PREFIX='$(PREFIX)' MODULES='$(MODULES)' DESTDIR='$(DESTDIR)' contrib/install.sh install
uninstall: ## Remove what `make install` installed; the same variables
	@PREFIX='$(PREFIX)' MODULES='$(MODULES)' DESTDIR='$(DESTDIR)' contrib/install.sh uninstall

.PHONY: deb deb-check
deb: build ## Pack libnginx-mod-http-sekisho and sekisho for the installed nginx into target/deb
	@contrib/deb/build.sh
deb-check: deb ## Install the packages on this machine, serve through them, purge them; needs root
	@contrib/deb/check.sh

.PHONY: newest
newest: test-tools ## Build the newest nginx of the crate nginx-src, and run the module's tests with it
	@contrib/newest.sh

.PHONY: check
check: ## Run the tests on what is built; licences, layers and sources of dependencies are among them
	@if cargo nextest --version >/dev/null 2>&1; \
	then cargo nextest run $(ALL) --no-fail-fast; \
	else cargo test $(ALL) --no-fail-fast; fi

.PHONY: lint
lint: ## Check format and clippy
	cargo fmt --all --check
	cargo clippy $(ALL) --all-targets -- -D warnings

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: deny
deny: ## Check licences, layers and sources of dependencies alone
	cargo test $(ALL) --test dependencies
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; else echo 'cargo-deny is not installed: its own check is left out'; fi

.PHONY: fuzz
fuzz: ## Try every property with many more random cases (CASES=20000), then fuzz for a while (FUZZ_SECONDS=300) if cargo-fuzz is there
	PROPTEST_CASES=$(CASES) cargo test $(ALL) --lib --bins
	@if cargo fuzz --version >/dev/null 2>&1; \
	then for target in $$(cargo fuzz list); do \
		RUSTC_BOOTSTRAP=1 cargo fuzz run "$$target" -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096; done; \
	else echo 'cargo-fuzz is not installed: see fuzz/README.md'; fi

.PHONY: model
model: build ## Make models/default.onnx and its card from the logs in models/data; the same bytes every time
	$(SEKISHO) train $(DATA)/airis.log.gz $(DATA)/srhegde.log.gz $(DATA)/semicomplete.log.gz \
		--automated $(DATA)/hackers.log.gz --whole --out models/default.onnx
	contrib/build-module.sh

.PHONY: evaluate
evaluate: build ## Make the figures of models/README.md anew; without the logs of OTHER_DATA, print those of the project's logs alone
	$(SEKISHO) evaluate $(DATA)/airis.log.gz $(DATA)/srhegde.log.gz $(DATA)/semicomplete.log.gz \
		--automated $(DATA)/hackers.log.gz \
		$(addprefix --extra ,$(wildcard $(OTHER_DATA)/talemul.log.gz)) \
		$(addprefix --unseen ,$(sort $(wildcard $(OTHER_DATA)/eval-only/*.log.gz))) \
		$(if $(wildcard $(OTHER_DATA)/talemul.log.gz),--into models/README.md)

.PHONY: bench
bench: bench-tools ## Measure: nanoseconds a step, instructions a request, lines a second beside GoAccess
	contrib/build-module.sh
	contrib/bench/run.sh target/bench/report.md

.PHONY: dashboard-bench
dashboard-bench: test-tools ## Pages over 10 million samples of 200,000 clients: time, weight, memory, paint; takes some minutes and 6 GB below target/
	mkdir -p target/dashboard-bench
	@if [ ! -d tests/browser/node_modules ]; then cd tests/browser && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; fi
	DASHBOARD_BENCH_SAMPLES=$${SAMPLES:-10000000} DASHBOARD_BENCH_DIR=$(CURDIR)/target/dashboard-bench \
		cargo test $(ALL) --test pages -- --nocapture
	@echo target/dashboard-bench/report.md

.PHONY: soak
soak: build test-tools ## Reload, upgrade, kill, flood and fill the disk under load, beside an nginx without the module; see SOAK_ in CONTRIBUTING.md
	cargo test $(ALL) --test soak --no-run
	SOAK_RELOADS=$${SOAK_RELOADS:-1000} SOAK_UPGRADES=$${SOAK_UPGRADES:-20} SOAK_KILLS=$${SOAK_KILLS:-1000} \
	SOAK_RANDOM_KILLS=$${SOAK_RANDOM_KILLS:-1000} SOAK_SWAPS=$${SOAK_SWAPS:-100} SOAK_JUMPS=$${SOAK_JUMPS:-10000} \
	SOAK_ZONE_KB=$${SOAK_ZONE_KB:-1024} SOAK_GROWTH=$${SOAK_GROWTH:-1} \
	SOAK_LIVE_MODELS=$${SOAK_LIVE_MODELS:-1} cargo test $(ALL) --test soak -- --nocapture
	@echo target/soak/report.md

.PHONY: valgrind
valgrind: build bench-tools test-tools ## Run the module's tests under valgrind's memcheck, but for those that measure time
	VALGRIND_OPTS=--keep-debuginfo=yes SEKISHO_TEST_VALGRIND=1 cargo nextest run $(ALL) --no-fail-fast --no-tests fail $(VALGRIND_TESTS:%=--test %) -E '$(VALGRIND_FILTER)'

.PHONY: explain-bench
explain-bench: build test-tools ## Ask language models about simulated clients: how many of their claims are true; EXPLAIN_BENCH clients, EXPLAIN_BENCH_TARGETS a file with [[llm.targets]] instead of the small local one
	EXPLAIN_BENCH=$${EXPLAIN_BENCH:-12} cargo nextest run $(ALL) --no-capture -E 'test(a_real_model_is_asked)'

.PHONY: nginx-tests
nginx-tests: build ## Run nginx's own tests without the module and with it, and compare: NGINX_TESTS=DIR, a checkout of nginx-tests
	contrib/nginx-tests.sh $(NGINX_TESTS)

.PHONY: clean-demo
clean-demo: ## Remove what `make run` wrote
	rm -rf target/demo

.PHONY: tools test-tools bench-tools
tools:
	@contrib/install-tools.sh build
test-tools:
	@contrib/install-tools.sh build test
bench-tools:
	@contrib/install-tools.sh build bench
