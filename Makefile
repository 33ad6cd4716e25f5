# Two commands on a fresh machine: `make demo` and `make test`. Both make .venv on their first run and reuse it after.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo test lint gpu clean

help:
	@echo "make demo   render, convert, train and compare on synthetic data; writes demo/report.html"
	@echo "make test   the whole test suite"
	@echo "make lint   ruff and mypy"
	@echo "make gpu    on a machine with CUDA: tests, checks and benchmarks in five minutes; writes gpu-results/"
	@echo "make clean  remove .venv, demo and caches"

demo: $(STAMP)
	$(BIN)/labelforge demo --out demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# With the machine's own Python, not .venv: its PyTorch is the one built for its GPU.
gpu:
	$(PYTHON) benchmarks/gpu.py

# pip, not a faster installer: torch is pinned to the release whose CPU build the tests run on.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "labelforge needs Python 3.11 or newer; run 'make PYTHON=/path/to/python3.11 ...'"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt "torch==2.13.0"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,weights,fast,onnx]"
	@touch $(STAMP)

clean:
	rm -rf $(VENV) demo gpu-results build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
