# make setup | demo | test | bench | lint: each does the set-up it needs.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup
setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --constraint constraints.txt --editable ".[dev]"
	touch .venv/ready
