# SPDX-License-Identifier: Apache-2.0
# Every target makes the environment it needs: .venv, from constraints.txt.
PYTHON ?= python3
EXTRAS ?= sim,torch,examples,text,secure
MORE ?= synth,bitstream,schedule,hls,tvm,onnx,qat,pynq,notebook,dev
JOBS ?= 2
ARGS ?=
# What `make bitstream` builds, for which board, and how many samples go through the netlist (0: none).
BOARD ?= ulx3s
MODEL ?= digits_mlp
CHECK ?= 5

BIN := .venv/bin
STAMP := .venv/.stamp
FULL := .venv/.full
TREE := build/tree

# Scripts that measure; those that begin with _ are shared by them. The last one reads what the others have left.
MEASURED := $(sort $(wildcard bench/[!_]*.py))
LAST := bench/compress_pareto.py
BENCH ?=
CHOSEN := $(BENCH:%=bench/%.py)
METHODS := $(filter-out $(LAST),$(filter bench/compress_%,$(MEASURED))) $(wildcard $(LAST))

# All of them, even where one fails; then the target fails and names those.
define measure
@failed=; for bench in $(1); do \
	echo "== $$bench"; $(BIN)/python $$bench $(ARGS) || failed="$$failed $$bench"; \
done; test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }
endef

.DEFAULT_GOAL := help
.PHONY: help venv sim bitstream notebooks test nightly quick lint bench bench-compress wheel clean distclean

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

venv: $(FULL) ## Make the environment in .venv (PYTHON=, EXTRAS= for make sim, MORE= for the rest).

$(STAMP): pyproject.toml setup.py constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

$(FULL): $(STAMP)
	$(BIN)/pip install --quiet -c constraints.txt -e '.[$(EXTRAS),$(MORE)]'
	touch $@

sim: $(STAMP) ## Train the examples, simulate their RTL and compare (WAVES=1 records waveforms).
	$(BIN)/gatewright sim $(if $(WAVES),--waves) $(ARGS)

bitstream: $(FULL) ## Build MODEL= for BOARD=, here ulx3s, into build/; open tools need no licence (CHECK= samples).
	$(BIN)/gatewright build --board $(BOARD) $(MODEL) --check $(CHECK) $(ARGS)

notebooks: $(FULL) ## Run the notebooks on the simulated device and store their outputs (ARGS= some of them).
	$(BIN)/python tests/notebooks/execution.py $(ARGS)

test: lint $(FULL) ## All that continuous integration runs.
	$(BIN)/pytest -n $(JOBS) $(ARGS)

nightly: $(FULL) ## 35 times as many random graphs, from a new seed every day, and the tests that take minutes.
	$(BIN)/pytest -n $(JOBS) -m nightly
	GATEWRIGHT_FUZZ=3000 GATEWRIGHT_FUZZ_SEED=$$(date +%Y%m%d)00 $(BIN)/pytest -n $(JOBS) tests/sim/test_fuzz.py $(ARGS)

quick: $(FULL) ## The tests that end within two minutes.
	$(BIN)/pytest -n $(JOBS) -m 'not slow and not nightly' tests $(ARGS)

lint: $(FULL) ## Style, types, and which room may import which.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/python .ci/tree.py $(TREE)
	MYPYPATH=$(TREE) $(BIN)/mypy -p gatewright
	PYTHONPATH=$(TREE) $(BIN)/lint-imports --no-cache

bench: $(FULL) ## Measure against other generators (BENCH= one script of bench/); writes bench/results/*.md.
	$(call measure,$(or $(CHOSEN),$(filter-out bench/compress_%,$(MEASURED))))

bench-compress: $(FULL) ## Measure every compression method against its baselines (BENCH= one of them).
	$(call measure,$(or $(CHOSEN),$(METHODS)))

wheel: $(FULL) ## Build the wheel into dist/.
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean: ## Remove what was built, but not the environment.
	rm -rf build dist *.egg-info python/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

distclean: clean ## Remove the environment too.
	rm -rf .venv
