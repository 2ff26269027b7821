# Two commands on a fresh machine: `make run` and `make test`. Each sets up .venv by itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# On Linux, PyPI's torch wheel brings gigabytes of CUDA; the CPU build has its own index and its own
# version. If that index cannot be reached and no such wheel is at hand, torch is left out: nothing
# that serves needs it, and its tests are skipped by name.
ifeq ($(shell uname -s),Linux)
TORCH := torch==2.13.0+cpu
else
TORCH := torch==2.13.0
endif
TORCH_INDEX := https://download.pytorch.org/whl/cpu

# These have virtual environments of their own: their pins conflict with ours and with each other's.
SAM := .venv-sam/bin/sam
CHECKOV := .venv-checkov/bin/checkov
SUPPLY := .venv-supply/bin
EMULATOR := .venv-stack/.installed
DOCS := .venv-docs/bin
TOOL_PIP := -m pip install -q --disable-pip-version-check

.PHONY: help setup run serve test test-heavy coverage mutants fuzz check wheel test-wheel format bench bench-check compare eval eval-faces eval-clips eval-portraits eval-looks eval-lineart weights gallery demo docs thumbnails examples corpus-formats \
	chromium test-browser test-container test-stack configure local-s3 check-template lock licences parameters sbom audit schema \
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

# The lock of every extra, requirements/development.txt, is read in parts: what always belongs to
# development, torch, and what only `make bench` and `make test-browser` need.
TORCH_PACKAGES := torch|torchmetrics
BENCH_PACKAGES := openvino|openvino-telemetry
BROWSER_PACKAGES := playwright|axe-playwright-python|pyee|greenlet
locked = awk '/^[^ ]/ { $(1) } !skip' requirements/development.txt > $@.part
only = $(call locked,skip = !/^($(1))==/)
INSTALL_LOCKED = $(PIP) install -q --no-deps --require-hashes -r $@.part

# The lock was made for Python 3.11 on Linux: `pip check` finds what another Python or system needs
# beside it, and that comes by its pin.
$(VENV)/.development: requirements/development.txt $(VENV)/.serving
	$(call locked,skip = /^($(TORCH_PACKAGES)|$(BENCH_PACKAGES)|$(BROWSER_PACKAGES))==/)
	($(INSTALL_LOCKED) && $(PIP) check -q) || $(PIP) install -q -e ".[aws,clips,dev,train]"
	$(call only,$(TORCH_PACKAGES))
	$(INSTALL_LOCKED) --retries 1 --timeout 20 --extra-index-url $(TORCH_INDEX) \
		|| ($(PIP) install -q --no-deps --retries 1 --timeout 20 --extra-index-url $(TORCH_INDEX) "$(TORCH)" \
			&& $(PIP) install -q -e ".[torch,evaluate]") \
		|| echo "torch's CPU wheel is not available here: tests that need torch will be skipped"
	@rm -f $@.part
	@touch $@

## make setup            create .venv with everything that development and training need, by hash
setup: $(VENV)/.development

## make run              draw a sample photograph into out/
run: $(VENV)/.serving
	@$(BIN)/kirei stylise samples/astronaut.jpg -o out --sheet
	@echo "The picture, its JSON and a before/after sheet are above. Yours: $(BIN)/kirei stylise PHOTO -o out"

## make serve            serve the HTTP API and the page at http://127.0.0.1:8000/
serve: $(VENV)/.serving
	$(BIN)/kirei serve

# A file's tests stay in one process: they share what they drew. More processes would cost more
# memory than they save time.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile

## make test             run the tests, offline
test: $(VENV)/.development
	$(BIN)/pytest $(PARALLEL)

## make check            check format, lint and types, and run the tests
check: $(VENV)/.development
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest $(PARALLEL)

## make wheel            build the wheel in dist/, in an isolated environment
wheel: $(SUPPLY)/uv
	rm -rf build/lib  # setuptools would pack what an earlier build left there
	$(SUPPLY)/uv build --quiet --wheel --out-dir dist

## make test-wheel       build the wheel, and try it in fresh environments of each Python that is here
test-wheel: $(VENV)/.development $(SUPPLY)/uv
	$(BIN)/pytest tests/wheel -m wheel

## make format           format the code and sort imports
format: $(VENV)/.development
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.bench: $(VENV)/.development
	$(call only,$(BENCH_PACKAGES))
	$(INSTALL_LOCKED) || echo "OpenVINO is not available here: it is not in the report"
	@rm -f $@.part
	@touch $@

## make bench            measure all speeds on this machine, which must be idle: 15 minutes; TEACHERS=DIR
##                       to run AnimeGANv3 beside
bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks.bench $(if $(TEACHERS),--teachers $(TEACHERS))

## make bench-check      check ratios and counts against the committed report
bench-check: $(VENV)/.development
	$(BIN)/python -m benchmarks.check

## make compare          compare the styles with the published networks; TEACHERS=DIR to run these
compare: $(VENV)/.development
	$(BIN)/python -m benchmarks.compare $(if $(TEACHERS),--teachers $(TEACHERS))

