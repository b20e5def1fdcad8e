# What a person types. Everything is set up on the way; see README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test unit lint ui psql bench bench-full clean
.DEFAULT_GOAL := run

# Variables given on the command line reach the programs through the environment,
# so that no address with a password appears in a printed command.
run: $(VENV)/.installed
	@$(BIN)/python -m deployments.local run

ui: $(VENV)/.installed
	@$(BIN)/python -m deployments.local ui

psql: $(VENV)/.installed
	@$(BIN)/python -m deployments.local psql

# Compiled modules are kept, also where the environment keeps Python from writing them: uv
# compiles none, and pytest rewrites the assertions of each module, 2 s of CPU for each process.
export PYTHONDONTWRITEBYTECODE =

test: $(VENV)/.installed-dev
	$(BIN)/pytest --numprocesses 3 --dist loadgroup

unit: $(VENV)/.installed-dev
	$(BIN)/pytest tests/unit

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.headline 3
	$(BIN)/python -m benchmarks.decode 1
	$(BIN)/python -m benchmarks.upsert 1

bench-full: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.headline 7
	$(BIN)/python -m benchmarks.upsert 5
	$(BIN)/python -m benchmarks.backfill 5
	$(BIN)/python -m benchmarks.ledgers 5
	$(BIN)/python -m benchmarks.decode 9
	$(BIN)/python -m benchmarks.filtered 5
	$(BIN)/python -m benchmarks.orchestration 5
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.bloat
	$(BIN)/python -m benchmarks.sizes
	$(BIN)/python -m benchmarks.live
	$(BIN)/python -m benchmarks.indexes 9
	$(BIN)/python -m benchmarks.picture

# Asks a vulnerability service on the internet, so no part of what CI runs. The tool has an
# environment of its own: its dependencies are not those that are audited.
audit-deps: | $(VENV)
	@test -x $(VENV)/audit/bin/pip-audit || { $(PYTHON) -m venv $(VENV)/audit && $(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit; }
	$(VENV)/audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

# uv installs the same in a fraction of the time that pip takes; pip does it where uv cannot.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt
define install
@echo "installing the pinned dependencies into $(VENV) (once, under a minute)"
@$(PIP) uv && $(UV) --editable '$(1)' || { echo "uv cannot; installing with pip"; $(PIP) --editable '$(1)'; }
endef

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)
	$(call install,.)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)
	$(call install,.[dev])
	@touch $@ $(VENV)/.installed

$(VENV):
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or newer is needed, this is {v[0]}.{v[1]}; choose one with make PYTHON=...")'
	@$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) .sorobanflow
