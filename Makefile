# Needs Python 3.11 or newer, make, and a package index. Everything else is installed into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH_VENV := .venv-bench
BENCH ?=
DEMO := .demo
# The one that a Python brings may take twice as long to find what fits together.
NEWER_PIP := python -m pip install --quiet --disable-pip-version-check --upgrade pip
export DAGSTER_DISABLE_TELEMETRY := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export DO_NOT_TRACK := 1
# Compiled modules are kept, so that the processes of the tests do not each compile them again.
unexport PYTHONDONTWRITEBYTECODE
# Memory of tests is taken in large pages where the system has them: a virtual machine may need a third less time for them.
LARGE_PAGES := PYTHONMALLOC=malloc GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.top_pad=67108864:glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=1073741824

.PHONY: demo demo-llm test test-clients soak ui check bench bench-llm platform-metrics clean

demo: $(VENV)/.installed ## Lands the flights, lets agents run, and tells who read what
	@$(BIN)/python -m orchestration_assets.defs.story $(DEMO)

demo-llm: $(VENV)/.installed ## The same agents on the chat model that the environment names; says what to set
	@$(BIN)/python -m orchestration_assets.defs.with_models .demo-llm

test: $(VENV)/.installed ## Runs the tests
	@$(LARGE_PAGES) $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-clients: $(VENV)/.installed ## Runs the tests that make environments of their own
	@$(LARGE_PAGES) $(BIN)/python -m pytest -m clients

soak: $(VENV)/.installed ## Cuts the power, kills and forges some thousand times, waits for daemons, and prints figures
	@$(LARGE_PAGES) $(BIN)/python -m pytest -m soak

ui: $(VENV)/.installed ## Opens the Dagster UI on the demonstration, on 127.0.0.1:3000
	@test -d $(DEMO)/dagster_home || { echo "There is no demonstration yet: run 'make demo' first." >&2; exit 1; }
	@PATH="$(abspath $(BIN)):$$PATH" DAGSTER_HOME=$(abspath $(DEMO)/dagster_home) \
		$(BIN)/dagster dev -m orchestration_assets.definitions -h 127.0.0.1 -p 3000

check: $(VENV)/.installed ## Format, lint, types and tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(MAKE) --no-print-directory test

bench: $(BENCH_VENV)/.installed ## Measures, and writes benchmarks/results/; BENCH='governed_read --rounds 5' for a part
	@PATH="$(abspath $(BENCH_VENV))/bin:$$PATH" $(BENCH_VENV)/bin/python -W ignore -m benchmarks $(BENCH)

bench-llm: $(VENV)/.installed .venv-llm/.installed ## Has small real models answer questions on 127.0.0.1: half an hour and two gigabytes
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -W ignore -m benchmarks.llm $(BENCH)

platform-metrics: $(VENV)/.installed ## Writes semantic/platform/semantic_manifest.json from the dbt project beside it
	@$(BIN)/python -m tests.platform_manifest

clean: ## Removes the environment, the demonstration and all caches
	rm -rf $(VENV) $(BENCH_VENV) $(DEMO) .demo-llm .venv-llm .llm build dist *.egg-info dbt_project/target dbt_project/logs
	find . -name __pycache__ -prune -exec rm -rf {} +

# Semantic layers to measure against, among them one under AGPL: never in the environment of the product.
$(BENCH_VENV)/.installed: pyproject.toml constraints.txt benchmarks/requirements.txt
	@echo "Installing into $(BENCH_VENV): some minutes, once."
	@$(PYTHON) -m venv $(BENCH_VENV)
	@$(BENCH_VENV)/bin/$(NEWER_PIP)
	@$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable '.[demo,dev]' --requirement benchmarks/requirements.txt
	@touch $@

# A runtime of models and nothing else, never in the environment of the product.
.venv-llm/.installed: benchmarks/llm/requirements.txt
	@$(PYTHON) -m venv .venv-llm
	@.venv-llm/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@echo "Installing into $(VENV): a minute or two, once."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/$(NEWER_PIP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[demo,dev]'
	@touch $@
