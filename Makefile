# Two commands matter: `make run` and `make test`. Both set everything up by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA_DIR ?= data

.PHONY: run demo test lint unit browser bench soak soak-faults soak-programs lock clean

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "scenetrail needs Python 3.11 or newer: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Could not make a virtual environment. On Debian: apt-get install python3-venv"; exit 1; }
	@echo "Installing pinned dependencies (1.2 GB, once) 正在安装依赖（仅首次）"
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-test: requirements-test.lock $(VENV)/.installed
	$(PIP) --require-hashes -r requirements-test.lock
	@touch $@

run: $(VENV)/.installed
	$(BIN)/python -m loadtest demo --data-dir "$(DATA_DIR)" --keep-serving

demo: $(VENV)/.installed
	$(BIN)/python -m loadtest demo --data-dir "$(DATA_DIR)"

# The SDK first: the end-to-end tests play its build against the real collector.
test: $(VENV)/.installed-test
	$(MAKE) --jobs=2 --output-sync=target lint sdk
	$(MAKE) unit

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Two at once, see tests/side_by_side.py.
unit: $(VENV)/.installed-test browser
	$(BIN)/python -m pytest -n 2

# The console's tests look at it in the system's Chromium.
browser:
	tests/e2e/install_chromium.sh

# The JavaScript SDK: built, type-checked, measured and tested with the Node of the virtual environment.
sdk: $(VENV)/.installed-test
	cd sdk_spec/js && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --no-audit --no-fund --loglevel=error && PATH="$(CURDIR)/$(BIN):$$PATH" npm test

# A longer run: damaged bodies by the hundred thousand, and outside material that is no part of the project
# (clones of github.com/nst/JSONTestSuite and github.com/minimaxir/big-list-of-naughty-strings).
soak: $(VENV)/.installed-test
	@test -d "$(SCENETRAIL_JSON_TEST_SUITE)" -a -d "$(SCENETRAIL_NAUGHTY_STRINGS)" || { echo "make soak SCENETRAIL_JSON_TEST_SUITE=<clone> SCENETRAIL_NAUGHTY_STRINGS=<clone>"; exit 1; }
	SCENETRAIL_JSON_TEST_SUITE="$(SCENETRAIL_JSON_TEST_SUITE)" SCENETRAIL_NAUGHTY_STRINGS="$(SCENETRAIL_NAUGHTY_STRINGS)" SCENETRAIL_MUTATIONS_PER_BODY=500 SCENETRAIL_EXPLORE=1 $(BIN)/python -m pytest -s tests/contract
	$(MAKE) soak-faults
	$(MAKE) soak-programs

# Kills at random moments, each round with another seed, for SCENETRAIL_SOAK_MINUTES; ClickHouse away for minutes.
soak-faults: $(VENV)/.installed-test
	SCENETRAIL_EXPLORE=1 $(BIN)/python -m pytest tests/unit tests/integration
	SCENETRAIL_SOAK_MINUTES="$(or $(SCENETRAIL_SOAK_MINUTES),10)" $(BIN)/python -m pytest -s tests/soak --ignore=tests/soak/test_outside_programs.py

# Programs of others: schemathesis, in an environment of its own, and slowhttptest (a package of Debian).
soak-programs: $(VENV)/.installed-test
	@command -v slowhttptest >/dev/null || { echo "apt-get install slowhttptest"; exit 1; }
	@test -x $(VENV)/schemathesis/bin/st || { $(PYTHON) -m venv $(VENV)/schemathesis && $(VENV)/schemathesis/bin/pip install --quiet schemathesis==4.32.5; }
	SCENETRAIL_SOAK_MINUTES=0 SCENETRAIL_SCHEMATHESIS="$(CURDIR)/$(VENV)/schemathesis/bin/st" $(BIN)/python -m pytest -s tests/soak/test_outside_programs.py

# The tables of speed: ours beside bare servers and ClickHouse itself, plain, compressed and in a long run, and every report beside
# the bare SQL. Takes an hour and wants an idle machine; BENCH_EVENTS=1000000 is a short one.
bench: $(VENV)/.installed-test
	loadtest/install_rivals.sh
	$(BIN)/python -m loadtest compare --data-dir bench-compare --growth $(if $(BENCH_EVENTS),$(BENCH_EVENTS),30000000)
	$(BIN)/python -m loadtest compare --data-dir bench-compare --gzip
	$(BIN)/python -m loadtest queries --data-dir bench-queries --events $(or $(BENCH_EVENTS),20000000)

LOCK := --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header
# Renew the lock file after a change of dependencies in pyproject.toml.
lock: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile $(LOCK) --extra build -o requirements.lock pyproject.toml
	$(BIN)/pip-compile $(LOCK) --all-extras -c requirements.lock -o requirements-test.lock pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
