# What a person types. Everything is set up on the way; see README.md. `make help` prints the
# lines that begin with "#:".
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run ui psql test unit lint bench bench-full audit-deps clean
.DEFAULT_GOAL := run

#: Commands:
#:   make run         index what devnet, node or lake has; also: make
#:   make ui          run the Prefect server, which shows all runs, until Ctrl-C
#:   make psql        query the embedded database
#:   make clean       remove the environment, the embedded data and the runs
#:   make unit        run the unit tests
#:   make test        run all tests
#:   make lint        check format, types and imports
#:   make bench       measure: a few minutes
#:   make bench-full  measure everything: an hour
#:   make audit-deps  look for known vulnerabilities of the pinned dependencies
#:   make help        print this
#:
#: Variables, such as make run RPC_URL=https://rpc.example.org START=oldest:
#:   RPC_URL        run: URL of a node
#:   RECORDING      run: file of recorded ledgers, instead of a node
#:   LAKE           run: folder or URL of a data lake, instead of a node
#:   DATABASE_URL   run: URL of your PostgreSQL, instead of the embedded one
#:   START          run: first ledger: a number, oldest or latest
#:   END            run: last ledger, of a data lake
#:   FOLLOW         run: seconds to follow new ledgers
#:   METRICS_PORT   run: port of the metrics
#:   UI_PORT        run, ui: port of the Prefect server (4200)
#:   DB             psql: database (devnet)
#:   SQL            psql: statement to run
#:   PYTHON         first command: Python to use (python3)
help:
	@sed -n 's/^#: \{0,1\}//p' Makefile

# A variable that is not one of these would do nothing.
VARIABLES := $(shell sed -n 's/^\#:   \([A-Z_]*\)  .*/\1/p' Makefile)
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
UNKNOWN := $(firstword $(filter-out $(VARIABLES) VENV,$(GIVEN)))
ifneq ($(UNKNOWN),)
SIMILAR := $(shell $(PYTHON) -c 'import difflib, sys; print(*difflib.get_close_matches(sys.argv[1].upper(), sys.argv[2:], 1, 0.5))' '$(UNKNOWN)' $(VARIABLES))
$(error there is no variable $(UNKNOWN); $(if $(SIMILAR),did you mean $(SIMILAR)?,these are known: $(VARIABLES)))
endif

.DEFAULT:
	$(error there is no target $@; `make help` lists them)

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
	$(BIN)/python -m benchmarks.lookups
	$(BIN)/python -m benchmarks.moving
	$(BIN)/python -m benchmarks.bloat
	$(BIN)/python -m benchmarks.sizes
	$(BIN)/python -m benchmarks.archive
	$(BIN)/python -m benchmarks.live
	$(BIN)/python -m benchmarks.indexes 9
	$(BIN)/python -m benchmarks.picture

# Asks a vulnerability service on the internet, so no part of what CI runs. The tool has an
# environment of its own: its dependencies are not those that are audited.
audit-deps: | $(VENV)
	@test -x $(VENV)/audit/bin/pip-audit || { $(PYTHON) -m venv $(VENV)/audit && $(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit; }
	$(VENV)/audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

# uv installs the same in a fraction of the time that pip takes; pip does it where uv cannot. uv
# says what it downloads; the list of what it installed, a hundred lines, is left out.
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
UV := $(BIN)/uv pip install --python $(BIN)/python --constraint constraints.txt
define install
@echo "installing uv, then with it the pinned dependencies, into $(VENV): once, under a minute"
@$(PIP) --quiet uv && { $(UV) --editable '$(1)' 2>&1 && touch $(VENV)/.with-uv; } | grep --line-buffered -v '^ [-+~] '; \
	rm $(VENV)/.with-uv 2>/dev/null || { echo "uv cannot; installing with pip: a minute or two"; $(PIP) --editable '$(1)'; }
endef

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)
	$(call install,.[all])
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)
	$(call install,.[dev])
	@touch $@ $(VENV)/.installed

$(VENV):
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or newer is needed, this is {v[0]}.{v[1]}; choose one with make PYTHON=...")'
	@echo "creating the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) .sorobanflow
