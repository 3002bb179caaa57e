# The front door. `make help` lists what there is.
PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
RECIPE  ?= tiny
ROOT    ?= data
RUN     ?= runs/$(basename $(notdir $(RECIPE)))
# One process keeps little more than one core busy; two share each step (docs/decisions/0197-two-processes.md).
RANKS   ?= $(if $(wildcard /proc/driver/nvidia/version),1,2)
# A process a core, each with one thread: two that both use all cores would fight for them.
PYTEST  := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup pretrain demo claims test check bench docs floors newest clean

help:  ## what each target does
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 16

setup: $(READY)  ## make .venv with the pinned packages (CPU torch unless there is an NVIDIA driver)

$(READY): pyproject.toml .ci/constraints.txt .ci/setup .ci/torch
	bash .ci/setup $(PYTHON) $(VENV)
	@touch $@

pretrain: $(READY)  ## ingest what the recipe names, train, evaluate, report: RECIPE=tiny ROOT=data RUN=runs/tiny RANKS=2
	@$(BIN)/walrus-pretrain $(RECIPE) --root $(ROOT) --out $(RUN) --ranks $(RANKS)

demo: $(READY)  ## the model to show: `tiny` with a third block, trained for up to an hour; runs/demo-half has it in half precision, with a card
	@$(BIN)/walrus-pretrain demo --root $(ROOT) --out runs/demo --ranks $(RANKS)
	@$(BIN)/walrus-convert runs/demo --to runs/demo-half --half

claims: pretrain  ## claims of the paper in small, each with a verdict, from the run of `make pretrain`: half an hour
	@$(BIN)/python docs/claims.py $(RUN) --root $(ROOT) --out runs/claims

test: $(READY)  ## all tests
	$(PYTEST)

check: $(READY)  ## ruff, mypy --strict, fast tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) -m "not slow"

bench: $(READY)  ## build, loader, network and groups, each next to what it is compared with: docs/benchmarks.md
	$(BIN)/python tests/bench/bench_build.py
	$(BIN)/python tests/bench/bench_loader.py
	$(BIN)/python tests/bench/bench_model.py
	$(BIN)/python tests/bench/bench_grouping.py

docs: $(READY)  ## draw the pictures of the pages again, then write the site build/site; a broken link is an error
	$(BIN)/python docs/architecture.py
	$(BIN)/python docs/patch_jitter.py
	$(BIN)/python -m pip install --quiet -c .ci/constraints.txt -e '.[docs]'
	$(BIN)/sphinx-build -q -W --keep-going docs build/site

floors:  ## fast tests with the lowest versions that pyproject.toml allows
	bash .ci/versions $(PYTHON) .venv-floors lowest-direct

newest:  ## fast tests with the newest versions that pyproject.toml allows: gigabytes, as torch is the CUDA build
	bash .ci/versions $(PYTHON) .venv-newest highest

clean:  ## remove the environment and the caches; data and runs stay
	rm -rf $(VENV) .venv-floors .venv-newest .mypy_cache .ruff_cache .pytest_cache