## make gallery          draw docs/gallery, from its photos and samples/
gallery: $(VENV)/.development
	$(BIN)/python -m benchmarks.gallery

## make demo             make docs/demo.webp, the README's picture that moves, of the same photographs
demo: $(VENV)/.development
	$(BIN)/python -m benchmarks.demo

## make thumbnails       draw the pictures on the page's style cards, from samples/
thumbnails: $(VENV)/.development
	$(BIN)/python -m benchmarks.thumbnails

## make examples         make the example photographs and drawings of the pages' invitations
examples: $(VENV)/.development
	$(BIN)/python -m benchmarks.examples
	$(BIN)/python -m benchmarks.drawings

## make corpus-formats   write docs/formats.md: files of nine other programs, drawn and compared (Debian)
corpus-formats: $(VENV)/.development
	$(BIN)/python -m benchmarks.formats

## make weights          make every file of layers/weights again; DATA=DIR (photographs), TEACHERS=DIR
weights: $(VENV)/.development
	$(BIN)/python -m training.rebuild --data "$(DATA)" --teachers "$(TEACHERS)"

## make eval             measure how much restoration improves bad photos; DATA=DIR of photographs
eval: $(VENV)/.development
	$(BIN)/python -m benchmarks.quality $(if $(DATA),--data $(DATA)) --sheet

## make eval-looks       measure how different the looks are, and what they do to skin; DATA=DIR of photographs
eval-looks: $(VENV)/.development
	$(BIN)/python -m benchmarks.looks $(if $(DATA),--data $(DATA))

## make eval-lineart     measure the colouring of line drawings; DATA=DIR of photographs and illustrations
eval-lineart: $(VENV)/.development
	$(BIN)/python -m benchmarks.lineart --data "$(DATA)" $(if $(PICTURES),--pictures $(PICTURES))

$(VENV)/.browser: $(VENV)/.development
	$(call only,$(BROWSER_PACKAGES))
	$(INSTALL_LOCKED)
	@rm -f $@.part
	@touch $@

# The system's own Chromium: Playwright's builds do not run on every Linux. The fonts are for the
# pictures in Chinese.
chromium:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		&& apt-get update -q && apt-get install -qy chromium fonts-noto-cjk; } \
		|| { echo "Chromium is missing: apt-get install chromium fonts-noto-cjk"; exit 1; }

## make test-browser     test the page in Chromium, with kirei serve; pictures in .cache/browser
test-browser: $(VENV)/.browser chromium
	$(BIN)/pytest tests/browser -m browser

## make eval-faces       measure how much the face stages improve; DATA=DIR of photographs, TEACHERS=DIR
eval-faces: $(VENV)/.development
	$(BIN)/python -m benchmarks.faces $(if $(DATA),--data $(DATA)) $(if $(TEACHERS),--teachers $(TEACHERS))
	$(if $(DATA),$(BIN)/python -m benchmarks.counted_faces --data $(DATA))

## make eval-clips       measure how steady drawn clips are, and what they cost; DATA=DIR, LONG=1 for a minute
eval-clips: $(VENV)/.development
	$(BIN)/python -m benchmarks.clips $(if $(DATA),--data $(DATA)) $(if $(LONG),--long)

## make eval-portraits   measure the face looks and the face restorer; DATA=DIR of photographs, TEACHERS=DIR
eval-portraits: $(VENV)/.development
	$(BIN)/python -m benchmarks.portraits --data "$(DATA)" $(if $(TEACHERS),--teachers $(TEACHERS))
	$(BIN)/python -m benchmarks.selfies $(if $(DATA),--data $(DATA))

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

$(DOCS)/mkdocs: requirements/docs.txt | $(BIN)/python
	$(PYTHON) -m venv .venv-docs
	$(DOCS)/python $(TOOL_PIP) --no-deps -r $<
	@touch $@

# Without --quiet: mkdocs would count no warnings then, and --strict would mean nothing.
## make docs             build the documentation in build/site; a link that leads nowhere is an error
docs: $(DOCS)/mkdocs
	$(DOCS)/python -m supply.site build/site-pages
	NO_MKDOCS_2_WARNING=1 $(DOCS)/mkdocs build --strict
	@echo "build/site/index.html"

