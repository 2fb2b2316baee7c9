# The only entry points: run, test, check, conformance, bench, drill, demo-night, lock.
# The first run fetches what the lock files name, checked against their hashes; after that no network is needed.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run web test check collected format conformance bench drill demo-night lock clean

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Hundreds of processes start from the same sources: those are compiled once, whatever is usual around here.
export PYTHONDONTWRITEBYTECODE :=

PYTHON ?=
PORT ?= 8008
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --require-virtualenv
JS := tests/clients/js
WEB_FILES := $(shell find web/src web/public web/index.html web/vite.config.ts web/tsconfig.json web/src/worker/tsconfig.json -type f 2>/dev/null)

help:
	@echo "make run     start Bongsu with demo data on http://127.0.0.1:$(PORT)  (PORT=8009, ARGS=\"--log-level debug\")"
	@echo "make test    everything that must hold: check, then all tests  (ARGS=\"tests/unit -k sync\")"
	@echo "make check   style and types"
	@echo "make conformance   docs/conformance.md again, from what the tests see; needs the Matrix specification's files"
	@echo "make bench   measurements"
	@echo "make drill   three sites under load and a hundred faults, with a report; over an hour (ARGS=\"--faults 5 --messages 0\")"
	@echo "make demo-night   forty hospitals' bed board through a night in which a data centre burns, to watch (ARGS=\"--minutes 5\")"
	@echo "make lock    the lock files again, from pyproject.toml"

run: .venv/.run
	@$(MAKE) --no-print-directory web || echo "The web client could not be built; the server starts without it" >&2
	@exec $(BIN)/bongsu serve --data data --port $(PORT) --demo $(ARGS)

# Tests of three sites and three hosts run one after another: first those that put up a laboratory of their own, then
# those that share one, which stays up until the end.
WITH_SITES := $(addprefix tests/,sites/test_without_root.py deploy/test_three_hosts.py sites/test_wires_and_disks.py \
	sites/test_status_lab.py sites/test_lapsed_lease.py sites/test_lab.py sites/test_page.py sites/test_drain.py \
	sites/test_down.py sites/test_drill.py sites/test_web_lab.py sites/test_services_in_a_fire.py)

PYTEST := $(BIN)/python -m pytest
TESTED := $(JS)/node_modules/.package-lock.json web
BESIDE := $(MAKE) --no-print-directory --jobs 2 --output-sync

# Those wait for leases and elections most of the time and take longest, so they begin first, and all else is done beside
# them and gives way to them: style and types, then the other tests; twice as many at once as the machine has cores when
# it has two, for they wait, too: for pages, restarts and each other.
ifeq ($(ARGS),)
test:
	@$(BESIDE) --silent .venv/.test $(TESTED)
	@mkdir -p build
	@echo "Tests that need three sites run at the same time; what they say comes at the end"
	@others=0; with_sites=0; \
	$(PYTEST) -o cache_dir=.pytest_cache/sites $(WITH_SITES) > build/sites.log 2>&1 & sites=$$!; \
	give_up() { kill $$sites 2>/dev/null; }; trap give_up INT TERM; \
	nice -n 10 $(BESIDE) check collected || { give_up; exit 1; }; \
	nice -n 10 $(PYTEST) -n 4 --dist loadgroup $(addprefix --ignore=,$(WITH_SITES)) || others=$$?; \
	wait $$sites || with_sites=$$?; cat build/sites.log; exit $$((others | with_sites))
else
test: check $(TESTED)
	$(PYTEST) -n 2 --dist loadgroup $(ARGS)
endif

check: .venv/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Tests are compiled here once, for all processes that run some; what is wrong with them, those will say.
collected: .venv/.test
	@$(PYTEST) --collect-only -qq > /dev/null || true

format: .venv/.test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

conformance: .venv/.test $(JS)/node_modules/.package-lock.json
	$(BIN)/python -m tests.conformance $(ARGS)

bench: .venv/.test
	$(BIN)/python -m bench $(ARGS)

# A lab of its own beside the data of others; it goes down whatever the drill ends with.
drill: .venv/.run
	@lab=$$(mktemp -d /tmp/bongsu-drill-XXXXXX); chmod 755 $$lab; \
	trap "$(BIN)/bongsu lab down --wipe --dir $$lab; rm -rf $$lab" EXIT; \
	$(BIN)/bongsu lab up --detach --dir $$lab; \
	$(BIN)/bongsu drill --dir $$lab --faults 100 --messages 1000000 --rate 1000 --writers 300 --rooms 24 $(ARGS) \
	|| { broken=$$?; mkdir -p build/drill; (cd $$lab; cp -r --parents */logs "$(CURDIR)/build/drill"); \
	  echo "What the sites' programs logged: build/drill" >&2; exit $$broken; }

