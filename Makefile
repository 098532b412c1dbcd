# Two commands are all the set-up: `make run` and `make test`.
# Both create .venv from the system's Python, install the locked dependencies, and, when root,
# install the Debian packages that they need.

PYTHON ?= /usr/bin/python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= out/first-study
RUN_PACKAGES := python3-venv bubblewrap libseccomp2
TEST_PACKAGES := $(RUN_PACKAGES) chromium fonts-noto-cjk poppler-utils git
JOBS ?= 2
TESTDATA ?= $(if $(SEKISHO_TESTDATA),$(SEKISHO_TESTDATA),../shared/data)
FORMATS ?=
SECONDS ?= 60
# A rehearsal starts a dozen processes: none of them should compile what another has compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run up test fuzz long check fix schemas bench-identity bench-ledger bench-linkage bench-collection bench-population bench-run clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

.stamps/packages-run:
	@mkdir -p .stamps
	@scripts/packages $(RUN_PACKAGES)
	@touch $@

.stamps/packages-test:
	@mkdir -p .stamps
	@scripts/packages $(TEST_PACKAGES)
	@touch $@ .stamps/packages-run

# requirements/ lock the base (a provider's part) with the extra body; dev.txt also the extra dev.
.stamps/venv-run: requirements/run.txt pyproject.toml .stamps/packages-run
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.stamps/venv-test: requirements/dev.txt pyproject.toml .stamps/packages-test
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ .stamps/venv-run

run: .stamps/venv-run  ## the first study, from submission to release, in one framework
	@$(BIN)/sekisho run scenarios/first-study.toml --out $(OUT)
	@$(BIN)/sekisho verify $(OUT)

up: .stamps/venv-run  ## all bodies of a framework on this machine, until Ctrl-C
	@$(BIN)/sekisho up

check: .stamps/venv-test  ## ruff, mypy, import-linter
	$(BIN)/ruff check src tests benchmarks studies
	$(BIN)/ruff format --check src tests benchmarks studies
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check  ## everything: checks and all tests
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

# Not in the lock: atheris has no wheel for every Python.
fuzz: .stamps/venv-test  ## fuzz every reader: make fuzz FORMATS="dicom vcf" SECONDS=300
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "atheris>=3.0"
	@formats="$(FORMATS)"; \
	for one in $${formats:-$$($(BIN)/python -c "from sekisho.provider import FORMATS; print(*FORMATS)")}; do \
		$(BIN)/python fuzz/readers.py --format $$one --seconds $(SECONDS) || exit 1; done

long: .stamps/venv-test  ## the tests that take minutes or hours (fault drills)
	$(BIN)/python -m pytest -m long -s --timeout 20000

fix: .stamps/venv-test  ## format and mend what can be mended
	$(BIN)/ruff check --fix src tests benchmarks studies
	$(BIN)/ruff format src tests benchmarks studies

schemas: .stamps/venv-test  ## write the JSON Schemas and tables of docs/reference anew
	$(BIN)/python -m sekisho.reference docs/reference

bench-identity bench-ledger bench-linkage bench-population bench-run: .stamps/venv-test
	$(BIN)/python benchmarks/$(@:bench-%=%).py

bench-collection: .stamps/venv-test
	$(BIN)/python benchmarks/collection.py --sample $(TESTDATA)/synthea-fhir-r4/ndjson
	$(BIN)/python benchmarks/collection_uke.py --sample $(TESTDATA)/uke-receiptisan/RECEIPTC_GAIRAI_SAMPLE.UKE

clean:  ## remove what the targets made
	rm -rf $(VENV) .stamps out
