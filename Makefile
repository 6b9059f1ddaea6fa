# Every target works on a fresh clone: it installs and builds what it needs first. Bare `make` prints this help.
.DEFAULT_GOAL := help
.PHONY: help run cluster changed test test-all watch test-nodes compiler static static-format static-lint static-wording static-rego static-built ci check mutants bundle demo bench bench-long clients compat site clean build

INSTALLED := node_modules/.package-lock.json
REMIT := node dist/src/cli/main.js
SETS := rego/policies/customer_support rego/policies/retail
# A choice of tests reaches the runner by the environment, so that a title may have quotes.
export F ROOM G
CHOSEN := $(F)$(ROOM)$(G)
CHOICE := $(if $(F),--file "$$F") $(if $(ROOM),--room "$$ROOM") $(if $(G),--title "$$G")

help: ## print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(INSTALLED): package.json package-lock.json
	npm ci --no-audit --no-fund

build: $(INSTALLED)
	@npm run --silent build
	@chmod +x dist/src/cli/main.js

run: build ## start the service on the shipped bundle and print requests to paste (needs Node only)
	@node dist/demo/run.js

cluster: build ## start three services that are one cluster on three NATS servers, and print requests to paste; needs Go once
	@node dist/demo/cluster.js

# What a choice of tests needs: types are checked by every other build.
changed: $(INSTALLED)
	@if [ -e dist/scripts/transpile.js ]; then node dist/scripts/transpile.js; else npm run --silent build; fi

test: $(if $(CHOSEN),changed,build) ## run the fast tests; of one file, room or title with F=decision/scan, ROOM=decision, G="one turn"
	@$(if $(CHOSEN),,$(REMIT) test $(SETS))
	@node dist/scripts/test.js $(CHOICE)

ALL_TESTS = $(REMIT) test $(SETS) && node dist/scripts/test.js --all --coverage $(if $(RAISE),--raise)

test-all: build ## run the fast tests and the long ones, and fail if a room's coverage has fallen (RAISE=1 writes it down); needs Go
	@$(ALL_TESTS)

watch: $(INSTALLED) ## build what changes and run the fast tests again, or those of F, ROOM and G
	@[ -e dist/scripts/test.js ] || npm run --silent build
	@node dist/scripts/test.js --watch $(CHOICE)

test-nodes: build ## run the fast tests on Node 22 and 24 too (npm brings them, into its own cache)
	@.ci/test-nodes

static: build ## check format, types, lint, wording and Rego
	@$(MAKE) --no-print-directory --jobs 3 static-format static-lint static-wording static-rego

static-format:
	@npx prettier --check --log-level warn .

static-lint:
	@npx eslint .

static-wording:
	@node dist/scripts/wording.js

static-rego:
	@node dist/scripts/check-rego.js

static-built: build
	@$(MAKE) --no-print-directory static-wording static-rego

# Format and lint read the sources alone, and need not wait for a build, which takes one core.
ci: $(INSTALLED) ## what CI runs: static and test-all, built once
	@$(MAKE) --no-print-directory --jobs 3 static-format static-lint static-built
	@$(ALL_TESTS)

check: static test ## what must pass before a commit: static and test

mutants: build ## change each line of a room's sources and see that a fast test notices; half an hour for ROOM=decision, or FILES="{floor,gather}" of it
	@npm ci --prefix tools/mutants --ignore-scripts --no-audit --no-fund --silent
	@FILES="$(if $(FILES),$(FILES),*)" TESTS="$(if $(TESTS),$(TESTS),**/*)" ROOM="$(if $(ROOM),$(ROOM),decision)" node tools/mutants/node_modules/@stryker-mutator/core/bin/stryker.js run tools/mutants/stryker.config.js

compiler: build ## build OPA as WebAssembly into compiler/, or with CHECK=1 compare its bytes with those there; needs Go
	@node dist/scripts/compiler.js $(if $(CHECK),--check)

bundle: build ## build the shipped policy sets into bundles/, signed with a local key outside the tree
	@node dist/scripts/bundle.js

demo: build ## tell a day at a support desk, decided by the real service, and check that it comes out as told
	@node dist/demo/main.js

bench: build ## compare with OPA and Cerbos on good policies of their own, and judge the speed; 12 minutes, or two with BENCH=--quick
	@node dist/bench/main.js $(BENCH)

bench-long: build ## millions of inputs, requests and races, faults, kills, slow clients, overload, scale, memory; 2 hours, or BENCH="--only overload,slow"
	@node dist/bench/long.js $(BENCH)

clients: build ## generate clients by five generators and have each ask a running service; needs Go, Java and Python, and a minute or two
	@node dist/bench/clients.js $(CLIENTS)

compat: build ## try Remit with the clients, servers and receivers that people already run; needs Python, Go, Java, and ten minutes, or COMPAT="--only kafka"
	@node dist/bench/compat.js $(COMPAT)

site: build ## build docs/ as static pages with a search and a playground, into dist/site; its packages are its own
	@cd tools/site && npm ci --no-audit --no-fund --silent && npx vitepress build .
	@node dist/scripts/playground.js dist/site/try

clean: ## remove what builds and tests leave behind
	rm -rf dist coverage .work tools/site/node_modules
