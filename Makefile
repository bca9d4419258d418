# Sidecoach: `make run` and `make test` need Python >= 3.11 and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.locked
export DEMO ?= 1
export LOG_JSON ?= 0
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false

.PHONY: run test test-offline proofs check bench objectives rules side-by-side engines test-engines triton browser format lock clean

run: $(STAMP)
	@$(BIN)/python manage.py serve

test: $(STAMP)
	$(BIN)/python -m pytest

# All of tests/ in a network namespace with nothing in it but loopback: what would fetch, fails.
# TESTS=tests/rag names a part; MARKS="engines or browser" those with engines, once installed.
test-offline: $(STAMP)
	unshare -n $$([ "$$(id -u)" = 0 ] || echo --map-current-user --keep-caps) \
		$(BIN)/python tests/loopback.py \
		$(BIN)/python -m pytest $(if $(MARKS),-m "$(MARKS)") $(TESTS)

# Rules, rule tests, dashboards and incident pages, from deploy/objectives.yaml.
objectives: $(STAMP)
	$(BIN)/python manage.py objectives

rules: .engines/prometheus
	promtool check rules deploy/prometheus/rules.yaml
	promtool test rules deploy/prometheus/rules_test.yaml

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy manage.py coach rag safety consent tests
	$(BIN)/python -m pytest -q tests/test_architecture.py
	$(BIN)/python manage.py makemigrations --check --dry-run

bench: $(STAMP)
	$(BIN)/python manage.py bench all

# Our search beside that of frameworks, which get an environment of their own.
side-by-side: $(STAMP)
	$(BIN)/python tests/engines/install.py frameworks
	.engines/frameworks/bin/python tests/engines/side_by_side.py

# Every test that repeats something, as often as the documentation says. TESTS names a part.
proofs: engines
	PROOFS=full $(BIN)/python -m pytest -m "" --timeout 7200 $(TESTS)

engines: $(STAMP) .engines/redis .engines/chromium .engines/prometheus
	$(BIN)/python tests/engines/install.py triton
	$(BIN)/python tests/engines/install.py vllm

test-engines: engines
	$(BIN)/python -m pytest -m "engines or browser" --timeout 900

triton: $(STAMP)
	$(BIN)/python tests/engines/install.py triton
	$(BIN)/python deploy/triton/serve.py

browser: $(STAMP) .engines/chromium
	$(BIN)/python -m pytest -m browser --timeout 300

# Debian's own packages; where they are installed already nothing is fetched.
.engines/redis:
	@mkdir -p .engines
	@command -v redis-server >/dev/null || (apt-get -q update && apt-get -q install -y redis-server)
	@touch $@

.engines/prometheus:
	@mkdir -p .engines
	@command -v promtool >/dev/null || (apt-get -q update && \
		apt-get -q install -y --no-install-recommends prometheus)
	@touch $@

.engines/chromium:
	@mkdir -p .engines
	@command -v chromium >/dev/null || (apt-get -q update && apt-get -q install -y chromium)
	@touch $@

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(STAMP): requirements.lock
	@test -d $(VENV) || (echo "creating $(VENV) ..." && $(PYTHON) -m venv $(VENV))
	@echo "installing what requirements.lock names (some minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

lock:
	@$(BIN)/python -m pip install --quiet pip-tools
	@$(BIN)/python -m piptools compile --quiet --extra dev --generate-hashes --strip-extras \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header \
		--allow-unsafe -o requirements.lock pyproject.toml
	@sed -i 's/^torch==2.13.0+cpu/torch==2.13.0/' requirements.lock

clean:
	rm -rf $(VENV) .data .mypy_cache .ruff_cache .pytest_cache
