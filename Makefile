# Two commands matter: `make run` and `make test`. Both set everything up by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA_DIR ?= data

.PHONY: run demo test lint unit soak lock clean

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "scenetrail needs Python 3.11 or newer: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Could not make a virtual environment. On Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(VENV)/.installed
	$(BIN)/python -m loadtest demo --data-dir "$(DATA_DIR)" --keep-serving

demo: $(VENV)/.installed
	$(BIN)/python -m loadtest demo --data-dir "$(DATA_DIR)"

test: lint unit

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

unit: $(VENV)/.installed
	$(BIN)/python -m pytest

# A longer run: damaged bodies by the hundred thousand, and outside material that is no part of the project
# (clones of github.com/nst/JSONTestSuite and github.com/minimaxir/big-list-of-naughty-strings).
soak: $(VENV)/.installed
	@test -d "$(SCENETRAIL_JSON_TEST_SUITE)" -a -d "$(SCENETRAIL_NAUGHTY_STRINGS)" || { echo "make soak SCENETRAIL_JSON_TEST_SUITE=<clone> SCENETRAIL_NAUGHTY_STRINGS=<clone>"; exit 1; }
	SCENETRAIL_JSON_TEST_SUITE="$(SCENETRAIL_JSON_TEST_SUITE)" SCENETRAIL_NAUGHTY_STRINGS="$(SCENETRAIL_NAUGHTY_STRINGS)" SCENETRAIL_MUTATIONS_PER_BODY=500 $(BIN)/python -m pytest -s tests/contract

# Renew the lock file after a change of dependencies in pyproject.toml.
lock: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --all-extras --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header -o requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