demo-night: .venv/.run
	@$(MAKE) --no-print-directory web || echo "The web client could not be built; the night is seen here alone" >&2
	@lab=$$(mktemp -d /tmp/bongsu-night-XXXXXX); chmod 755 $$lab; \
	trap "$(BIN)/bongsu lab down --wipe --dir $$lab; rm -rf $$lab" EXIT; \
	$(BIN)/bongsu lab up --detach --dir $$lab; \
	$(BIN)/bongsu night --dir $$lab $(ARGS)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build $(JS)/node_modules web/node_modules src/bongsu/web/dist

# --- installing: a stamp inside .venv says what is there ---

.venv/.python:
	@python="$(PYTHON)"; \
	for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	  [ -n "$$python" ] && break; \
	  "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && python="$$name" || true; \
	done; \
	[ -n "$$python" ] || { echo "Bongsu needs Python 3.11 or newer. Name one: make run PYTHON=/path/to/python3.12" >&2; exit 1; }; \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Bongsu needs Python 3.11 or newer; $$python is $$("$$python" --version)" >&2; exit 1; }; \
	"$$python" -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "$$python has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; \
	echo "Making .venv with $$("$$python" --version)"; \
	"$$python" -m venv .venv
	@touch $@

.venv/.run: .venv/.python requirements-build.lock requirements.lock pyproject.toml
	@echo "Installing what Bongsu needs (once)"
	@$(PIP) --quiet --require-hashes --only-binary :all: -r requirements-build.lock
	@# three packages have no wheel (two that Patroni needs, one of Web Push); they are plain Python and their sources have hashes, too
	@$(PIP) --require-hashes --only-binary :all: --no-binary http-ece,python-etcd,ydiff --no-build-isolation -r requirements.lock
	@$(PIP) --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.test: .venv/.run requirements-dev.lock
	@echo "Installing what the tests need (once)"
	@# atomicwrites, which matrix-nio's encryption wants, has no wheel; it is plain Python and its source has a hash, too
	@$(PIP) --require-hashes --only-binary :all: --no-binary http-ece,python-etcd,ydiff,atomicwrites --no-build-isolation -r requirements-dev.lock
	@touch $@

$(JS)/node_modules/.package-lock.json: $(wildcard $(JS)/package-lock.json)
	@if [ ! -f $(JS)/package-lock.json ]; then :; \
	elif ! command -v npm >/dev/null; then echo "npm is missing: the tests with JavaScript clients are left out" >&2; \
	else cd $(JS) && npm ci --no-audit --no-fund --ignore-scripts && touch node_modules/.package-lock.json; fi

# --- the web client: its libraries once, then built when a file of it has changed ---

web:
	@if ! command -v npm >/dev/null || ! node -e 'process.exit(Number(process.versions.node.split(".")[0] < 20))'; then \
	  echo "Node 20 or newer with npm is missing: the web client is left out" >&2; \
	else $(MAKE) --silent src/bongsu/web/dist/index.html; fi

web/node_modules/.package-lock.json: web/package-lock.json
	@echo "Installing what the web client needs (once)"
	@cd web && npm ci --no-audit --no-fund --ignore-scripts && touch node_modules/.package-lock.json

src/bongsu/web/dist/index.html: web/node_modules/.package-lock.json $(WEB_FILES)
	@echo "Building the web client"
	@cd web && npm run --silent build

# --- the lock files: every version and hash, for Python 3.11 and newer on all platforms, and no registry's address ---

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

lock:
	@command -v uv >/dev/null || { echo "make lock needs uv: https://docs.astral.sh/uv" >&2; exit 1; }
	echo "setuptools>=77" | $(COMPILE) - --output-file requirements-build.lock
	$(COMPILE) pyproject.toml requirements-build.lock --extra lab --output-file requirements.lock
	$(COMPILE) pyproject.toml --extra lab --extra dev --constraints requirements.lock --output-file requirements-dev.lock
	@! grep -nE '://|^--|^-f' requirements.lock requirements-dev.lock
