# Needs Python 3.11 or 3.12 and make. `make help` lists what there is.
FITS := -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))'
PYTHON ?= $(or $(shell for p in python3 python3.12 python3.11; do \
  $$p $(FITS) 2>/dev/null && echo $$p && break; done),python3)
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8010
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo "sudo -n")

.PHONY: help setup setup-test system-run system-test run test lint bench train-head train-motion train-decoder clean

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) $(FITS) || \
	  { echo "Python 3.11 or 3.12 is needed ($(PYTHON) does not do); name one: make run PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --upgrade pip

$(VENV)/.run: pyproject.toml | $(BIN)/python system-run
	@echo "Installing what running needs into $(VENV); the first time this takes some minutes."
	@$(BIN)/python -m pip install -qq --editable '.[voice,client]'
	@$(BIN)/python -m pip install -qq --only-binary :all: 'pillow-heif>=1.8' 2>/dev/null || \
	  echo "HEIC pictures cannot be read here (no pillow-heif for this machine); others can."
	@touch $@

# OpenCV opens no window here, but its library does not load without these two.
system-run:
	@[ "$$(uname)" != Linux ] || { ldconfig -p | grep -q libGL.so.1 && ldconfig -p | grep -q libglib-2.0.so.0; } || \
	  { command -v apt-get >/dev/null && $(SUDO) apt-get -qq update && $(SUDO) env DEBIAN_FRONTEND=noninteractive \
	    apt-get -qq install -y --no-install-recommends libgl1 libglib2.0-0 >/dev/null; } || \
	  echo "libGL.so.1 and libglib-2.0.so.0 are missing and could not be installed; on Debian: apt-get install libgl1 libglib2.0-0"

$(VENV)/.test: pyproject.toml $(VENV)/.run
	@echo "Installing what tests and training need into $(VENV)."
	@$(BIN)/python -m pip install -qq --editable '.[voice,client,train,test,lint]'
	@$(BIN)/python -m pip install -qq --editable '.[songs]' 2>/dev/null || \
	  echo "pyworld could not be built (it needs a C++ compiler): the tests of songs will be skipped."
	@touch $@

setup: $(VENV)/.run  ## create .venv and install what running needs

setup-test: $(VENV)/.test

# The browser tests want a Chromium; it is installed from the system's packages where that is allowed.
system-test:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  { command -v apt-get >/dev/null && $(SUDO) apt-get -qq update && $(SUDO) env DEBIAN_FRONTEND=noninteractive \
	    apt-get -qq install -y --no-install-recommends chromium fonts-dejavu-core >/dev/null; } || \
	  echo "No Chromium, and it could not be installed: the browser tests will be skipped."
	@ldconfig -p | grep -q libportaudio || \
	  { command -v apt-get >/dev/null && $(SUDO) env DEBIAN_FRONTEND=noninteractive \
	    apt-get -qq install -y --no-install-recommends libportaudio2 >/dev/null; } || true

run: $(VENV)/.run  ## serve the page on http://127.0.0.1:8010 with the bundled portraits and voice
	$(BIN)/sonic-stream serve --port $(PORT)

test: $(VENV)/.test system-test  ## install what tests need, then run all of them
	$(BIN)/python -m pytest

lint: $(VENV)/.test  ## formatting, lint, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.test  ## print the tables that the README quotes
	$(BIN)/python -m bench.offline
	$(BIN)/python -m bench.motion
	$(BIN)/python -m bench.picture
	$(BIN)/python -m bench.live
	$(BIN)/python -m bench.sync
	$(BIN)/python -m bench.align

train-head: $(VENV)/.test  ## learn the head model: make train-head DATA=folder of ICT-FaceKit
	$(BIN)/python -m sonic_stream.train.head --data $(DATA)

train-motion: $(VENV)/.test  ## a small run of the motion model's recipe, in minutes
	$(BIN)/python -m sonic_stream.train.motion --quick

train-decoder: $(VENV)/.test  ## a tiny set of pairs and a tiny run of the decoder's recipe, in minutes
	$(BIN)/python -m sonic_stream.train.decoder --quick

clean:  ## remove what was built
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
