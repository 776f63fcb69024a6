# Ytterby: every daily command. Each sets up all that it needs in .venv, from one pinned and hashed lock.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
WORKERS ?= 2
# One thread a process: a sum split over two threads ends in other bits (docs/decisions/0004-determinism.md).
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export NUMBA_NUM_THREADS := 1
export MPLBACKEND := Agg

.PHONY: help demo test check slow bench docs lock clean setup

help:
	@echo "make demo    simulate a cohort as DICOM and tables, run everything, say where the report is"
	@echo "make test    the whole test suite"
	@echo "make check   ruff, mypy --strict, import-linter, doctests"
	@echo "make slow    the long checks (evidence)"
	@echo "make bench   benchmarks against the peers"
	@echo "make docs    the documentation, as a folder of pages (site/)"
	@echo "make lock    renew requirements.lock (needs uv)"

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
		echo "Setting up $(VENV) with uv"; \
		uv venv --quiet --allow-existing --no-python-downloads --python "$(PYTHON)" $(VENV) && \
		uv pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock && \
		uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python -e . ; \
	else \
		echo "Setting up $(VENV) with venv and pip (a few minutes the first time)"; \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")' && \
		$(PYTHON) -m venv $(VENV) && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . ; \
	fi
	@touch $(READY)

demo: $(READY)
	$(BIN)/ytterby demo --out demo --workers $(WORKERS)

test: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow" tests

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q --doctest-modules src

slow: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) -m slow tests

bench: $(READY)
	$(BIN)/python benchmarks/environments.py
	$(BIN)/python benchmarks/run.py --note "$(NOTE)"

docs: $(READY)
	$(BIN)/mkdocs build --strict

lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--group build --group test --group check --group docs --group bench -o requirements.lock

clean:
	rm -rf demo site .mypy_cache .ruff_cache .pytest_cache .hypothesis
