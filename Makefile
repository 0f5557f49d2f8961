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

# Later targets use the same words as the README. BEHOLDER_SHARED holds data for tests and benchmarks that can't ship with the project.
BEHOLDER_SHARED ?= ../shared
BENCH_IMAGES := $(wildcard $(BEHOLDER_SHARED)/data/omi/images)

.PHONY: demo
demo: setup
	$(BIN)/beholder demo $(ARGS)

.PHONY: test
test: setup
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/unit tests/integration $(ARGS)

.PHONY: bench
bench: setup
	$(BIN)/beholder bench embed $(if $(BENCH_IMAGES),images=$(BENCH_IMAGES)) $(ARGS)
	$(BIN)/beholder bench bayes
	$(BIN)/beholder bench editor
	$(BIN)/beholder evaluate portraits "parts=[speed]"

.PHONY: lint
lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: wheel
wheel: setup
	$(BIN)/python -m build --wheel --outdir dist
