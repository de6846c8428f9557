# Needs Python 3.11 or newer, with pip and venv. Everything is installed into .venv and nothing outside it.

PYTHON        ?= python3
VENV          ?= .venv
TORCH_VERSION ?= 2.13.0
TORCH_INDEX   ?=
PYTEST_ARGS   ?=
BENCH_ARGS    ?=
MUTATION_ARGS ?=
FIDELITY_ARGS ?= --forms forward

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test bench mutations operator-accuracy fidelity lint docs clean

help:
	@echo "make demo    install into $(VENV) and lint fixtures/ (no torch needed)"
	@echo "make test    install torch too, and run the whole test suite"
	@echo "make bench   measure what the plugin adds to flake8: BENCH_ARGS='--runs 3 path/to/code'"
	@echo "make mutations    plant mistakes in portable code and count which are found: MUTATION_ARGS='--list-missed path'"
	@echo "make operator-accuracy    compare the operator table with what PyTorch expects to fail on MPS: OPERATOR_ARGS='--wheels DIR'"
	@echo "make fidelity    compare what the emulated Mac refuses with what PyTorch expects to fail on MPS (1 minute)"
	@echo "make lint    flake8 over this repository's own code"
	@echo "make docs    write docs/rules/ and the table in README.md from the rules"
	@echo "make clean   remove $(VENV), build leftovers and caches"
	@echo "With another Python: make demo PYTHON=python3.12"

# A linter exits 1 when it finds something, which is what a demonstration wants; 2 is trouble and stops make.
demo: $(VENV)/.package
	$(BIN)/flake8-mps check fixtures || test $$? -eq 1
	@echo
	@echo "The same rules inside flake8, counted:"
	$(BIN)/flake8 --isolated --require-plugins flake8-mps --select MPS,E9 -qq --statistics fixtures > $(VENV)/demo.txt \
		|| test $$? -eq 1
	@cat $(VENV)/demo.txt
	@grep -qE '^[0-9]+ +MPS[0-9]{3} ' $(VENV)/demo.txt || { echo "flake8 reported nothing: it did not run the plugin"; exit 2; }
	@echo
	@echo "Next, on your own code:  $(BIN)/flake8-mps check path/to/your/code"
	@echo "What a code means:       $(BIN)/flake8-mps explain MPS102"

test: $(VENV)/.tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

bench: $(VENV)/.package
	$(BIN)/python benchmarks/bench.py $(BENCH_ARGS)

mutations: $(VENV)/.package
	$(BIN)/python benchmarks/mutations.py $(MUTATION_ARGS)

operator-accuracy: $(VENV)/.tests
	$(BIN)/python -m pip --disable-pip-version-check install --quiet pyyaml expecttest scipy
	$(BIN)/python tools/operator_accuracy.py $(OPERATOR_ARGS)

fidelity: $(VENV)/.tests
	$(PIP) install --quiet expecttest scipy
	$(BIN)/python tools/emulator_fidelity.py $(FIDELITY_ARGS)

lint: $(VENV)/.package
	$(BIN)/flake8 --isolated --max-line-length 120 --extend-ignore E203 flake8_mps rules tests tools benchmarks setup.py

docs: $(VENV)/.package
	$(BIN)/python tools/generate_docs.py

clean:
	rm -rf $(VENV) .bench build dist .pytest_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) not found. Name a Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "flake8-mps needs Python 3.11 or newer, and $(PYTHON) is" \
		"$$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.package: pyproject.toml setup.py flake8_mps/__init__.py | $(BIN)/python
	$(PIP) install --quiet --editable .
	@touch $@

$(VENV)/.torch-$(TORCH_VERSION): tools/install_torch.sh | $(BIN)/python
	@sh tools/install_torch.sh $(BIN)/python 'torch==$(TORCH_VERSION)' '$(TORCH_INDEX)'
	@touch $@

$(VENV)/.tests: $(VENV)/.package $(VENV)/.torch-$(TORCH_VERSION)
	$(PIP) install --quiet --editable '.[dev]'
	@touch $@
