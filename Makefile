# Everything starts from `make`: the first target that needs it makes .venv and installs into it.
# PYTHON chooses the interpreter (3.11 or newer), JOBS how many tests run at a time.

PYTHON ?= python3
JOBS ?= 2

BIN := .venv/bin
INSTALLED := .venv/.installed
FOLDERS := emulator controllers envs runs

.DELETE_ON_ERROR:
.PHONY: help demo test check lint types wheel docs constraints clean

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

# Decisions are charged fifty times what they take here, as of a small processor in a lamp post.
demo: $(INSTALLED) ## compare controllers on the streets of Auckland; the report is in out/demo
	$(BIN)/slotwise compare auckland -c wmmse -c beam -c wmmse:starts=10,flip=true -c max \
	  --set timing.slowdown=50 --set population.profile.sample_s=20 --seeds 4 --out out/demo

# One thread of linear algebra each: JOBS tests at a time fill the cores, and matrices are small.
# Neighbours stay together, so that few kernels are compiled in two processes at once.
test: $(INSTALLED) ## all tests but the wheel's, and some with the kernels as plain Python
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --dist worksteal
	OMP_NUM_THREADS=1 NUMBA_DISABLE_JIT=1 $(BIN)/pytest -n $(JOBS) -m interpreted

check: lint types wheel ## lint, types, generated documents, and the wheel installed elsewhere

lint: $(INSTALLED) ## rules, layout and generated documents
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python -m slotwise.runs.reference --check docs/scenarios.md
	$(BIN)/python -m slotwise.runs.environment_pages --check docs/environments

types: $(INSTALLED) $(FOLDERS:%=build/types/slotwise/%) ## strict types, tests included
	$(BIN)/mypy

wheel: $(INSTALLED) ## build the wheel, install it in an empty environment, import it there
	$(BIN)/pytest -m wheel

docs: $(INSTALLED) ## write the generated documents
	$(BIN)/python -m slotwise.runs.reference docs/scenarios.md
	$(BIN)/python -m slotwise.runs.environment_pages docs/environments

constraints: ## write constraints.txt anew from the newest releases that pyproject.toml allows
	rm -rf build/constraints && $(PYTHON) -m venv build/constraints
	build/constraints/bin/pip install --quiet 'setuptools>=77'
	build/constraints/bin/pip install --quiet --no-build-isolation --editable '.[demo,dev]'
	sed -n '/^#/p' constraints.txt > build/constraints/kept
	build/constraints/bin/pip freeze --all --exclude pip --exclude-editable \
	  | sed 's/+cpu$$//' >> build/constraints/kept
	mv build/constraints/kept constraints.txt

clean: ## remove what make and the tools made, .venv included
	rm -rf .venv build dist out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find $(FOLDERS) tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("slotwise needs Python 3.11 or newer, but $(PYTHON) is " \
	  + sys.version.split()[0] + ": make PYTHON=python3.x") if sys.version_info < (3, 11) else 0'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt setuptools
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[demo,dev]'
	touch $@

# mypy sees the four folders under their installed names through links.
build/types/slotwise/%:
	mkdir -p $(@D)
	ln -sfn ../../../$* $@
