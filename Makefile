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

# venvs of their own, for their pins conflict with ours and with each other's
SAM := .venv-sam/bin/sam
CHECKOV := .venv-checkov/bin/checkov
SUPPLY := .venv-supply/bin
EMULATOR := .venv-stack/.installed
TOOL_PIP := -m pip install -q --disable-pip-version-check

.PHONY: help setup run serve test test-heavy coverage mutants fuzz check wheel format bench bench-check compare eval eval-faces eval-looks weights gallery thumbnails corpus-formats \
	chromium test-browser test-container test-stack configure local-s3 check-template lock licences sbom audit schema \
	openapi clean

help:
	@grep -E '^## ' Makefile | sed 's/^## //'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Kirei needs Python 3.11 or later: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serving: pyproject.toml requirements/serve.txt | $(BIN)/python
	$(PIP) install -q --require-hashes -r requirements/serve.txt
	$(PIP) install -q --no-deps -e .
	@touch $@

$(VENV)/.development: $(VENV)/.serving
	$(PIP) install -q -e ".[aws,dev,train]"
	$(PIP) install -q --no-deps --retries 1 --timeout 20 --extra-index-url $(TORCH_INDEX) "$(TORCH)" \
		&& $(PIP) install -q -e ".[torch,evaluate]" \
		|| echo "torch's CPU wheel cannot be had here: what needs torch will be skipped"
	@touch $@

## make setup            .venv with all that development and training need
setup: $(VENV)/.development

## make run              draws a sample photograph into out/
run: $(VENV)/.serving
	@$(BIN)/kirei stylise samples/astronaut.jpg -o out --sheet
	@echo "The picture, its JSON and a before/after sheet are above. Yours: $(BIN)/kirei stylise PHOTO -o out"

## make serve            the HTTP API and the page at http://127.0.0.1:8000/
serve: $(VENV)/.serving
	$(BIN)/kirei serve

## make test             all tests, offline
test: $(VENV)/.development
	$(BIN)/pytest

## make check            format, lint, types, tests
check: $(VENV)/.development
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest

## make wheel            dist/: the wheel, built apart from this folder's environment
wheel: $(SUPPLY)/uv
	$(SUPPLY)/uv build --quiet --wheel --out-dir dist

## make format           formats and sorts imports
format: $(VENV)/.development
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.bench: $(VENV)/.development
	$(PIP) install -q -e ".[bench]" || echo "OpenVINO cannot be had here: it is not in the report"
	@touch $@

## make bench            the speed of everything, measured on this machine: 15 minutes, quiet ones
bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks.bench

## make bench-check      whether something is slower than in the committed report: ratios, counts
bench-check: $(VENV)/.development
	$(BIN)/python -m benchmarks.check

## make compare          our styles beside the published networks; TEACHERS=DIR to draw with these
compare: $(VENV)/.development
	$(BIN)/python -m benchmarks.compare $(if $(TEACHERS),--teachers $(TEACHERS))

## make gallery          the README's gallery, from docs/gallery/photos and samples/
gallery: $(VENV)/.development
	$(BIN)/python -m benchmarks.gallery

## make thumbnails       the pictures on the page's style cards, from samples/
thumbnails: $(VENV)/.development
	$(BIN)/python -m benchmarks.thumbnails

## make corpus-formats   docs/formats.md: what nine other programs write, drawn and compared (Debian)
corpus-formats: $(VENV)/.development
	$(BIN)/python -m benchmarks.formats

## make weights          every file of layers/weights again; DATA=DIR (photographs), TEACHERS=DIR
weights: $(VENV)/.development
	$(BIN)/python -m training.rebuild --data "$(DATA)" --teachers "$(TEACHERS)"

## make eval             what the repair of bad photos is worth; DATA=DIR of photographs
eval: $(VENV)/.development
	$(BIN)/python -m benchmarks.quality $(if $(DATA),--data $(DATA)) --sheet

## make eval-looks       how far the looks are apart, and what they do to skin; DATA=DIR of photographs
eval-looks: $(VENV)/.development
	$(BIN)/python -m benchmarks.looks $(if $(DATA),--data $(DATA))

$(VENV)/.browser: $(VENV)/.development
	$(PIP) install -q -e ".[browser]"
	@touch $@

# the system's own, for Playwright's are not made for every Linux; fonts for the Chinese pictures
chromium:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		&& apt-get update -q && apt-get install -qy chromium fonts-noto-cjk; } \
		|| { echo "no Chromium: apt-get install chromium fonts-noto-cjk"; exit 1; }

## make test-browser     the page in Chromium, against kirei serve; pictures in .cache/browser
test-browser: $(VENV)/.browser chromium
	$(BIN)/pytest tests/browser -m browser

## make eval-faces       what the face path is worth; DATA=DIR of photographs, TEACHERS=DIR
eval-faces: $(VENV)/.development
	$(BIN)/python -m benchmarks.faces $(if $(DATA),--data $(DATA)) $(if $(TEACHERS),--teachers $(TEACHERS))

$(SAM): | $(BIN)/python
	$(PYTHON) -m venv .venv-sam
	.venv-sam/bin/python $(TOOL_PIP) aws-sam-cli==1.170.0

$(CHECKOV): requirements/checkov.txt | $(BIN)/python
	$(PYTHON) -m venv .venv-checkov
	.venv-checkov/bin/python $(TOOL_PIP) --no-deps -r $<
	@touch $@

$(EMULATOR): requirements/stack.txt | $(BIN)/python
	$(PYTHON) -m venv .venv-stack
	.venv-stack/bin/python $(TOOL_PIP) --no-deps -r $<
	@touch $@

