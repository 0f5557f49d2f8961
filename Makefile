# make setup | demo | test | soak | coverage | bench | lint | wheel | docs | docs-picture | hashes | sbom | licences | audit: each does the
# set-up it needs.
PYTHON ?= python3
BIN := .venv/bin

# CPU=1: torch's wheels without CUDA, from PyTorch's own index: less than 2 GB with EXTRAS=faces.
# (A version such as 2.14.1+cpu is that of constraints.txt to pip, and is taken before the one on PyPI.)
CPU ?=
CPU_INDEX := https://download.pytorch.org/whl/cpu
EXTRAS := dev
# pip would compile on one core.
PIP_INSTALL = $(BIN)/pip install --progress-bar off --no-compile --constraint constraints.txt $(if $(CPU),--extra-index-url $(CPU_INDEX)) \
  --editable ".[$(EXTRAS)]"
# For less than 2 GB nothing is compiled before it is used. Some packages have templates that are no Python.
COMPILE = $(if $(CPU),true,$(BIN)/python -m compileall -qq -j 0 .venv/lib)

# Processes keep what they compile of the project, also where the environment says not to: tests start hundreds of them.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup
setup: .venv/ready
	@echo ".venv is ready. Next:"
	@echo "  make demo                    the whole way on the sample, then a page to click at"
	@echo "  $(BIN)/beholder doctor    what this machine has and lacks"
	@echo "  $(BIN)/beholder           all commands"

# pip's own words go to a log; what it is at is shown on one line of a terminal, or on a line every half minute.
.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "Python 3.11 or newer is needed, and $(PYTHON) is older: make setup PYTHON=python3.12"; exit 1; }
	@echo "Setting up .venv: some gigabytes are downloaded and unpacked, which takes minutes. The log is .venv/setup.log."
	@$(PYTHON) -m venv .venv
	@( $(BIN)/pip install --upgrade pip && $(PIP_INSTALL) && { $(COMPILE) || true; } ) > .venv/setup.log 2>&1 & pip=$$!; seconds=0; \
	trap 'kill $$pip 2> /dev/null; exit 130' INT TERM; \
	while kill -0 $$pip 2> /dev/null; do \
	  sleep 1; seconds=$$((seconds + 1)); \
	  line=$$(grep -E '^ *(Collecting|Downloading|Using cached|Building|Preparing|Installing)' .venv/setup.log | tail -n 1 | cut -c 1-60); \
	  if [ -t 1 ]; then printf '\r%4d s  %-62s' $$seconds "$$line"; \
	  elif [ $$((seconds % 30)) = 0 ]; then echo "$$seconds s  $$line"; fi; \
	done; \
	if [ -t 1 ]; then printf '\r%-70s\r' ''; fi; \
	wait $$pip || { tail -n 20 .venv/setup.log; echo "The set-up stopped here; .venv/setup.log has all of it."; exit 1; }
	@touch .venv/ready

# Later targets use the same words as the README. BEHOLDER_SHARED holds data for tests and benchmarks that can't ship with the project.
BEHOLDER_SHARED ?= ../shared
BENCH_IMAGES := $(wildcard $(BEHOLDER_SHARED)/data/omi/images)

.PHONY: demo
demo: .venv/ready
	$(BIN)/beholder demo $(ARGS)

# The page's tests drive a real browser, which comes from the system's packages.
.PHONY: browser
browser:
	@command -v chromium || command -v chromium-browser || command -v google-chrome \
	|| { [ "$$(id -u)" = 0 ] && apt-get update --quiet=2 && apt-get install --quiet=2 --yes --no-install-recommends chromium; } \
	|| echo "No Chromium here, and no apt-get to fetch it: install it, or run $(BIN)/playwright install chromium; tests/browser needs it."

# Style, types, then every test: units on all cores, one for each process, where a warning is an error; the others two files at a time
# and may warn, since they start services of their own, which wait much. Not reordered: files of few
# tests, such as the demo, which takes longest, would begin last.
.PHONY: test
test: .venv/ready browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/unit --numprocesses=auto --durations=15 $(ARGS)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/integration tests/browser -W default --numprocesses=2 --dist=loadfile --no-loadscope-reorder --durations=15 $(ARGS)

# What takes long: tests marked so, broken files of every kind for five minutes each, requests made up from the API's description for
# ten minutes, jobs and replicas killed under load.
.PHONY: soak
soak: .venv/ready
	$(BIN)/python -m pytest tests -m soak -W default $(ARGS)
	BEHOLDER_FUZZ_SECONDS=600 $(BIN)/python -m pytest tests/integration/test_made_up_requests.py --timeout=1800 $(ARGS)
	$(BIN)/beholder bench serve seconds=10 chaos=300
	$(BIN)/beholder bench chaos

# Which lines the units run; fails below the floor in pyproject.toml.
.PHONY: coverage
coverage: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/unit --numprocesses=auto --cov --cov-report=term $(ARGS)

.PHONY: bench
bench: .venv/ready
	$(BIN)/beholder bench embed $(if $(BENCH_IMAGES),images=$(BENCH_IMAGES)) $(ARGS)
	$(BIN)/beholder bench bayes
	$(BIN)/beholder bench editor
	$(BIN)/beholder evaluate portraits "parts=[speed]"

.PHONY: lint
lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: wheel
wheel: .venv/ready
	$(BIN)/python -m build --wheel --outdir dist

# The pages of docs/ and the generated reference as a site that needs no network: site/index.html. ARGS=--serve shows it on loopback.
.PHONY: docs
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs $(if $(filter --serve,$(ARGS)),serve,build --quiet)
	@test -n "$(ARGS)" || echo "The documents: $(CURDIR)/site/index.html"

.PHONY: docs-picture
docs-picture: .venv/ready
	$(BIN)/python docs/draw_architecture.py
	$(BIN)/python docs/draw_overview.py

# What the project stands on: hashes of the files of constraints.txt, a list of all that is installed (CycloneDX), their licences, and
# what is known against them. The tools have an environment of their own.
TOOLS := .venv-tools
$(TOOLS)/ready: Makefile
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet uv==0.13.9 cyclonedx-bom==7.5.0 pip-audit==2.10.1
	touch $(TOOLS)/ready

.PHONY: hashes
hashes: $(TOOLS)/ready
	{ sed -n '/^#/p' requirements-hashed.txt; $(TOOLS)/bin/uv pip compile pyproject.toml --extra dev --constraint constraints.txt \
	  --generate-hashes --universal --python-version 3.11 --no-header --no-annotate --quiet; } > requirements-hashed.new
	mv requirements-hashed.new requirements-hashed.txt

.PHONY: sbom
sbom: .venv/ready $(TOOLS)/ready
	mkdir -p dist
	$(TOOLS)/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --mc-type application --of JSON \
	  --output-file dist/beholder.cdx.json

.PHONY: licences
licences: .venv/ready
	$(BIN)/python docs/list_licences.py

# pip-audit passes over what it could not ask about, so it is first asked about a release with known holes: where it does not know
# them, it knows nothing.
.PHONY: audit
audit: $(TOOLS)/ready
	@echo "pillow==12.2.0" > $(TOOLS)/known.txt
	@if $(TOOLS)/bin/pip-audit --requirement $(TOOLS)/known.txt --no-deps --disable-pip --format json 2> /dev/null | grep -q '"fix_versions"'; \
	then $(TOOLS)/bin/pip-audit --requirement requirements-hashed.txt --no-deps --disable-pip --strict; \
	else echo "audit skipped: the advisories can't be reached (nothing is known against pillow 12.2.0, which has known holes)"; fi
