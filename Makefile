# `make demo` and `make test` need nothing but make and Python >= 3.11: they create .venv themselves
# (with uv where it is there, else with venv and pip) and install again only when pyproject.toml or
# constraints.txt has changed. Another interpreter: `make test PYTHON=/path/to/python`.

VENV := .venv
BIN = $(VENV)/bin
PEERS := .venv-peers
TORCH ?= --index-url https://download.pytorch.org/whl/cpu
ARGS ?=

# 3.11 first, because constraints.txt was tested with it. A shim that cannot run does not count.
CANDIDATES := python3.11 python3.12 python3.13 python3 python
USABLE := import ensurepip, sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do $$p -c '$(USABLE)' >/dev/null 2>&1 && { command -v $$p; break; }; done)
UV := $(shell uv --version >/dev/null 2>&1 && command -v uv)

ifdef UV
CREATE = $(UV) venv --quiet --no-python-downloads --python '$(PYTHON)' $(VENV)
INSTALL = $(UV) pip install --quiet --compile-bytecode --python $(BIN)/python
else
CREATE = '$(PYTHON)' -m venv $(VENV)
INSTALL = $(BIN)/python -m pip install --quiet
endif

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-peers lint format options table claims probes docs clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

demo: $(VENV)/installed ## train one agent over several action codes, and draw the figure (about a minute)
	@start=$$(date +%s); $(BIN)/actlab demo $(ARGS) \
		&& echo "Seconds from the end of the install to the figure: $$(($$(date +%s) - start))"

test: $(VENV)/installed-dev ## every check: style, types, layers, documentation and the fast tests
	@start=$$(date +%s); \
	trap 'seconds=$$(($$(date +%s) - start)); echo "Minutes for make test: $$((seconds / 60)):$$(printf %02d $$((seconds % 60)))"' EXIT; \
	$(MAKE) --no-print-directory lint && $(BIN)/python -m pytest -m "not slow" --numprocesses auto --dist worksteal $(ARGS)

test-slow: $(VENV)/installed-dev ## the tests that take minutes: whole trainings, kills and resumes
	$(BIN)/python -m pytest -m slow --numprocesses auto --dist worksteal $(ARGS)

test-peers: $(PEERS)/installed ## Stable-Baselines3, TorchRL and d3rlpy on our tasks and data, in $(PEERS)
	$(PEERS)/bin/python -m pytest tests/peers $(ARGS)

lint: $(VENV)/installed-dev ## style, types and layers only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright src
	$(BIN)/lint-imports

format: $(VENV)/installed-dev ## rewrite the sources in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

options: $(VENV)/installed-dev ## write src/actlab/options.json, from which --help is printed
	$(BIN)/python -m actlab.cli.generate

table: $(VENV)/installed-dev ## write the tables of what runs with what, and of what was learned; and the papers' pages
	$(BIN)/python -m actlab.training.compatibility README.md docs/probes.md
	$(BIN)/actlab papers page

claims: $(VENV)/installed-dev ## compute every paper's claims again from the committed seeds, and compare
	$(BIN)/actlab claims

probes: $(VENV)/installed-dev ## train every agent on every probe task (half an hour), into results/probes.json
	$(BIN)/python -m actlab.training.probing results/probes.json

docs: $(VENV)/installed-dev ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean: ## remove everything that the other commands made, except runs/
	rm -rf $(VENV) $(PEERS) build dist site .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo 'actlab needs Python 3.11 or newer with venv; none was found. Name one: make PYTHON=/path/to/python' >&2; exit 1; }
	$(CREATE)

# d3rlpy asks for another Gymnasium than we do, and runs with ours: so without its dependencies
$(PEERS)/installed: VENV := $(PEERS)
$(PEERS)/installed: pyproject.toml constraints.txt
	@test -x $(PEERS)/bin/python || { $(CREATE); }
	$(INSTALL) $(TORCH) torch
	$(INSTALL) -c constraints.txt -e '.[data]' pytest pytest-timeout hypothesis minari stable-baselines3 sb3-contrib torchrl
	$(INSTALL) gym structlog colorama dataclasses-json scikit-learn click tqdm
	$(INSTALL) --no-deps d3rlpy
	@touch $@

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -c constraints.txt -e .
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -c constraints.txt -e '.[dev]'
	@touch $(VENV)/installed $@
