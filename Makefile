# borgcron. The two that a fresh Debian machine with Go needs: `make demo` and `make test`.
# Everything here can be run again at any time, as root or as a user.

VERSION ?= 0.1.0-dev
GO      ?= go
LDFLAGS  = -s -w -X borgcron/internal/cli.Version=$(VERSION)

.PHONY: help
help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.PHONY: build
build: ## the static binary ./borgcron
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o borgcron ./cmd/borgcron

.PHONY: demo
demo: build ## a real backup of a real folder, made by the real borg, and the status after it
	@scripts/demo

.PHONY: setup
setup: ## get what the tests need: borg, sshd, a second borg in .tools
	@scripts/setup

.PHONY: test
test: setup ## all tests, with the race detector, against every borg found
	@scripts/run-tests

.PHONY: prove
prove: setup ## all tests, the long series whole
	@BORGCRON_PROVE=1 scripts/run-tests

.PHONY: lint
lint: ## formatting, vet, linters, generated files, the size of the binary
	@scripts/lint

.PHONY: bench
bench: build setup ## the benchmarks; results go to docs/benchmarks.md, raw figures beside it
	@bench/run

.PHONY: chaos
chaos: setup ## faults at random moments, with the real borg: SEED=n ROUNDS=n; rounds are kept in docs/reliability
	@SEED='$(SEED)' ROUNDS='$(ROUNDS)' chaos/run

.PHONY: packages
packages: ## .deb and .rpm for amd64, arm64 and armv7 in dist, bit for bit the same from the same source
	@VERSION='$(VERSION)' GO='$(GO)' packaging/build

.PHONY: generate
generate: ## the JSON Schema, the reference pages and the manual pages, from the Go types and the commands' help
	$(GO) generate ./...

.PHONY: clean
clean: ## remove what was built here
	rm -rf borgcron demo dist .tools
