# Needs python3 (3.11 to 3.13), make and a package index. `make sweep` is the tour; `make check test` is the proof.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

# make sweep [DATA=folder of mitdb/ and ptbxl500/] [CONFIG=path or name in configs/] [NAME=of the sweep] [ARGS='--set a.b=c']
DATA ?=
CONFIG ?= $(if $(DATA),mitbih_ptbxl,demo)
NAME ?=
ARGS ?=

.PHONY: install sweep test check docs format clean

install: $(INSTALLED)

# The stamp is written last, so an interrupted install is taken up again.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

sweep: $(INSTALLED)
	$(if $(filter demo,$(CONFIG)),$(BIN)/crtsearch simulate data/simulated)
	$(BIN)/crtsearch sweep $(CONFIG) $(if $(NAME),--name $(NAME)) $(if $(DATA),--set data=$(DATA)) $(ARGS)

# A file's tests run in one process, the slowest files first. `.venv/bin/pytest` alone runs them one after another.
test: $(INSTALLED)
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder -p no:cacheprovider

check: $(INSTALLED)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: $(INSTALLED)
	PYTHONPATH=. $(BIN)/python docs/generate_config_reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(INSTALLED)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
