# Everything that setting up takes: Python 3.10 or newer, a C++17 compiler and a package index.
#   make demo    trains the digits example
#   make test    runs the tests; with PYTEST_FLAGS="-n 2" the long ones too
# VENV=FOLDER chooses the virtual environment, PYTHON=COMMAND the interpreter it is made with.

VENV ?= .venv
PYTHON ?= python3
PYTEST_FLAGS ?= -n 2 -m "not slow"

override VENV := $(abspath $(VENV))
export PATH := $(VENV)/bin:$(PATH)

.PHONY: demo test clean

demo: $(VENV)/.sncc-installed
	mkdir -p build
	sncc train examples/digits/digits.snn --data digits --save build/digits.npz

test: $(VENV)/.sncc-installed-test
	python -m pytest $(PYTEST_FLAGS)

$(VENV)/.sncc-installed: pyproject.toml | $(VENV)/bin/python
	python -m pip install --quiet -e .
	touch $@

$(VENV)/.sncc-installed-test: pyproject.toml | $(VENV)/bin/python
	python -m pip install --quiet -e '.[test]'
	touch $@ $(VENV)/.sncc-installed

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf build dist *.egg-info
