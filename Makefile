# Two commands on a fresh machine: `make run` and `make test`. Each sets up .venv by itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# On Linux the plain torch wheel of PyPI brings gigabytes of CUDA; the CPU build has its own
# index and its own version. Where that index cannot be reached and no such wheel lies at hand,
# torch is left out: nothing that serves needs it, and the tests of it say that they skip.
ifeq ($(shell uname -s),Linux)
TORCH := torch==2.13.0+cpu
else
TORCH := torch==2.13.0
endif
TORCH_INDEX := https://download.pytorch.org/whl/cpu

# its own venv, for its pins conflict with ours
SAM := .venv-sam/bin/sam

.PHONY: help setup run test check format bench compare eval eval-faces weights test-container local-s3 schema clean

help:
	@grep -E '^## ' Makefile | sed 's/^## //'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Kirei needs Python 3.11 or later: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serving: pyproject.toml | $(BIN)/python
	$(PIP) install -q -e .
	@touch $@

$(VENV)/.development: $(VENV)/.serving
	$(PIP) install -q -e ".[aws,dev,train]"
	$(PIP) install -q --no-deps --retries 1 --timeout 20 --extra-index-url $(TORCH_INDEX) "$(TORCH)" \
		&& $(PIP) install -q -e ".[torch]" \
		|| echo "torch's CPU wheel cannot be had here: what needs torch will be skipped"
	@touch $@

## make setup            .venv with all that development and training need
setup: $(VENV)/.development

## make run              draws a sample photograph into out/
run: $(VENV)/.serving
	@$(BIN)/kirei stylise samples/astronaut.jpg -o out --sheet
	@echo "The picture, its JSON and a before/after sheet are above. Yours: $(BIN)/kirei stylise PHOTO -o out"

## make test             all tests, offline
test: $(VENV)/.development
	$(BIN)/pytest

## make check            format, lint, types, tests
check: $(VENV)/.development
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest

## make format           formats and sorts imports
format: $(VENV)/.development
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

## make bench            the table of the README, measured on this machine
bench: $(VENV)/.development
	$(BIN)/python -m benchmarks.bench

## make compare          our styles beside the published networks; TEACHERS=DIR to draw with these
compare: $(VENV)/.development
	$(BIN)/python -m benchmarks.compare $(if $(TEACHERS),--teachers $(TEACHERS))

## make weights          every file of layers/weights again; DATA=DIR (photographs), TEACHERS=DIR
weights: $(VENV)/.development
	$(BIN)/python -m training.rebuild --data "$(DATA)" --teachers "$(TEACHERS)"

## make eval             what the repair of bad photos is worth; DATA=DIR of photographs
eval: $(VENV)/.development
	$(BIN)/python -m benchmarks.quality $(if $(DATA),--data $(DATA)) --sheet

## make eval-faces       what the face path is worth; DATA=DIR of photographs, TEACHERS=DIR
eval-faces: $(VENV)/.development
	$(BIN)/python -m benchmarks.faces $(if $(DATA),--data $(DATA)) $(if $(TEACHERS),--teachers $(TEACHERS))

$(SAM): | $(BIN)/python
	$(PYTHON) -m venv .venv-sam
	.venv-sam/bin/python -m pip install -q --disable-pip-version-check aws-sam-cli==1.170.0

## make test-container   builds the image and calls it as Lambda would; needs Docker
test-container: $(VENV)/.development $(SAM)
	PATH="$(CURDIR)/.venv-sam/bin:$$PATH" $(BIN)/pytest tests/container -m container

## make local-s3         an S3 in a container, for `sam local invoke`, until Ctrl-C; needs Docker
local-s3: $(VENV)/.development
	$(BIN)/python tests/container/local_s3.py

## make schema           writes pipeline/sidecar.schema.json from the dataclasses
schema: $(VENV)/.development
	$(BIN)/python -m pipeline.sidecar > sidecar.schema.part
	mv sidecar.schema.part pipeline/sidecar.schema.json

## make clean            removes what the targets above made
clean:
	rm -rf $(VENV) .venv-sam .aws-sam .cache out build
