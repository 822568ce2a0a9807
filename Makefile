# The system's commands; `make help` lists them. What is set up once is kept in stamp files, so
# that a second call starts at once.

VENV := .venv
BIN := $(VENV)/bin
# The newest Python the machine has; any from 3.11 on will do. Looked for by the set-up alone.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
STEP = $(PYTHON) launcher/step.py
# Many tests wait for real processes, so more of them run at once than there are processors.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
PIP := $(BIN)/python -m pip install --require-hashes --disable-pip-version-check
# The machine's npm, else the one that requirements-node.txt puts into the virtual environment.
NPM := PATH="$$PATH:$(CURDIR)/$(BIN)" npm

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run quick test check bench pins chart set-up set-up-tests clean

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: set-up ## Set everything up and run the whole system, until Ctrl+C
	@exec $(BIN)/python -m launcher

quick: set-up set-up-tests ## Linters, and the tests that start no process
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q -n 2 -m quick

test: set-up set-up-tests check ## Set everything up and run all checks and tests
	@echo "== Tests on SQLite"
	$(PYTEST)
	@echo "== Tests that touch the database, on PostgreSQL"
	@if $(BIN)/python -m tests.postgres; then TEST_DATABASE=postgres $(PYTEST); \
	else test -z "$$CI"; fi

check: set-up set-up-tests node_modules/.installed ## Linters, types and import rules alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(NPM) run --silent check

bench: set-up set-up-tests ## The benchmarks
	$(BIN)/python -m benchmarks

pins: set-up-tests ## Renew the pinned requirements from the .in files
	for list in requirements requirements-dev requirements-node; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-annotate --no-header $$list.in --output-file $$list.txt || exit; \
	done

chart: node_modules/.installed ## Renew the committed chart library: [CHART_VERSION=5.3.0] [CHART_SHA256=…]
	$(if $(CHART_VERSION),$(NPM) install --save-dev --save-exact --ignore-scripts --no-audit \
		--no-fund lightweight-charts@$(CHART_VERSION))
	$(BIN)/python tools/vendor_chart.py $(if $(CHART_SHA256),--sha256 $(CHART_SHA256))

clean: ## Remove what the set-up installed; var/ stays
	rm -rf $(VENV) node_modules

set-up: $(VENV)/.packages

set-up-tests: $(VENV)/.test-packages $(VENV)/.test-servers

$(VENV)/.packages: requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, as python3 in the PATH"; exit 2; }
	@test -w . || { echo "$(CURDIR) cannot be written to: the set-up needs a copy that can"; exit 2; }
	@test -x $(BIN)/python || $(STEP) "Virtual environment" $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python's venv module is needed (Debian, Ubuntu: python3-venv)"; exit 2; }
	@$(STEP) "Python packages" $(PIP) -r requirements.txt
	@touch $@

$(VENV)/.test-packages: requirements-dev.txt $(VENV)/.packages
	@$(STEP) "Python packages for tests" $(PIP) -r requirements-dev.txt
	@touch $@

$(VENV)/.test-servers: tests/install_servers.sh
	@$(STEP) "PostgreSQL and Chromium" bash tests/install_servers.sh
	@touch $@

node_modules/.installed: package-lock.json $(VENV)/.packages
	@command -v npm >/dev/null || test -x $(BIN)/npm || \
		$(STEP) "Node.js, for npm" $(PIP) -r requirements-node.txt
	@$(STEP) "Front-end packages" env $(NPM) ci --ignore-scripts --no-audit --no-fund
	@touch $@
