# Everything a person or CI runs. Each target first installs what is missing (see `tools`).
CARGO ?= cargo
BIN := $(CURDIR)/target/release

# Debian's packages for the commands the targets use; asked for only where a command is missing.
PKG_cc := gcc libc6-dev
PKG_python3 := python3
PKG_node := nodejs
PKG_wrk := wrk
PKG_nginx := nginx-light
PKG_haproxy := haproxy

.PHONY: demo build test check fmt examples bench tools bench-tools

## demo: build, then show everything with one server and three sidecars on loopback
demo: build
	GATELESS_BIN=$(BIN)/gateless python3 deploy/demo/demo.py

## build: the binary and the Rust example, optimized
build: tools
	$(CARGO) build --release -p gateless -p gateless-example-checksum

## test: formatting, lints, unit, simulation, end-to-end and doc tests, the examples
test: check
	$(CARGO) build --workspace
	$(CARGO) test --workspace
	$(MAKE) examples

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

## bench: measure against the same backend direct, a bare proxy, nginx and haproxy
bench: build bench-tools
	$(CARGO) build --release -p gateless-benches
	python3 benches/run.py

tools:
	@$(call need,cc python3 node)
	@command -v $(CARGO) >/dev/null || { echo 'no cargo: install Rust with rustup, https://rustup.rs' >&2; exit 1; }

# Without them bench leaves their columns out, so a failure to install is no failure.
bench-tools:
	@$(call need,wrk nginx haproxy) || echo 'bench goes on without those' >&2

# Installs the packages of the commands in $(1) that are not there, with sudo unless root.
define need
set -e; missing=""; \
$(foreach c,$(1),command -v $(c) >/dev/null || PATH="$$PATH:/usr/sbin" command -v $(c) >/dev/null || missing="$$missing $(PKG_$(c))";) \
if [ -n "$$missing" ]; then \
  echo "installing$$missing" >&2; \
  sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
  $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing >&2; \
fi
endef
