# make demo:   everything on a fresh machine with Python 3.11 or later, then the whole job on a small data set.
# make test:   the same environment plus the development tools, then every check. PATHS=tests/audit runs one folder of tests.
# make quick:  the tests that need no torch, in seconds. A fresh machine gets a small environment without torch for them.
# make matrix: the tests on every supported Python with the lowest and the newest dependencies, as a hosted workflow runs them.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# 2.13.0 is the tested version; where it is not to be had, any supported torch will do.
TORCH ?= torch==2.13.0
CONSTRAINTS ?= constraints.txt
# Processes of the tests: one more than there are cores, since some tests wait for others, 4 at most. A file's tests stay in
# one, so that they share its fixtures.
WORKERS ?= $(shell expr `getconf _NPROCESSORS_ONLN || echo 1` + 1)
PATHS ?= tests
# More for pytest, such as ARGS='-m "not slow"' or ARGS=--last-failed.
ARGS ?=
# The tests of `make quick`: statistics, documents, settings, reading, facts of a run. conftest.py refuses torch to them.
QUICK := tests/audit/statistics tests/audit/documents tests/test_config.py tests/runs/folder/test_facts.py \
	tests/data/test_groups.py tests/data/test_read.py tests/data/test_store.py tests/data/readers/test_files.py \
	tests/data/readers/test_folder.py tests/data/readers/test_reader.py
QUICK_VENV := $(if $(wildcard $(VENV)/.dev),$(VENV),$(VENV)-quick)

.PHONY: demo test quick matrix check format docs lock clean

demo: $(VENV)/.installed
	$(BIN)/upcycle demo

test: check
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --max-worker-restart 0 --dist loadfile \
		--no-loadscope-reorder $(ARGS) $(PATHS)

quick: $(QUICK_VENV)/.quick
	UPCYCLE_TORCH=blocked $(QUICK_VENV)/bin/python -m pytest -q -m 'not slow' -n $(WORKERS) --maxprocesses 4 $(ARGS) $(QUICK)

matrix:
	.ci/matrix

check: $(VENV)/.dev
	$(BIN)/ruff check src tests benchmarks scripts examples
	$(BIN)/ruff format --check src tests benchmarks scripts examples
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff format src tests benchmarks scripts examples
	$(BIN)/ruff check --fix src tests benchmarks scripts examples

docs: $(VENV)/.installed
	$(BIN)/python scripts/render_docs.py

# Torch comes first and alone, so that nothing that follows can replace it. TORCH=... chooses another build or a local wheel.
# Everything else is what requirements.lock and requirements-dev.lock name, by version and hash, and nothing is taken in its place without
# being asked for: CONSTRAINTS=FILE takes other versions (/dev/null: the newest), TORCH='torch>=2.6' another torch.
OTHERWISE := (echo 'Got no $(TORCH), or not the locked versions: see above. To take others: make ... TORCH="torch>=2.6" CONSTRAINTS=/dev/null' >&2; exit 1)
PIP := $(BIN)/python -m pip install --quiet
QUICK_PIP := $(QUICK_VENV)/bin/python -m pip install --quiet
ifeq ($(CONSTRAINTS),constraints.txt)
install = $(PIP) --require-hashes --no-deps --requirement $(1)
QUICK_INSTALL = $(PYTHON) scripts/requirements.py quick > $(QUICK_VENV)/quick.lock && \
	$(QUICK_PIP) --require-hashes --no-deps --requirement $(QUICK_VENV)/quick.lock && $(QUICK_PIP) --no-deps --no-build-isolation --editable .
EDITABLE := --no-deps --no-build-isolation --editable .
else
install = $(PIP) --constraint $(CONSTRAINTS) $(2)
QUICK_INSTALL = $(QUICK_PIP) --constraint $(CONSTRAINTS) $$($(PYTHON) scripts/requirements.py without-torch) && $(QUICK_PIP) --no-deps --editable .
EDITABLE := --constraint $(CONSTRAINTS) --editable .
endif

$(VENV)/.torch:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python must be 3.11 or later. Got " + sys.version.split()[0] + ". Set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	test '$(CONSTRAINTS)' = constraints.txt || $(PIP) --upgrade pip
	$(PIP) '$(TORCH)' || $(OTHERWISE)
	touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml $(CONSTRAINTS) requirements.lock
	$(call install,requirements.lock,--group build) || $(OTHERWISE)
	$(PIP) $(EDITABLE) || $(OTHERWISE)
	touch $@

$(VENV)/.dev: $(VENV)/.installed requirements-dev.lock
	$(call install,requirements-dev.lock,--group dev) || $(OTHERWISE)
	touch $@

# The locks, from the bounds of pyproject.toml and the versions of constraints.txt. Needs uv. Torch and what it alone needs stay out.
lock:
	uv pip compile pyproject.toml --group build -c constraints.txt $(LOCKED) | $(PYTHON) scripts/requirements.py without-gpu > requirements.lock
	uv pip compile pyproject.toml --all-extras --group dev --group build -c constraints.txt -c requirements.lock $(LOCKED) | \
		$(PYTHON) scripts/requirements.py without-gpu > requirements-dev.lock

LOCKED := --generate-hashes --universal --python-version 3.11 --no-annotate --no-header --quiet

# What upcycle needs apart from torch and the packages that pull it in, and pytest.
$(QUICK_VENV)/.quick: pyproject.toml $(CONSTRAINTS) requirements.lock requirements-dev.lock
	test -x $(QUICK_VENV)/bin/python || $(PYTHON) -m venv $(QUICK_VENV)
	test -e $(VENV)/.dev || ($(QUICK_INSTALL)) || $(OTHERWISE)
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-quick build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