$(SUPPLY)/uv: requirements/supply.txt | $(BIN)/python
	$(PYTHON) -m venv .venv-supply
	$(SUPPLY)/python $(TOOL_PIP) --no-deps -r $<
	@touch $@

## make check-template   cfn-lint, sam validate and checkov over templates, Dockerfile and workflow
check-template: $(SAM) $(CHECKOV)
	.venv-sam/bin/cfn-lint template.yaml stacks/*.yaml
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-central-1 AWS_ACCESS_KEY_ID=none \
		AWS_SECRET_ACCESS_KEY=none AWS_EC2_METADATA_DISABLED=true $(SAM) validate --lint
	$(CHECKOV) --skip-download --compact --quiet --framework cloudformation \
		-f template.yaml stacks/*.yaml
	$(CHECKOV) --skip-download --compact --quiet --framework dockerfile -f Dockerfile
	$(CHECKOV) --skip-download --compact --quiet --framework github_actions -d .github

# torch's CPU wheel: from where pip's find-links point, else from its own index
LOCK := $(SUPPLY)/uv pip compile pyproject.toml --no-config --quiet --generate-hashes \
	--python-version 3.11 --python-platform linux --no-annotate --custom-compile-command "make lock"
WITH_TORCH := --override requirements/torch.part \
	$(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS),--extra-index-url $(TORCH_INDEX))

## make lock             all packages with their hashes, from the pins of pyproject.toml: of the image,
##                       of kirei serve, and of every extra
lock: $(SUPPLY)/uv
	$(LOCK) --extra aws -o requirements/image.txt
	$(LOCK) --extra serve -c requirements/image.txt -o requirements/serve.txt
	echo "torch==2.13.0+cpu" > requirements/torch.part
	$(LOCK) --extra aws --extra torch $(WITH_TORCH) -o requirements/image-torch.txt && \
	$(LOCK) --all-extras $(WITH_TORCH) -c requirements/image-torch.txt -o requirements/development.txt; \
		status=$$?; rm requirements/torch.part; exit $$status

## make licences         writes docs/licences.md: packages, libraries in wheels, weights
licences: $(VENV)/.development
	$(BIN)/python -m supply.licences > licences.part
	mv licences.part docs/licences.md

## make sbom             build/kirei.cdx.json: the image's bill of materials (CycloneDX), checked
sbom: $(VENV)/.development $(SUPPLY)/uv
	@mkdir -p build
	$(BIN)/python -m supply.bom > build/kirei.cdx.json
	$(SUPPLY)/python -c 'import sys; from cyclonedx.schema import SchemaVersion; \
		from cyclonedx.validation.json import JsonStrictValidator; \
		sys.exit(JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read()))' \
		< build/kirei.cdx.json

## make audit            known holes in the packages of the image; asks PyPI, names what it knows not
audit: $(SUPPLY)/uv
	@$(SUPPLY)/pip-audit --disable-pip --require-hashes -r requirements/image.txt \
		> .audit.part 2>&1; status=$$?; cat .audit.part; \
		left=$$(grep -c "^[a-z].* could not be audited" .audit.part); \
		[ "$$left" = 0 ] || echo "make audit told nothing of $$left of" \
			"$$(grep -c "^[a-z].*==" requirements/image.txt) packages: PyPI, as it is reached here, has them not"; \
		if grep -qE "ConnectionError|ServiceError|Max retries|Failed to resolve" .audit.part; \
		then echo "the list of known holes cannot be reached: make audit told nothing"; status=0; fi; \
		rm -f .audit.part; exit $$status

## make test-container   builds the image and calls it as Lambda would; needs Docker
test-container: $(VENV)/.development $(SAM)
	PATH="$(CURDIR)/.venv-sam/bin:$$PATH" $(BIN)/pytest tests/container -m container

## make test-stack       deploys the built template to an emulator of AWS and uses it; needs Docker
test-stack: $(VENV)/.browser $(SAM) $(EMULATOR) chromium
	$(BIN)/pytest tests/stack -m stack

## make configure        asks the nine questions that matter and writes samconfig.toml
configure: $(VENV)/.serving
	$(BIN)/python -m operations.configure

## make test-heavy       killed fleets and servers, 500 jobs in a row, 600 bad images, load, attacks: two hours
test-heavy: $(VENV)/.development
	$(BIN)/pytest tests -m heavy -s

## make mutants          breaks the product on purpose, line by line, and says what no test notices
mutants: $(VENV)/.development
	PYTHONPATH=$(CURDIR):$(CURDIR)/tests $(BIN)/python -m mutants.run $(WORDS)

## make coverage         which lines the tests run, of what serves and trains; at least COVERAGE in 100
coverage: $(VENV)/.development
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report

## make fuzz             odd bytes through every door, for SECONDS=60 in all; what it finds is printed
fuzz: $(VENV)/.development
	PYTHONPATH=$(CURDIR) $(BIN)/python tests/fuzz_run.py --seconds $(or $(SECONDS),60)

## make local-s3         an S3 in a container, for `sam local invoke`, until Ctrl-C; needs Docker
local-s3: $(VENV)/.development
	$(BIN)/python tests/container/local_s3.py

## make schema           writes pipeline/sidecar.schema.json from the dataclasses
schema: $(VENV)/.development
	$(BIN)/python -m pipeline.sidecar > sidecar.schema.part
	mv sidecar.schema.part pipeline/sidecar.schema.json

## make openapi          writes openapi.json from the routes' tables
openapi: $(VENV)/.development
	$(BIN)/python -m adapters.http.openapi > openapi.json.part
	mv openapi.json.part openapi.json

## make clean            removes what the targets above made
clean:
	rm -rf $(VENV) .venv-sam .venv-checkov .venv-supply .venv-stack .aws-sam .cache out build dist
