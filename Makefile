# Two commands matter: `make run` starts the service, `make test` proves it.
PYTHON ?= python3
VENV   ?= .venv
PORT   ?= $(or $(CDS_PORT),8080)
FHIR_PORT ?= 8081
HAPI_PORT ?= 8082
WORKBENCH ?= yes
BIN     = $(VENV)/bin
SERVICE = $(BIN)/cds-service

.DEFAULT_GOAL := help
.PHONY: help setup run sandbox hapi test check quick golden bench docs conformance-docs lock floors audit advisories sbom clean

help:  ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

# The locked set is reinstalled only when a lock file or pyproject.toml is newer than the mark.
$(VENV)/run.mark: requirements/run.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/test.mark: requirements/test.txt $(VENV)/run.mark
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/test.txt
	@touch $@

setup: $(VENV)/test.mark  ## create .venv and install the locked set, test tools included

run: $(VENV)/run.mark  ## start the service on http://127.0.0.1:8080 (PORT changes it)
	CDS_WORKBENCH=$(WORKBENCH) CDS_PORT=$(PORT) $(SERVICE) serve

sandbox: $(VENV)/run.mark  ## the service with a FHIR server of example patients, without Docker; needs npm
	@$(BIN)/python -m sandbox --port $(PORT) --fhir-port $(FHIR_PORT)

hapi:  ## HAPI FHIR, empty, on http://127.0.0.1:8082/fhir (HAPI_PORT changes it), without Docker; needs Maven
	cd sandbox/hapi && mvn --quiet --batch-mode --no-transfer-progress compile exec:java -Dexec.args=$(HAPI_PORT)

test: setup  ## everything that must hold: style, types, import rules, plans, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(SERVICE) lint plan_definitions
	$(SERVICE) test plan_definitions --coverage
	$(BIN)/pytest -q -n auto --dist loadfile
	TZ=America/New_York $(BIN)/pytest -q -n auto --dist loadfile -m "not slow" tests/fhirpath tests/engine tests/hooks
	TZ=Europe/Amsterdam $(BIN)/pytest -q -n auto --dist loadfile -m "not slow" tests/fhirpath tests/engine tests/hooks

check: test  ## another name for test

quick: setup  ## style and the fast tests
	$(BIN)/ruff check .
	$(BIN)/pytest -q -m "not slow" tests/fhirpath tests/engine tests/hooks

golden: setup  ## rewrite the golden answers, docs/guideline.md and the collection; read the diff as a clinician would
	$(BIN)/pytest -q tests/golden --write-golden

bench: setup  ## ratios against named references, in one run
	$(BIN)/python -m bench

docs: setup  ## the documentation as a site: docs/_build/index.html
	$(BIN)/sphinx-build -q -W -b html docs docs/_build

conformance-docs: setup  ## which test proves which requirement: docs/conformance.md
	$(BIN)/python tests/conformance/evidence.py > docs/conformance.md

lock:  ## remake the hash-locked requirement files
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet pip-tools
	$(VENV)-lock/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	  --no-emit-find-links --no-emit-index-url --no-emit-trusted-host \
	  --extra postgresql --extra build --output-file requirements/run.txt pyproject.toml
	$(VENV)-lock/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	  --no-emit-find-links --no-emit-index-url --no-emit-trusted-host \
	  --extra postgresql --extra build --extra telemetry --extra parquet \
	  --extra spark --extra docs --extra test --constraint requirements/run.txt \
	  --output-file requirements/test.txt pyproject.toml
	$(VENV)-lock/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	  --no-emit-find-links --no-emit-index-url --no-emit-trusted-host \
	  --output-file requirements/audit.txt requirements/audit.in
	$(VENV)-lock/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	  --no-emit-find-links --no-emit-index-url --no-emit-trusted-host \
	  --output-file requirements/advisories.txt requirements/advisories.in
	rm -rf $(VENV)-lock

# The oldest versions that pyproject.toml allows of what the service is built on; tools are the newest.
floors:  ## test with the oldest versions that pyproject.toml allows
	$(PYTHON) -m venv $(VENV)-floors
	grep -oE '"[a-z][a-z.-]+(\[[a-z]+\])?>=[0-9.]+"' pyproject.toml | grep -v setuptools | tr -d '"' | sed 's/>=/==/' > $(VENV)-floors/floors.txt
	$(VENV)-floors/bin/pip install --quiet --disable-pip-version-check --requirement $(VENV)-floors/floors.txt --editable '.[test]'
	$(VENV)-floors/bin/pytest -q -n auto --dist loadfile tests/hooks tests/engine tests/store tests/web tests/contract/test_calls.py

$(VENV)-audit/mark: requirements/audit.txt
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/audit.txt
	@touch $@

audit: $(VENV)-audit/mark  ## look for unsafe code: bandit, and semgrep with our own rules where it is installed
	$(VENV)-audit/bin/bandit --quiet --configfile pyproject.toml --recursive cds_service
	! command -v semgrep >/dev/null || semgrep scan --quiet --error --metrics off --disable-version-check --config .semgrep cds_service

$(VENV)-advisories/mark: requirements/advisories.txt
	$(PYTHON) -m venv $(VENV)-advisories
	$(VENV)-advisories/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/advisories.txt
	@touch $@

# Strict: without it a library that could not be looked up counts as one without holes.
advisories: $(VENV)-advisories/mark  ## ask pypi.org for known holes in the locked libraries (pip-audit); fails where it cannot
	$(VENV)-advisories/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements/run.txt

sbom: $(VENV)-audit/mark  ## the software bill of materials (CycloneDX): build/sbom.json
	@mkdir -p build
	$(VENV)-audit/bin/cyclonedx-py requirements requirements/run.txt --pyproject pyproject.toml \
	  --mc-type application --output-reproducible --output-format JSON --output-file build/sbom.json

clean:  ## remove what the other targets made
	rm -rf $(VENV) $(VENV)-audit $(VENV)-advisories $(VENV)-floors var build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