## make check-template   run cfn-lint, sam validate and checkov on templates, Dockerfile and workflows
check-template: $(SAM) $(CHECKOV)
	.venv-sam/bin/cfn-lint template.yaml stacks/*.yaml
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-central-1 AWS_ACCESS_KEY_ID=none \
		AWS_SECRET_ACCESS_KEY=none AWS_EC2_METADATA_DISABLED=true $(SAM) validate --lint
	$(CHECKOV) --skip-download --compact --quiet --framework cloudformation \
		-f template.yaml stacks/*.yaml
	$(CHECKOV) --skip-download --compact --quiet --framework dockerfile -f Dockerfile
	$(CHECKOV) --skip-download --compact --quiet --framework github_actions -d .github

# torch's CPU wheel comes from pip's find-links, or from its own index.
LOCK := $(SUPPLY)/uv pip compile pyproject.toml --no-config --quiet --generate-hashes \
	--python-version 3.11 --python-platform linux --no-annotate --custom-compile-command "make lock"
# uv overlooks that the later versions of backports-strenum are not for Python 3.11
WITH_TORCH := --override requirements/torch.part --constraint requirements/constraints.in \
	$(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS),--extra-index-url $(TORCH_INDEX))

## make lock             lock all packages with their hashes, within the ranges of pyproject.toml: for
##                       the image, for the command line, and for all extras
lock: $(SUPPLY)/uv
	$(LOCK) --extra aws --extra clips -o requirements/image.txt
	$(LOCK) --extra clips -c requirements/image.txt -o requirements/serve.txt
	echo "torch==2.13.0+cpu" > requirements/torch.part
	$(LOCK) --extra aws --extra clips --extra torch $(WITH_TORCH) -o requirements/image-torch.txt && \
	$(LOCK) --all-extras $(WITH_TORCH) -c requirements/image-torch.txt -o requirements/development.txt; \
		status=$$?; rm requirements/torch.part; exit $$status

## make licences         write docs/licences.md: packages, libraries in wheels, weights
licences: $(VENV)/.development
	$(BIN)/python -m supply.licences > licences.part
	mv licences.part docs/licences.md

## make parameters       write docs/parameters.md: the stack's parameters and outputs
parameters: $(VENV)/.development
	$(BIN)/python -m supply.parameters > parameters.part
	mv parameters.part docs/parameters.md

## make sbom             write build/kirei.cdx.json, the image's bill of materials (CycloneDX), and check it
sbom: $(VENV)/.development $(SUPPLY)/uv
	@mkdir -p build
	$(BIN)/python -m supply.bom > build/kirei.cdx.json
	$(SUPPLY)/python -c 'import sys; from cyclonedx.schema import SchemaVersion; \
		from cyclonedx.validation.json import JsonStrictValidator; \
		sys.exit(JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read()))' \
		< build/kirei.cdx.json

## make audit            check locked packages for known vulnerabilities; list those PyPI has no data for
audit: $(SUPPLY)/uv
	@$(SUPPLY)/pip-audit --disable-pip --require-hashes -r requirements/image.txt \
		> .audit.part 2>&1; status=$$?; cat .audit.part; \
		left=$$(grep -c "^[a-z].* could not be audited" .audit.part); \
		[ "$$left" = 0 ] || echo "make audit could not check $$left of" \
			"$$(grep -c "^[a-z].*==" requirements/image.txt) packages: PyPI has no data for them here"; \
		if grep -qE "ConnectionError|ServiceError|Max retries|Failed to resolve" .audit.part; \
		then echo "the list of vulnerabilities cannot be reached: make audit checked nothing"; status=0; fi; \
		rm -f .audit.part; exit $$status

## make test-container   build the image and call it as Lambda does; needs Docker
test-container: $(VENV)/.development $(SAM)
	PATH="$(CURDIR)/.venv-sam/bin:$$PATH" $(BIN)/pytest tests/container -m container

## make test-stack       deploy the built template to an emulator of AWS and use it; needs Docker
test-stack: $(VENV)/.browser $(SAM) $(EMULATOR) chromium
	$(BIN)/pytest tests/stack -m stack

## make configure        ask the nine questions that matter and write samconfig.toml
configure: $(VENV)/.serving
	$(BIN)/python -m operations.configure

## make test-heavy       kill fleets and servers, 500 jobs in a row, 600 bad images, load, attacks: two hours
test-heavy: $(VENV)/.development
	$(BIN)/pytest tests -m heavy -s

## make mutants          break the product on purpose, line by line, and list what no test notices
mutants: $(VENV)/.development
	PYTHONPATH=$(CURDIR) $(BIN)/python -m tests.mutants.run $(WORDS)

## make coverage         which lines the tests run of what serves and trains; fails under a floor
coverage: $(VENV)/.development
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report

## make fuzz             send malformed input to every entry point, SECONDS=60 in all; print what fails
fuzz: $(VENV)/.development
	PYTHONPATH=$(CURDIR):$(CURDIR)/tests/adapters:$(CURDIR)/tests/pipeline $(BIN)/python tests/support/fuzz_run.py --seconds $(or $(SECONDS),60)

## make local-s3         run an S3 in a container, for `sam local invoke`, until Ctrl-C; needs Docker
local-s3: $(VENV)/.development
	$(BIN)/python tests/container/local_s3.py

## make schema           write pipeline/{sidecar,colour}.schema.json from the dataclasses
schema: $(VENV)/.development
	$(BIN)/python -m pipeline.sidecar > sidecar.schema.part
	mv sidecar.schema.part pipeline/sidecar.schema.json
	$(BIN)/python -m pipeline.sidecar colour > colour.schema.part
	mv colour.schema.part pipeline/colour.schema.json

## make openapi          write openapi.json from the routes' tables
openapi: $(VENV)/.development
	$(BIN)/python -m adapters.http.openapi > openapi.json.part
	mv openapi.json.part openapi.json

## make clean            remove everything that the targets above made
clean:
	rm -rf $(VENV) .venv-sam .venv-checkov .venv-supply .venv-stack .venv-docs .aws-sam .cache out build dist
