# Every target works on a fresh clone: it installs and builds what it needs first. Bare `make` prints this help.
.DEFAULT_GOAL := help
.PHONY: help run test test-nodes static check bundle demo bench bench-long clean build

INSTALLED := node_modules/.package-lock.json
REMIT := node dist/src/cli/main.js

help: ## print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(INSTALLED): package.json package-lock.json
	npm ci --no-audit --no-fund

build: $(INSTALLED)
	@npm run --silent build
	@chmod +x dist/src/cli/main.js

run: build ## start the service on the shipped bundle and print requests to paste (needs Node only)
	@node dist/dev/run.js

test: build ## run every test; builds the pinned OPA compiler once (needs Go)
	@$(REMIT) test rego/policies/customer_support rego/policies/retail
	@npx mocha

test-nodes: build ## run the tests on Node 22 and 24 too (npm brings them, into its own cache)
	@.ci/test-nodes

static: build ## check format, types, lint and Rego
	@npx prettier --check --log-level warn .
	@npx eslint .
	@node dist/scripts/check-rego.js

check: static test ## everything that must pass before a commit

bundle: build ## build the shipped policy sets into bundles/, signed with a local key outside the tree
	@node dist/scripts/bundle.js

demo: build ## tell a day at a support desk, decided by the real service, and check that it comes out as told
	@node dist/demo/main.js

bench: build ## compare with OPA and Cerbos on good policies of their own, and judge the speed; 12 minutes, or two with BENCH=--quick
	@node dist/bench/main.js $(BENCH)

bench-long: build ## millions of inputs, requests and races, faults, kills, slow clients, overload, scale, memory; 2 hours, or BENCH="--only overload,slow"
	@node dist/bench/long.js $(BENCH)

clean: ## remove what builds and tests leave behind
	rm -rf dist coverage .work
