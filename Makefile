# Every target sets up what it needs: a machine with Python 3.11 or newer and make will do.

PYTHON ?= python3
VENV ?= .venv
PACKAGES ?=
RUN ?= runs/quickstart
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

.PHONY: quickstart test test-fast lint format install clean help

help:
	@echo "make quickstart  train a GAN on handwritten digits in a few minutes, and show the pictures"
	@echo "make test        lint, types, import rules and tests"
	@echo "make test-fast   the tests of losses, networks, augmentations and recipes"
	@echo "make format      format the code and sort its imports"

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PACKAGES) --editable '.[dev]'
	touch $@

install: $(VENV)/.installed

quickstart: install
	rm -rf $(RUN)
	$(BIN)/contragan train digits/contragan-eq7 --out $(RUN)
	$(BIN)/contragan sample $(RUN) --out $(RUN)/quickstart.png

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test-fast: install
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto -m "not slow" tests/augmentation tests/losses tests/models tests/recipes

test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto

clean:
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache
