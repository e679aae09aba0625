# `make` lists the targets. Everything that a run leaves lies under STRATA_HOME (var/).
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
WORLD ?= sample
DATA ?=
DS ?=
FROM ?=
TO ?=
export STRATA_PROJECT := $(CURDIR)
-include .env
export

UV := $(VENV)/uv/bin/uv
STAMP := $(VENV)/.base
STAMP_DEV := $(VENV)/.dev
RUN := $(BIN)/strata
SPARK := .venv-spark
STAMP_SPARK := $(SPARK)/.spark
# A file stays with one worker, since its tests share a tenant; tests/conftest.py says
# which files come first.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help env run backfill up deployment parity test check lint types features bench lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | \
	  awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

$(UV): requirements/uv.lock
	@$(PYTHON) -c 'import sys; assert sys.version_info[:2] == (3, 11), sys.version' || \
	  { echo "Python 3.11 is needed; name it with PYTHON=..." >&2; exit 1; }
	@echo "make the environment in $(VENV) (about a minute)" >&2
	@$(PYTHON) -m venv $(VENV) && $(PYTHON) -m venv $(VENV)/uv
	@$(VENV)/uv/bin/python -m pip install -q --require-hashes -r requirements/uv.lock

$(STAMP): $(UV) requirements/base.lock pyproject.toml
	@if [ ! -e $(STAMP_DEV) ]; then \
	  $(UV) pip install -q --python $(BIN)/python --require-hashes --compile-bytecode \
	    -r requirements/base.lock; fi
	@$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(STAMP_DEV): $(UV) requirements/dev.lock pyproject.toml
	@$(UV) pip install -q --python $(BIN)/python --require-hashes --compile-bytecode \
	  -r requirements/dev.lock
	@$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@ $(STAMP)

# Spark is heavy (1.6 GB), so it has an environment of its own; and it comes as source,
# of which a cache keeps 1.9 GB, for every time that the index calls it new: so no cache.
$(STAMP_SPARK): requirements/spark.lock requirements/uv.lock pyproject.toml
	@echo "make the environment of Spark in $(SPARK) (about a minute)" >&2
	@[ -x $(SPARK)/uv/bin/python ] || \
	  { $(PYTHON) -m venv $(SPARK) && $(PYTHON) -m venv $(SPARK)/uv; }
	@$(SPARK)/uv/bin/python -m pip install -q --require-hashes -r requirements/uv.lock
	@$(SPARK)/uv/bin/uv pip install -q --no-cache --python $(SPARK)/bin/python \
	  --require-hashes --compile-bytecode -r requirements/spark.lock
	@$(SPARK)/uv/bin/uv pip install -q --python $(SPARK)/bin/python --no-deps \
	  --no-build-isolation -e .
	@touch $@

env: $(STAMP) ## set up the environment, nothing else

run: $(STAMP) ## run a day: [WORLD=sample] [DATA=folder] [DS=YYYY-MM-DD]
	@$(RUN) run --world $(WORLD) $(if $(DATA),--data "$(DATA)") $(if $(DS),--ds $(DS))

backfill: $(STAMP) ## run a range of days: FROM=YYYY-MM-DD TO=YYYY-MM-DD
	@[ -n "$(FROM)" -a -n "$(TO)" ] || { echo "give FROM=YYYY-MM-DD TO=YYYY-MM-DD" >&2; exit 2; }
	@$(RUN) run --world $(WORLD) $(if $(DATA),--data "$(DATA)") --ds $(FROM) --until $(TO)

up: $(STAMP) ## start Airflow on loopback with the DAG scheduled; Ctrl-C stops it
	@$(RUN) up --world $(WORLD) $(if $(DATA),--data "$(DATA)")

deployment: ## make the secrets and folders that docker-compose.yml mounts
	@$(PYTHON) deploy/prepare.py "$${STRATA_SECRETS:-secrets}" "$${STRATA_HOME:-var}" \
	  "$${STRATA_WORLD:-sample}"

parity: $(STAMP_SPARK) ## the last run again on Spark, its tables compared: [WORLD=sample]
	@[ -e "$${STRATA_HOME:-var}/$(WORLD)/warehouse/strata.duckdb" ] || $(MAKE) run
	@$(SPARK)/bin/strata parity --world $(WORLD)

lint: $(STAMP_DEV) ## style of Python and SQL, conventions of the dbt project
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/sqlfluff lint -q dbt_project/models dbt_project/tests
	@# Named as .sqlfluff names it, so that what was parsed just now serves again.
	@$(BIN)/dbt -q parse --profile strata --target bare \
	  --project-dir dbt_project --profiles-dir dbt_project
	@$(BIN)/dbt-bouncer run --config-file dbt_project/dbt-bouncer.yml

types: $(STAMP_DEV) ## mypy --strict
	@$(BIN)/mypy

check: $(STAMP_DEV) ## the fast tests (under two minutes)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	@$(PYTEST) -m "not slow"

# Tests wait a good deal, for servers and processes: lint and types fill these gaps.
test: $(STAMP_DEV) ## lint, types and all tests
	@nice $(MAKE) --no-print-directory lint types & beside=$$!; \
	  trap 'kill $$beside' INT TERM; \
	  $(PYTEST); tests=$$?; \
	  wait $$beside || { echo "lint or types failed: see above" >&2; exit 1; }; \
	  exit $$tests

features: $(STAMP) ## write what config/features.yml says into the dbt project
	@$(BIN)/python -m strata.features

bench: $(STAMP_DEV) ## the benchmarks, small
	@missed=0; for b in benchmarks/*.py; do \
	  $(BIN)/python $$b --quick || missed=1; done; exit $$missed

lock: ## resolve the locks anew
	@cd requirements && ./lock

clean: ## remove what can be rebuilt: caches, dbt's targets (never state)
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis dbt_project/target dbt_project/logs
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
