# Two commands do all the set-up: `make run` and `make test`. Both create .venv and install what they need.

VENV   ?= .venv
BIN    := $(VENV)/bin
PORT   ?= 8080
COUNT  ?= 10000000
.DEFAULT_GOAL := help

.PHONY: help run test bench lint fuzz-rows fuzz-core simulate campaign clean

help:
	@echo "make run        a live harvest season on real lots, with its page (PORT=$(PORT))"
	@echo "make test       install everything the tests need and run them all"
	@echo "make bench      every benchmark: ratios with a checksum of the answer (NAME=book for one)"
	@echo "make lint       style, imports and types"
	@echo "make fuzz-rows  random bytes as command rows (COUNT=$(COUNT))"
	@echo "make fuzz-core  kernel against oracle on generated commands, resumable (COUNT=$(COUNT))"
	@echo "make simulate   the whole venue from seeds (SEEDS=2000 FIRST=0), resumable by FIRST"
	@echo "make campaign   the proofs of nothing lost, resumable, summed in var/campaign (PART=flips COUNT=50000)"

$(VENV)/.run: pyproject.toml hatch_build.py gateway/web/vendor.toml
	tools/make-venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test,analytics]"
	tools/test-servers
	@touch $@

run: $(VENV)/.run
	$(BIN)/qhatu demo --port $(PORT)

test: $(VENV)/.test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

bench: $(VENV)/.test
	$(BIN)/python -m bench $(or $(NAME),--all)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fuzz-rows: $(VENV)/.test
	$(BIN)/python -m bench fuzz_rows --count $(COUNT)

fuzz-core: $(VENV)/.test
	nice $(BIN)/python -m tests.campaign --part fuzz_core --count $(shell expr \( $(COUNT) + 1999 \) / 2000)

simulate: $(VENV)/.test
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),2000) --first $(or $(FIRST),0)

campaign: $(VENV)/.test
	nice $(BIN)/python -m tests.campaign $(if $(PART),--part $(PART)) $(if $(filter command,$(firstword $(origin COUNT))),--count $(COUNT))

clean:
	rm -rf $(VENV) build dist *.egg-info var .pytest_cache .hypothesis .ruff_cache .mypy_cache gateway/web/vendor
