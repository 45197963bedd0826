# `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Containers often forbid byte code to be written; the tests start hundreds of processes, each of which would compile
# every module anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo serve install test spark check bench format docs wheel clean

help: ## show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[test,check]'
	touch $@

install: $(VENV)/.installed ## make the virtual environment with everything that tests and checks need

demo: install ## play the three jobs on real data; KEEP=1 leaves the lake and its server
	$(BIN)/lakegate quickstart $(if $(KEEP),--keep)

serve: install ## serve the lake in the folder lake/ on port 8000 (made where it is not there)
	$(BIN)/lakegate serve

test: install ## run the tests
	$(BIN)/pytest -q -n 2 --dist worksteal

spark: install ## install Spark with Delta Lake in .spark (600 MB; needs Java), and run the tests with it
	$(BIN)/python tests/spark/install.py .spark
	LAKEGATE_TESTS_SPARK=$(CURDIR)/.spark $(BIN)/pytest -q tests/spark

check: install ## lint, format, types, import layers, generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/python -m lakegate_cli.reference --check docs/cli.md
	$(BIN)/python -m lakegate_api.openapi --check docs/openapi.json

bench: install ## time what the goals are set for, and write docs/benchmarks.md (QUICK=1: a small run that writes nothing)
	$(BIN)/python tests/bench/run.py $(if $(QUICK),--quick) $(NAMES)

docs: install ## write the documents that are generated
	$(BIN)/python -m lakegate_cli.reference docs/cli.md
	$(BIN)/python -m lakegate_api.openapi docs/openapi.json
	$(BIN)/python -m lakegate.metastore.migrate > .sqlite.sql.part
	mv .sqlite.sql.part lakegate/metastore/migrations/sqlite.sql

format: install ## format the code and sort the imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: install ## build the wheel into dist/
	$(BIN)/python -m build --wheel --installer uv

clean: ## remove the environment and what was built
	rm -rf $(VENV) .spark dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
