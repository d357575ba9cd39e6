# Two commands do everything: `make demo` runs the main job, `make test` passes the tests. The rest are parts of them, and
# the long runs. All but build and check need root; as anybody else they go through sudo.

SHELL := /bin/bash
GO ?= go
FILE ?= $(shell $(GO) env GOROOT)/bin/go
FUZZTIME ?= 30s
# Where the differential test begins: the same calls each time in `make test`, others with every `make soak`.
SEED ?= 20261123
AS_ROOT := $(if $(filter 0,$(shell id -u)),env,sudo env "PATH=$(PATH)" "HOME=$(HOME)" "GOPATH=$(shell $(GO) env GOPATH)")
UNIT := ./cmd/... ./fs/... ./mmapcore/... ./objects/... ./semfs/...
# What has crash points, which are there under a build tag only.
CRASHING := ./objects ./fs
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
# Another database of vulnerabilities than the usual one: a URL, or file:///DIRECTORY.
VULNDB ?=

.PHONY: build demo test check unit integration bench soak systemd fuzz needs clean

build: ## bin/shmfs, static
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -o bin/shmfs ./cmd/shmfs

bin/shmfs-race: FORCE
	CGO_ENABLED=1 $(GO) build -race -o $@ ./cmd/shmfs

demo: build ## the client-server file copy over shared memory, pipe, FIFO, message queue and socket
	$(GO) build -o bin/demo ./test/integration/demo
	$(AS_ROOT) bin/demo -file "$(FILE)"

test: needs check unit integration ## everything CI runs

check: ## formatting, vet (also for arm64), staticcheck, known vulnerabilities, and that no test can skip
	@unformatted=$$(gofmt -l cmd fs mmapcore objects semfs test); test -z "$$unformatted" || { echo "not gofmt'ed: $$unformatted"; exit 1; }
	$(GO) mod verify >/dev/null
	$(GO) vet ./...
	$(GO) vet -tags crashpoints ./...
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 $(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) run $(STATICCHECK) -tags crashpoints ./...
	@said=$$(timeout 600 $(GO) run $(VULNCHECK) $(if $(VULNDB),-db $(VULNDB)) ./... 2>&1) && echo "govulncheck: no known vulnerabilities" || { test $$? != 124 || said="fetching vulnerabilities: no answer"; echo "$$said"; \
	  case "$$said" in *"exit status 3"*) exit 1;; *"fetching vulnerabilities"*) printf '%s\n' '****' '**** WARNING: the database of vulnerabilities cannot be reached.' '**** Whether this code has known vulnerabilities was NOT checked.' '****';; *) exit 1;; esac; }
	@! grep -rnE '\.(Skip|SkipNow|Skipf)\(' --include=*_test.go . || { echo 'a test that skips proves nothing'; exit 1; }

unit: ## unit tests under the race detector, and those that stop at crash points
	$(AS_ROOT) $(GO) test -race -json $(UNIT) ./test/integration/layout ./test/integration/verdict | $(GO) run ./test/integration/verdict
	$(AS_ROOT) $(GO) test -race -tags crashpoints -run '^TestCrash' -json $(CRASHING) | $(GO) run ./test/integration/verdict

# The daemon under test has the race detector too, except where time is measured or a static binary is the subject. Two packages run at
# a time, in the order given: the longest first. Each has a mount namespace of its own (rig.RunPrivately). Those in ALONE measure time, or
# count calls, whose number depends on who has a processor when; bench mounts beside the machine's own /dev/shm, which it compares with.
RACED := ./test/integration/semaphores ./test/integration/inspection ./test/integration/conformance ./test/integration/differential ./test/integration/quota ./test/integration/greed ./test/integration/clients
PLAIN := ./test/integration/programs ./test/integration/lifecycle ./test/integration/security ./test/integration/top ./test/integration/semcli ./test/integration/inspectcli
ALONE := ./test/integration/inspectcost ./test/integration/faults ./test/integration/demo ./test/integration/bench
# What is measured in MEASURED is measured with the plain daemon as well.
MEASURED := TestCrowd|TestHoldersAreKilled|TestWaitingTakesNoTime|TestOthersAreFastBesideOneWhoIsRefused|TestOthersPassRequestsThatWait
WITH_RACED := $(AS_ROOT) GORACE=atexit_sleep_ms=0 SHMFS_DIFFERENTIAL_SEED=$(SEED) SHMFS_BINARY=$(CURDIR)/bin/shmfs-race $(GO) test -json -count=1 -timeout 30m
WITH_PLAIN := $(AS_ROOT) SHMFS_BINARY=$(CURDIR)/bin/shmfs $(GO) test -json -count=1 -timeout 30m
integration: build bin/shmfs-race ## integration tests on real mounts
	$(WITH_RACED) -p 2 $(RACED) | $(GO) run ./test/integration/verdict
	$(WITH_PLAIN) -p 2 $(PLAIN) | $(GO) run ./test/integration/verdict
	$(WITH_PLAIN) -p 1 $(ALONE) | $(GO) run ./test/integration/verdict
	$(WITH_PLAIN) -p 1 -run '^($(MEASURED))$$' ./test/integration/semaphores ./test/integration/greed | $(GO) run ./test/integration/verdict

bench: build ## ratios against tmpfs, measured side by side
	$(GO) build -o bin/bench ./test/integration/bench
	$(AS_ROOT) bin/bench

systemd: needs build ## the service unit under systemd itself, in a container: needs control groups and namespaces of its own, so it is not part of test
	$(AS_ROOT) SHMFS_BINARY=$(CURDIR)/bin/shmfs $(GO) test -count=1 -timeout 30m -v ./test/integration/systemd

soak: build bin/shmfs-race systemd ## what CI runs short, long: the differential test; semaphores, inspection and faults against their bars
	$(AS_ROOT) GORACE=atexit_sleep_ms=0 SHMFS_BINARY=$(CURDIR)/bin/shmfs-race SHMFS_DIFFERENTIAL_OPERATIONS=500000 $(GO) test -count=1 -timeout 3h -v -run TestSameAsTmpfs ./test/integration/differential
	$(AS_ROOT) SHMFS_STRICT=1 SHMFS_BINARY=$(CURDIR)/bin/shmfs $(GO) test -count=1 -p 1 -timeout 3h -v ./test/integration/semaphores ./test/integration/inspectcost ./test/integration/greed
	$(AS_ROOT) SHMFS_FAULTS_STRICT=1 SHMFS_BINARY=$(CURDIR)/bin/shmfs $(GO) test -count=1 -timeout 3h -v ./test/integration/faults
	$(AS_ROOT) SHMFS_STRICT=1 $(GO) test -race -count=1 -timeout 1h ./fs/journal

fuzz: ## every fuzz target for FUZZTIME
	@set -e; for package in $$($(GO) list $(UNIT)); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "$$package $$target"; $(AS_ROOT) $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package; done; done

needs: ## installs with apt what the tests run and the machine lacks
	@missing=$$(while read -r program package; do [ -z "$$program" ] || command -v "$$program" >/dev/null || [ -e "$$program" ] || echo "$$package"; done < test/integration/packages.txt | sort -u); \
	  test -z "$$missing" || { echo "installing" $$missing; $(AS_ROOT) apt-get update -qq && $(AS_ROOT) DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; }

clean:
	rm -rf bin

FORCE:
