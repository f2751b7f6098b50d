# The map of this repository: `make help`. CI runs the same targets.

SHELL      := /bin/bash
GO         ?= go
MODULE     := github.com/weirmq/weir
SEED       ?= 1
SEEDS      ?= 1..200
FUZZTIME   ?= 50000x
EVIDENCE   ?= bin/evidence
STARTS     ?= 5
TRIES      ?= 400
JEPSEN_TIME ?= 5m

VERSITYGW    := v1.8.0
KAFKA_PYTHON := 3.0.12

# The race detector sees nothing in the simulator, where one coroutine runs at a
# time, and the root tests only read source: both run under `make test`.
RACE_PKGS = $(shell $(GO) list ./... | grep -vE '^$(MODULE)($$|/sim|/bench)')

# Every package with tests behind the build tag; clients is a module of its own.
INTEGRATION_PKGS = $(shell grep -rl --include='*_test.go' --exclude-dir=clients '^//go:build integration' . | \
	xargs -n1 dirname | sort -u)

.DEFAULT_GOAL := help
.PHONY: help build test race sim sweep clusters mutants evidence report fuzz bench real jepsen integration clients lint vet generate clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

# Stamped with the commit whatever GOFLAGS say: reports name it.
build: ## build bin/weir
	$(GO) build -buildvcs=auto -o bin/weir ./cmd/weir

test: ## every test of this module, the rules of the repository included
	$(GO) test ./...

race: ## the packages that use real threads, under the race detector
	$(GO) test -race $(RACE_PKGS)

sim: ## replay one seed: make sim SEED=7
	$(GO) run ./cmd/weir sim run --seed $(SEED)

sweep: ## many seeds, each twice in two processes: make sweep SEEDS=1..200
	$(GO) run ./cmd/weir sim sweep --seeds $(SEEDS)

clusters: ## worlds of several nodes, each seed twice: make clusters SEEDS=1..40
	$(GO) run ./cmd/weir sim sweep --cluster --seeds $(SEEDS)

bin/weir-mutants: FORCE # planted bugs are compiled in by this tag alone
	$(GO) build -buildvcs=auto -tags mutants -o $@ ./cmd/weir

FORCE:

mutants: bin/weir-mutants ## find every planted bug: one first seed, at most 50 seeds each
	bin/weir-mutants sim mutants --jobs 2 --starts 1 --most 50 --out bin/mutants
	$(GO) test -tags mutants -count=1 -run TestKeptPlansPass ./sim/run
	$(GO) test -tags mutants -count=1 -run TestEachPlantedBugIsFound ./wal/objectwal
	$(GO) test -tags mutants -count=1 -run TestEachCoveredBugIsFound ./wal ./broker

evidence: SEEDS = 1..1000
evidence: CLUSTERS = 1..300
evidence: FUZZTIME = 60s
evidence: build bin/weir-mutants ## what the report tells, and the report: about 50 min (a try: SEEDS=1..40 CLUSTERS=1..20 STARTS=2 TRIES=50 FUZZTIME=5s)
	@GO="$(GO)" EVIDENCE="$(EVIDENCE)" SEEDS="$(SEEDS)" CLUSTERS="$(CLUSTERS)" STARTS="$(STARTS)" TRIES="$(TRIES)" FUZZTIME="$(FUZZTIME)" .ci/evidence

report: build ## the correctness report from what make evidence has left
	bin/weir sim report --from $(EVIDENCE) --out $(EVIDENCE)

fuzz: ## every fuzz target for FUZZTIME, two at a time with one worker each
	@set -euo pipefail; $(if $(FUZZJSON),rm -f $(FUZZJSON) $(FUZZJSON).*;) \
	for pkg in $$($(GO) list ./...); do \
		$(GO) test -list '^Fuzz' $$pkg | awk -v pkg=$$pkg '/^Fuzz/ { print pkg, $$1 }' || exit 1; \
	done | GO="$(GO)" xargs -L1 -P2 bash -c \
		'.ci/fuzz-one $$0 $$1 $(FUZZTIME) $(if $(FUZZJSON),$(FUZZJSON).$$1.$$$$)' || failed=yes; \
	$(if $(FUZZJSON),cat $(FUZZJSON).* >$(FUZZJSON); rm $(FUZZJSON).*;) \
	test -z "$${failed:-}"

bench: ## throughput and latency beside bench/bare and the disk's own limit
	$(GO) run ./bench

real: bin/versitygw ## faults on real processes, counted for the report (needs root and strace)
	PATH="$(CURDIR)/bin:$$PATH" WEIR_REAL_JSON="$(abspath $(EVIDENCE))/real.json" \
		$(GO) test -tags integration -count=1 -timeout 20m ./crashtest

jepsen: bin/versitygw ## a cluster of real processes under clients and faults: make jepsen JEPSEN_TIME=1h
	PATH="$(CURDIR)/bin:$$PATH" $(GO) test -tags integration -count=1 -timeout 0 -v ./jepsen -run TestCluster \
		-time $(JEPSEN_TIME) -out "$(abspath $(EVIDENCE))/jepsen" -evidence "$(abspath $(EVIDENCE))"

integration: clients bin/versitygw ## real clients, servers and faults against the real process (needs kcat, strace, cgo, Java)
	PATH="$(CURDIR)/bin:$$PATH" WEIR_REAL_JSON="$(abspath $(EVIDENCE))/real.json" $(GO) test -tags integration -count=1 -p 1 -timeout 20m $(INTEGRATION_PKGS)

clients: bin/python/kafka bin/java/pom.xml ## every client library against the real process
	cd clients && PYTHONPATH="$(CURDIR)/bin/python" WEIR_JAVA_CLIENT="$(CURDIR)/bin/java" \
		$(GO) test -tags integration -count=1 -parallel 6 -timeout 10m ./...

# The S3 server, the Python client and the Java client that the integration tests use.
bin/versitygw:
	GOBIN="$(CURDIR)/bin" $(GO) install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW)

bin/python/kafka:
	python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
		--target bin/python 'kafka-python[snappy,lz4,zstd]==$(KAFKA_PYTHON)'

bin/java/pom.xml: clients/testdata/java/pom.xml
	mvn -q -B -f $< dependency:copy-dependencies -DoutputDirectory="$(CURDIR)/bin/java"
	cp $< $@

lint: vet ## formatting, vet and the rules of the repository
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on the files above"; exit 1; }
	$(GO) vet -tags integration ./...
	cd clients && $(GO) vet -tags integration ./...
	$(GO) test -count=1 .

vet: ## go vet
	$(GO) vet ./...

generate: ## generated code again from its source (needs protoc)
	$(GO) generate ./...

clean: ## what building left behind
	rm -rf bin
