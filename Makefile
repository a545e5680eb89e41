# PilotLens. `make` alone lists what can be made.

PYTHON ?= python3
PORT ?= 8080
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check --quiet install --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test check bench train format clean system

help: ## list the targets
	@echo "PilotLens — what a self-driving car's pilot looks at, live"; echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

demo: $(VENV)/demo ## drive a simulated car with the bundled pilot and show it in the browser; Ctrl-C stops
	@exec $(RUN) -m host.demo --port $(PORT)

test: $(VENV)/test system ## run every test
	@$(RUN) -m pytest

check: $(VENV)/check ## lint, formatting and types
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy

bench: $(VENV)/test ## measure the figures of the README; writes .bench/latest.json
	@$(RUN) -m tests.bench

train: $(VENV)/convert ## train the bundled pilot anew (TensorFlow, some twenty minutes)
	@$(RUN) -m models train --out models/pilot.tflite

format: $(VENV)/check ## put every file into the project's form
	@$(RUN) -m ruff format .
	@$(RUN) -m ruff check --fix .

clean: ## remove the virtual environment and everything made
	rm -rf $(VENV) .bench .pytest_cache .mypy_cache .ruff_cache dist

# Debian's browser and network tools, for the tests that use them; without them those tests are skipped and say so.
system:
	@sh tests/system.sh

$(RUN):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "PilotLens needs Python 3.11 or newer; name one: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "Python cannot make a virtual environment; on Debian: sudo apt install python3-venv" >&2; exit 1; }

$(VENV)/demo: EXTRAS = edge,host
$(VENV)/test: EXTRAS = edge,host,test
$(VENV)/check: EXTRAS = edge,host,test,check
$(VENV)/convert: EXTRAS = edge,convert
$(VENV)/demo $(VENV)/test $(VENV)/check $(VENV)/convert: pyproject.toml constraints.txt | $(RUN)
	@echo "Installing into $(VENV) ($(EXTRAS)) …"
	@$(PIP) --editable '.[$(EXTRAS)]'
	@touch $@
