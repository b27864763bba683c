# Everything from a clean clone: `make demo`, `make test`. Needs git, make and Python 3.11 or newer.

SHELL := /bin/sh
PYTHON ?= python3
TORCH ?= torch==2.13.0
# Workers of the test suite: its tests mostly wait for processes.
WORKERS ?= 4
# `make bench FLAGS=` for the full figures, which take hours.
FLAGS ?= --quick

# The tests start hundreds of Pythons, each twice as slow where modules are compiled anew each time.
export PYTHONDONTWRITEBYTECODE :=

# A system's uv is used as it is; else pip puts one into .boot.
UV := $(or $(shell command -v uv 2>/dev/null),.boot/bin/uv)
BIN := .venv/bin

.PHONY: help env sync browser postgres sandbox torch rivals demo test check bench wheel clean
.SILENT:

help:
	echo "make demo    install, then tune the digits example: ten trials, under two minutes"
	echo "make test    install, then run the whole test suite; with TRIALWRIGHT_THOROUGH=1 every random round of it"
	echo "make env     install only: .venv with every extra; Chromium, PostgreSQL and bubblewrap for their tests"
	echo "make torch   add PyTorch to .venv, for examples/pytorch and the tests that need it"
	echo "make rivals  build environments for SMAC3 and HEBO, which benchmarks/suite.py compares with"
	echo "make check   format, lint, types, layers, and the quick tests"
	echo "make bench   every benchmark in its short form; 'make bench FLAGS=' in full"
	echo "make wheel   build dist/trialwright-*.whl"
	echo "make clean   remove what was built; .venv and .boot included"

env: sync browser postgres sandbox

sync: .venv/.synced

.boot/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Trialwright needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .boot || { echo "Python can't make environments: apt-get install python3-venv, or the like"; exit 1; }

.boot/bin/uv: .boot/bin/python
	.boot/bin/python -m pip install -qq --disable-pip-version-check uv

# --inexact leaves alone what pip added: torch, which uv's lock does not hold.
.venv/.synced: pyproject.toml uv.lock | $(UV)
	$(UV) sync --quiet --locked --all-extras --all-groups --inexact
	touch $@

browser:
	sh .ci/browser

postgres:
	sh .ci/postgres

sandbox:
	sh .ci/sandbox

# uv would take the build for a GPU from its own index; pip takes the one this machine is set up for.
torch: sync .boot/bin/python
	$(BIN)/python -c 'import importlib.util as i, sys; sys.exit(not i.find_spec("torch"))' || \
	  .boot/bin/python -m pip --python $(BIN)/python install -qq --disable-pip-version-check $(TORCH)

# Each in an environment of its own, since HEBO needs another NumPy. What can't be built is left out.
rivals: .boot/bin/python
	for name in smac hebo; do \
	  test benchmarks/.envs/$$name/.built -nt benchmarks/rivals/$$name.txt && continue; \
	  rm -f benchmarks/.envs/$$name/.built; \
	  .boot/bin/python -m venv benchmarks/.envs/$$name || { failed=1; continue; }; \
	  pip="benchmarks/.envs/$$name/bin/python -m pip install -qq --disable-pip-version-check --prefer-binary"; \
	  { test $$name != hebo || $$pip $(TORCH); } && $$pip --no-deps -r benchmarks/rivals/$$name.txt \
	    && touch benchmarks/.envs/$$name/.built || { echo "$$name can't be installed"; failed=1; }; \
	done; test -z "$$failed"

demo: sync
	$(BIN)/trialwright demo runs/demo

# pytest's summary is the last thing printed.
test: env
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

check: sync
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not slow and not browser"

bench: sync
	for script in kill9 faults overhead peers suite misled team prompt_growth doors seeds verdicts campaign; do \
	  echo "== benchmarks/$$script.py $(FLAGS)"; \
	  $(BIN)/python benchmarks/$$script.py $(FLAGS) || failed=1; \
	done; test -z "$$failed"

wheel: | $(UV)
	$(UV) build --quiet --wheel

clean:
	rm -rf .venv .boot dist build .mypy_cache .ruff_cache .import_linter_cache .hypothesis
