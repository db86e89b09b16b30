# Every command a person needs; `make help` lists them.

.DEFAULT_GOAL := help
.PHONY: help run test dashboard demo bench bench-turns bench-accept load observe deny fuzz check-providers

RELEASE := $(or $(CARGO_TARGET_DIR),target)/release
# espeak-ng is the offline engine's voice; the C compiler builds SQLite and ring, and CMake with it libopus.
NEEDED := cc:build-essential cmake:cmake espeak-ng:espeak-ng

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## install what is missing, build, start the server and answer calls
	@scripts/packages.sh $(NEEDED)
	@scripts/dashboard.sh
	cargo build --locked --release --bin offhook
	$(RELEASE)/offhook serve

test: ## install what the tests need and run all of them
	@scripts/test.sh

dashboard: ## build the web page and check it: types, lint, tests
	@scripts/dashboard.sh --check

demo: ## one virtual caller talks with the server over SIP; prints the conversation and its latency
	@scripts/packages.sh $(NEEDED)
	cargo build --locked --release --workspace --bins
	$(RELEASE)/offhook demo

bench: ## measure the parts against their budgets
	@scripts/packages.sh $(NEEDED) flite:flite
	cargo run --locked --release -p benches
	cargo run --locked --release -p benches -- turns

bench-turns: ## measure turn-taking against known truth, and draw docs/plots/turns-delay-by-cut-offs.svg
	@scripts/packages.sh $(NEEDED) flite:flite
	cargo run --locked --release -p benches -- turns

# Built as the tests build it, or the counts would be of something else.
bench-accept: ## make the instructions that the parts take now those that the tests hold them to
	@scripts/packages.sh $(NEEDED) valgrind:valgrind
	CARGO_INCREMENTAL=0 cargo build --locked --workspace --all-targets
	$(dir $(RELEASE))debug/benches accept

load: ## the headline figures in two minutes; or a load of your own, e.g. make load ARGS="sip --calls 100 --rate 10 --hold 20"
	@scripts/packages.sh $(NEEDED)
	cargo build --locked --release --workspace --bins
	$(if $(ARGS),$(RELEASE)/offhook-load $(ARGS),BIN=$(RELEASE) load-tests/measure.sh headline)

observe: ## a Prometheus that reads the running server and knows its alerts, on 127.0.0.1:9090 until Ctrl-C
	@scripts/observe.sh

check-providers: ## one short live turn with each AI provider whose key is in the environment; says which it skipped
	cargo build --locked --release --bin offhook
	$(RELEASE)/offhook providers check

fuzz: ## fuzz each target for FUZZ_SECONDS (30 unless told); installs a nightly compiler and cargo-fuzz once
	@scripts/packages.sh $(NEEDED)
	scripts/fuzz.sh

deny: ## check licences and sources of the dependencies; installs cargo-deny once
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny check bans licenses sources
