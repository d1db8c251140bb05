# Two commands for newcomers: `make demo` and `make test`. Everything lives in .venv and under LIMOSA_STATE_DIR.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-checked test-compose check format protos dashboards bench bench-cpu fuzz clean help
.DEFAULT_GOAL := help

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(STAMP)  ## two nodes, one guest that writes its memory, a migration there by pre-copy and back by stop-and-copy
	$(BIN)/limosa demo

test: check  ## everything: check, the oracle without numba, the slow tests, and those that start real processes
	NUMBA_DISABLE_JIT=1 $(BIN)/pytest -n auto -m "not slow and not system" -k "plain or unicorn" tests/node/ia32
	$(BIN)/pytest -n auto -m "slow and not system and not checked" --timeout 900
	$(BIN)/pytest -n 2 --dist loadfile -m "system and not compose and not alone" --timeout 900
	$(BIN)/pytest -m "system and alone" --timeout 900

test-checked: $(STAMP)  ## random programs and guests that mean harm, every address checked (compiles for a minute first)
	$(BIN)/python -m tests.support.engine checked | tail -n 1
	$(BIN)/pytest -n auto --capture=sys -m checked # so that what ends a process can be read

test-compose: $(STAMP)  ## the cluster of docker-compose.yml under a real Docker engine (root; five minutes)
	deploy/test-compose

check: $(STAMP)  ## format, lint, types and the fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m tests.support.engine | tail -n 1
	$(BIN)/pytest -n auto -m "not slow and not system"

bench: $(STAMP)  ## the figures of README.md, measured here and now (a quarter of an hour; downloads Debian's kernels)
	$(BIN)/python -m tests.benchmarks.figures

bench-cpu: $(STAMP)  ## the CPU beside QEMU's: guest programs and stock Debian, in turn (an hour; OPTIONS='--help' tells more)
	$(BIN)/python -m tests.support.engine | tail -n 1
	$(BIN)/python -m tests.benchmarks.cpu $(OPTIONS)

fuzz: $(STAMP)  ## random programs on all engines, and guests that mean harm, for ten minutes (OPTIONS='--help' tells more)
	$(BIN)/python -m tests.support.engine | tail -n 1
	$(BIN)/python -m tests.fuzz $(OPTIONS)

format: $(STAMP)  ## put every file into the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

protos: $(STAMP)  ## regenerate the committed gRPC stubs
	$(BIN)/python -m protos.generate

dashboards: $(STAMP)  ## regenerate the committed Grafana dashboards
	$(BIN)/python -m deploy.grafana.generate

clean:  ## remove the virtual environment
	rm -rf $(VENV)

$(STAMP): pyproject.toml constraints.txt deploy/make-venv
	deploy/make-venv $(PYTHON) $(VENV)
	@touch $@
