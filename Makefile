# `make demo` and `make test` need git, python3.11 or later, and make; they set up all the rest.
PYTHON ?= python3
VENV := .venv
DEMO_VENV := .venv-demo
MODELS_VENV := .venv-models
BIN := $(abspath $(VENV))/bin
DEMO_BIN := $(abspath $(DEMO_VENV))/bin
MODELS_BIN := $(abspath $(MODELS_VENV))/bin
GPU_VENV := .venv-gpu
DEMO := example_workflows/phage_proteins
DEMO_SPLIT := example_workflows/split_models
# A real card is used when the driver shows one; else the examples declare a simulated one.
DEMO_BENCH := $(shell nvidia-smi -L >/dev/null 2>&1 && echo nvinx.yaml || echo nvinx.simulated.yaml)

# Tests wait for processes much of the time, so four run on two cores.
WORKERS ?= $(shell echo $$(($$(nproc) * 2)))

# Outside the repository, so that a fresh clone finds it again.
NEXTFLOW_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/nvinx-tests/nextflow

# A short path: Slurm's sockets lie below it.
SLURM_FOLDER ?= $(or $(XDG_RUNTIME_DIR),/tmp)/nvinx-slurm-$(shell id -u)

.PHONY: demo demo-split release test test-bounds test-crash test-models nextflow nextflow-plugin nextflow-plugin-release slurm slurm-stop lint docs \
  bench gpu-campaign clean

demo: $(DEMO_VENV)/.ready
	@rm -rf $(DEMO)/results
	cd $(DEMO) && PATH="$(DEMO_BIN):$$PATH" snakemake --executor nvinx --jobs unlimited \
	  --nvinx-bench $(DEMO_BENCH) --quiet rules progress host
	@cd $(DEMO) && $(DEMO_BIN)/nvinx jobs
	@echo "The report is in $(DEMO)/results/report.md, its picture beside it."

demo-split: $(MODELS_VENV)/.ready
	rm -rf $(DEMO_SPLIT)/results
	cd $(DEMO_SPLIT) && PATH="$(MODELS_BIN):$$PATH" snakemake --executor nvinx --jobs unlimited \
	  --nvinx-bench $(DEMO_BENCH) --quiet rules progress host
	@cd $(DEMO_SPLIT) && $(MODELS_BIN)/nvinx jobs
	@echo "The report is in $(DEMO_SPLIT)/results/report.md, its picture beside it."

# Programs that tests start keep no bytecode, so all is compiled before: nvinx here, the tests by the
# first run of pytest, which collects them all.
test: export PYTHONDONTWRITEBYTECODE =
test: lint
	$(BIN)/python -m compileall -q core snakemake_*
	$(BIN)/python -m pytest -m alone
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not alone"

# The quick tests with the lowest versions that are allowed, or the highest: .ci/bounds.
RESOLUTION ?= lowest-direct
test-bounds:
	.ci/bounds $(PYTHON) $(RESOLUTION)

# Builds and checks what would be uploaded, and tries it in clean environments; uploads nothing.
release:
	.ci/release $(PYTHON)

test-crash: $(VENV)/.ready
	NVINX_CRASH_ROUNDS=200 $(BIN)/python -m pytest -s tests/crash/test_random_kills.py \
	  tests/crash/test_killed_preemptions.py tests/crash/test_killed_budgets.py

# Real transformers models need torch, which is large; uv brings it in a minute or so.
test-models: $(MODELS_VENV)/.ready
	$(MODELS_VENV)/bin/python -m pytest -n auto --dist loadgroup tests/models evidence/tests/test_models.py

# A real Nextflow for the tests; without it they are skipped, and say so.
nextflow: $(NEXTFLOW_CACHE)/version nextflow-plugin

$(NEXTFLOW_CACHE)/version: tests/nextflow/pom.xml tests/nextflow/fetch.sh tests/nextflow/launcher.sh
	mkdir -p $(NEXTFLOW_CACHE)
	bash tests/nextflow/fetch.sh $(NEXTFLOW_CACHE)

# The optional plugin, put where a wheel that is built afterwards ships it.
PLUGIN := core/nvinx/_nextflow/plugin
nextflow-plugin: $(PLUGIN)/.built

$(PLUGIN)/.built: pyproject.toml $(shell find nextflow/plugin -type f)
	mkdir -p $(PLUGIN)
	bash nextflow/plugin/build.sh $$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) $(PLUGIN)
	touch $@

# What is uploaded to Nextflow's registry of plugins: docs/how-to/publish-the-nextflow-plugin.md
nextflow-plugin-release: nextflow-plugin
	bash nextflow/plugin/build.sh $$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) $(PLUGIN) dist

# A real Slurm of two nodes, on this machine alone: eval "$$(make -s slurm)"
slurm: $(VENV)/.ready
	@$(BIN)/python tests/slurm/cluster.py start $(SLURM_FOLDER)

slurm-stop: $(VENV)/.ready
	@$(BIN)/python tests/slurm/cluster.py stop $(SLURM_FOLDER)

lint: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The reference's tables come from the code; a test holds them together.
docs: $(VENV)/.ready
	$(BIN)/python docs/tables.py
	$(BIN)/python docs/picture.py
	$(BIN)/sphinx-build -q -E -a -W --keep-going -c docs -d docs/_build/doctrees . docs/_build/html
	@echo "The pages are in docs/_build/html; open index.html."

bench: $(VENV)/.ready
	$(BIN)/python benchmarks/thousand_jobs.py
	$(BIN)/python benchmarks/contended_card/run.py
	$(BIN)/python benchmarks/contended_card/run.py --copies 2
	$(BIN)/python benchmarks/import_time.py

# An hour on a real card, to go on after an interruption; see evidence/README.md.
gpu-campaign: $(GPU_VENV)/.ready
	$(GPU_VENV)/bin/python evidence/run.py all --out gpu-evidence
	$(GPU_VENV)/bin/python evidence/run.py publish gpu-evidence

$(GPU_VENV)/.ready: $(VENV)/.ready evidence/setup.sh
	$(BIN)/python -m pip install --quiet uv
	PATH="$(BIN):$$PATH" bash evidence/setup.sh $(GPU_VENV)
	touch $@

# What the demo needs and no more, with pip's progress to look at.
$(DEMO_VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("nvinx needs Python 3.11 or later" if sys.version_info < (3, 11) else 0)'
	@echo "Setting up $(DEMO_VENV), once, with Snakemake, nvinx and what the demo computes with ..."
	@$(PYTHON) -m venv $(DEMO_VENV)
	@$(DEMO_BIN)/python -m pip install --disable-pip-version-check --editable ".[examples]"
	@touch $@

# The Slurm plugin lies aside, for its tests alone: any Snakemake that finds it starts a second later.
$(VENV)/.ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("nvinx needs Python 3.11 or later" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev,examples]"
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(VENV)/slurm $$($(BIN)/python -c \
	  'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["slurm"])')
	touch $@

$(MODELS_VENV)/.ready: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(MODELS_VENV)
	$(BIN)/uv pip install --quiet --python $(MODELS_VENV)/bin/python --editable ".[dev,examples,hf]"
	touch $@

clean:
	rm -rf dist $(VENV) $(DEMO_VENV) $(MODELS_VENV) $(GPU_VENV) core/nvinx/_nextflow docs/_build \
	  $(foreach demo,$(DEMO) $(DEMO_SPLIT),$(addprefix $(demo)/,results .snakemake .nvinx))
