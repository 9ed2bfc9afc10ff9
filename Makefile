# `make demo` and `make test` need Python 3.11 or newer with venv, and make. Everything else they
# install into .venv, with a Java where the machine has none that Spark can use.
#   make test PYTHON=python3.12      another interpreter
#   make test ARGS="-k ngrams -x"    arguments for pytest
#   make test JOBS=0                 one test after another, in one process
SHELL := /bin/sh
# Old pips build pyspark the old way, with a warning, unless told to build it as new ones do.
export PIP_USE_PEP517 := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Every process would compile the package and its tests anew.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
PYTHON ?= python3
EXTRAS ?= spark,embed,tune,judge,report,variety,page,alerts,docs,dev
OLDEST ?= 4.0.1
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-with-$(notdir $(PYTHON))
WARM := $(VENV)/.warm
SOURCES = $(foreach d,dftspark jobs benchmarks docs notebooks tests,$(if $(wildcard $d/*.py $d/*/*.py),$d))

.PHONY: help demo test test-fast test-slow test-oldest lint format bench docs dist minimal constraints clean python-ok
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

demo: $(STAMP) ## audit the bundled sample on this machine
	@$(BIN)/dftspark demo

test: lint $(WARM) ## lint, types and the whole default test suite, JOBS files at once
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-fast: $(STAMP) ## the tests without Spark, embedder, other processes, reference corpora or simulation
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --ignore=tests/spark \
		-m "not (slow or spark or cluster or data or simulation or embedder or program)" $(ARGS)

test-slow: $(STAMP) ## the tests that take minutes
	$(BIN)/python -m pytest -m slow $(ARGS)

test-oldest: $(STAMP) ## the Spark tests on the oldest Spark of the declared range
	$(BIN)/python -m pip install -q --upgrade --no-deps --target build/oldest "pyspark==$(OLDEST)"
	PYTHONPATH="$(CURDIR)/build/oldest" $(BIN)/python -m pytest tests/spark $(ARGS)

lint: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -n auto $(SOURCES)

format: $(STAMP) ## let ruff repair what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## every benchmark: ours and the peers' on the same input
	@set -e; for file in $(sort $(wildcard benchmarks/[a-z]*.py)); do \
		echo "== $$file"; $(BIN)/python "$$file"; done

docs: $(STAMP) ## the documentation as a site in build/site, with warnings as errors
	@$(BIN)/python docs/build.py

dist: $(STAMP) ## wheel and source distribution in dist/
	$(BIN)/python -m hatchling build -d dist

minimal: python-ok ## install the wheel without extras into an empty venv and import it
	rm -rf build/minimal
	$(PYTHON) -m venv build/minimal/venv
	build/minimal/venv/bin/python -m pip wheel -q --no-deps -w build/minimal .
	build/minimal/venv/bin/python -m pip install -q -c constraints.txt build/minimal/*.whl
	cd build/minimal && venv/bin/python -c "import dftspark, dftspark.store.run" \
		&& venv/bin/dftspark --help > /dev/null

constraints: python-ok ## resolve every dependency anew and rewrite constraints.txt
	rm -rf build/constraints
	$(PYTHON) -m venv build/constraints
	build/constraints/bin/python -m pip install -q ".[$(EXTRAS),openvino,java,mlflow,wandb,trackio]"
	head -n 1 constraints.txt > build/constraints/pins
	build/constraints/bin/python -m pip freeze --exclude dftspark \
		| sed 's/+[a-z0-9.]*$$//' | tr 'A-Z_' 'a-z-' | LC_ALL=C sort >> build/constraints/pins
	mv build/constraints/pins constraints.txt

clean: ## remove all that make made
	rm -rf $(VENV) build dist spark-warehouse .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Dozens of tests start a Spark of their own.
$(WARM): $(STAMP)
	@$(BIN)/dftspark warm || echo "The tests go on without it."
	@touch $@

python-ok:
	@command -v $(PYTHON) > /dev/null || { \
		echo "There is no $(PYTHON) here. Install Python 3.11 or newer, or name yours:"; \
		echo "  make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); dftspark needs Python 3.11 or newer."; \
		echo "If you have one under another name: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
		echo "$(PYTHON) comes without venv. On Debian and Ubuntu: apt install python3-venv"; exit 1; }

# An environment is kept when it has pip and the version of $(PYTHON), and is made anew otherwise.
$(STAMP): pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory python-ok
	@version='import sys; print(sys.version_info[:2])'; \
	if ! $(BIN)/python -m pip --version > /dev/null 2>&1 \
		|| [ "$$($(BIN)/python -c "$$version")" != "$$($(PYTHON) -c "$$version")" ]; \
	then $(PYTHON) -m venv --clear $(VENV); fi
	@extras="$(EXTRAS)"; \
	java=$$("$${JAVA_HOME:+$$JAVA_HOME/bin/}java" -version 2>&1 \
		| sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1); \
	if [ "$${java:-0}" -lt 17 ]; then \
		echo "No Java 17 or newer found; one comes along."; extras="$$extras,java"; fi; \
	echo "Installing dftspark[$$extras] into $(VENV): about 3 GB, a few minutes the first time."; \
	if [ "$$(uname -sm)$$PIP_EXTRA_INDEX_URL" = "Linux x86_64" ] && ! command -v nvidia-smi > /dev/null; \
	then echo "Without a GPU: torch's CPU build is several GB less than the CUDA build that pip takes"; \
		echo "by default; PIP_EXTRA_INDEX_URL can name PyTorch's index of CPU wheels."; fi; \
	$(BIN)/python -m pip install -q --no-compile -c constraints.txt -e ".[$$extras]"
	@touch $@
