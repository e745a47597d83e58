# Everything runs in .venv, which the first target that needs it makes from the locked versions.
# Nothing is wanted of the machine but Python (3.11 to 3.13), make and a package index.

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check -qq
READY := $(VENV)/.ready
DOCS_READY := $(VENV)/.docs-ready
LOCKER := build/locker

# Further arguments for pytest, as in: make test ARGS="-k ledger"
ARGS ?=
# What `make demo` runs. Ten live runs are the fewest that give a verdict; without --variant it takes twice as long.
DEMO ?= experiments/slow-subscriber.toml --variant plain --replications 10

# The first that runs and is new enough: a name on the path may be a shim for a version that is not there.
SUITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	if $$p -c '$(SUITS)' 2>/dev/null; then echo $$p; break; fi; done)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo pgm test check pyzmq-suite lint types layers format bench swarm docs lock clean

help:  ## Show this help
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

$(READY): requirements/dev.txt pyproject.toml hatch_build.py harness/live/_fast.c
	@test -n "$(PYTHON)" || { echo "no Python 3.11 to 3.13 found; name one: make PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "installing into $(VENV) with $$($(PYTHON) --version) (once; takes a minute or two)"
	@test -x $(PY) && $(PY) -c '$(SUITS)' || $(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-build-isolation --no-deps --editable .
	@$(PY) hatch_build.py
	@touch $@

$(DOCS_READY): requirements/docs.txt $(READY)
	@$(PIP) install --require-hashes -r requirements/docs.txt
	@touch $@

setup: $(READY)  ## Make .venv from the locked versions

demo: $(READY)  ## Run the main job: a slow subscriber, predicted and measured, side by side
	@$(BIN)/harness run $(DEMO) --world both

pgm: $(READY)  ## Build pyzmq on a libzmq that has pgm into .venv-pgm (on Debian as root: with what that needs)
	@$(PY) tools/pgm.py

# With a selection in ARGS a part may have nothing to run (pytest's status 5), which is no failure then.
PYTEST = run() { $(PY) -m pytest "$$@" $(ARGS); status=$$?; test $$status -eq 0 -o \( $$status -eq 5 -a -n "$(ARGS)" \); }; run

test: $(READY)  ## Run the tests: pure and simulated ones in parallel, live ones as far as they wait, the rest one by one
	@$(PYTEST) -n 2 -m "not live"
	@$(PYTEST) -n 12 -m live tests/both tests/conformance
	@$(PYTEST) -n 4 -m "live and not alone" --ignore tests/both --ignore tests/conformance
	@$(PYTEST) -m "live and alone"

pyzmq-suite: $(READY)  ## Run pyzmq's own tests on the real library and on the twin, side by side
	@$(PY) -m tests.pyzmq_suite.suite

check: lint types layers test  ## All that continuous integration runs: format, lint, types, layers, tests

lint: $(READY)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .

types: $(READY)
	$(PY) -m mypy

layers: $(READY)
	$(BIN)/lint-imports --no-logo

format: $(READY)  ## Format the code and repair what can be repaired
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

bench: $(READY)  ## Measure speed: the simulation, its fan-out, the live harness against a bare loop
	$(PY) benchmarks/bench.py

# All of them, or the one that is named: make swarm SEED=123
SEEDS ?= 10000
swarm: $(READY)  ## Hold random topologies against the laws of the twin (SEEDS=10000, or SEED=123 to replay one)
	@$(PY) -m tests.swarm $(if $(SEED),$(SEED),--seeds $(SEEDS)) $(ARGS)

conformance: $(READY)  ## Play every conformance row in both worlds and write docs/conformance.md
	@$(PY) -m tests.conformance.page

docs: $(DOCS_READY)  ## Build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

$(LOCKER)/bin/uv:
	@$(PYTHON) -m venv --clear $(LOCKER)
	@$(LOCKER)/bin/python -m pip --disable-pip-version-check -qq install uv
	@touch $@

COMPILE = $(LOCKER)/bin/uv pip compile --no-config --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --custom-compile-command "make lock" $(UPGRADE) pyproject.toml

lock: $(LOCKER)/bin/uv  ## Write the locked versions anew (UPGRADE=--upgrade takes the newest)
	$(COMPILE) --extra dev --output-file requirements/dev.txt
	$(COMPILE) --extra docs --constraints requirements/dev.txt --output-file requirements/docs.txt

clean:  ## Remove .venv, .venv-pgm, builds and caches; results stay
	rm -rf $(VENV) .venv-pgm build dist site harness/live/_fast.abi3.so \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
