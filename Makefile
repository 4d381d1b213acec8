# Every target makes what it needs; `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMPS := .stamps
FOR    ?=
ONLY   ?=
FLAGS  ?=
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Tests are compiled once, not in each run: 4 s. Containers often set this variable.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types format unit properties integration cluster browser bench attacks shape broker docs lock relock digests clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMPS)/run  ## make .venv with the `switchboard` command
	@echo "ready: $(BIN)/switchboard --help"

demo: $(STAMPS)/run java  ## chats from real call arrivals through a real broker (FOR=30s ends it by itself)
	@$(BIN)/switchboard demo $(if $(FOR),--for $(FOR))

test: lint types unit properties integration browser  ## everything that must pass

lint: $(STAMPS)/dev  ## style, formatting and the import rules between the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(STAMPS)/dev  ## strict types
	$(BIN)/mypy

# Each process collects all tests, 8 s: more than four processes gain little.
PARALLEL = --numprocesses auto --maxprocesses 4 --dist worksteal

unit: $(STAMPS)/dev prometheus  ## tests that need no broker, random ones with few examples
	$(BIN)/pytest $(PARALLEL) tests/unit tests/contract tests/property tests/golden tests/fuzz

properties: $(STAMPS)/dev  ## the random tests among them with all examples, 1 minute
	EVERY_EXAMPLE=1 $(BIN)/pytest $(PARALLEL) -m random tests/unit tests/contract tests/property tests/fuzz

integration: $(STAMPS)/dev java kcat prometheus  ## tests of processes and on real Apache Kafka brokers, kills and stops included
	$(BIN)/pytest tests/processes tests/integration tests/deploy tests/chaos tests/cluster

cluster: $(STAMPS)/dev java  ## every outage of one or two of three brokers with every test of such
	EVERY_OUTAGE=1 $(BIN)/pytest tests/cluster

browser: $(STAMPS)/dev java chromium  ## the wallboard in a real browser
	$(BIN)/pytest tests/browser

fuzz: $(STAMPS)/dev  ## a million hostile inputs, and a report (COUNT=10000 SEED=7 for others)
	$(BIN)/python -m tests.fuzz --count $(or $(COUNT),1000000) --seed $(or $(SEED),1)

bench: $(STAMPS)/dev java  ## measure, and print the report that docs/benchmarks.md holds
	$(BIN)/python -m tests.benchmarks

attacks: $(STAMPS)/dev java  ## attack a router with hostile records and floods, and print what others notice (ONLY=name: one)
	$(BIN)/python -m tests.attacks $(if $(ONLY),--only $(ONLY))

shape: $(STAMPS)/dev $(if $(findstring --broker,$(FLAGS)),java)  ## measure the code's shape (FLAGS="--broker --json FILE --against FILE")
	@$(BIN)/python -m tests.shape $(FLAGS)

broker: $(STAMPS)/run java  ## a throwaway Apache Kafka broker on 127.0.0.1:9092, until Ctrl-C
	@$(BIN)/switchboard broker

docs: $(STAMPS)/dev  ## make the generated pages of docs/reference, and deploy/kafka/acls.sh, anew
	@$(BIN)/python -m docs.generate

format: $(STAMPS)/dev  ## put the code in the project's format
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

# dev.txt holds every dependency, and the other files the same versions of those that they hold.
COMPILE = $(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 --no-header -q $(UPGRADE)
AS_DEV  = --constraint requirements/dev.txt

lock: UPGRADE = --upgrade
lock: relock  ## renew the pinned dependencies with their hashes

relock: $(STAMPS)/dev  ## write requirements/ after a change of pyproject.toml, without renewing the rest
	$(COMPILE) pyproject.toml --extra whatif --group build --group dev -o requirements/dev.txt
	$(COMPILE) $(AS_DEV) pyproject.toml -o requirements/run.txt
	$(COMPILE) $(AS_DEV) pyproject.toml --extra whatif -o requirements/whatif.txt
	$(COMPILE) $(AS_DEV) --group build -o requirements/build.txt

digests:  ## renew the digests of the images that deploy/ names (needs crane, skopeo or docker buildx)
	sh deploy/renew-digests.sh

clean:  ## remove what the targets made
	rm -rf $(VENV) $(STAMPS) .run dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find docs tests workers -name __pycache__ -prune -exec rm -rf {} +

$(STAMPS)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed: install it, or name one with 'make PYTHON=python3.12 $(MAKECMDGOALS)'" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3-venv is needed: apt-get install python3-venv" >&2; exit 2; }
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/run: $(STAMPS)/python requirements/whatif.txt requirements/build.txt pyproject.toml
	@echo "installing the pinned dependencies into $(VENV)"
	@$(BIN)/pip install -q --require-hashes -r requirements/whatif.txt -r requirements/build.txt
	@$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

$(STAMPS)/dev: $(STAMPS)/run requirements/dev.txt
	@echo "installing the development tools into $(VENV)"
	@$(BIN)/pip install -q --require-hashes -r requirements/dev.txt
	@touch $@

# KAFKA_BOOTSTRAP names a cluster to use instead: then no Java is needed.
.PHONY: java kcat chromium prometheus
java:
	@[ -n "$$KAFKA_BOOTSTRAP" ] || sh deploy/kafka/need-java.sh

kcat chromium prometheus:
	@command -v $@ >/dev/null || sh deploy/need-debian.sh $@
