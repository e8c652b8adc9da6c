# Both main targets set up everything they need: a machine with Python 3.11 or newer and make will do.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN ?= runs/quickstart

.PHONY: quickstart test lint clean help

help:
	@echo "make quickstart  train a GAN on handwritten digits in a few minutes, and show the pictures"
	@echo "make test        lint, types, import rules and tests"

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

quickstart: $(VENV)/.installed
	rm -rf $(RUN)
	$(BIN)/contragan train digits/contragan --out $(RUN)
	$(BIN)/contragan sample $(RUN) --out $(RUN)/quickstart.png

lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto

clean:
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache
