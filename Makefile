# make run   napari with the docks on a sample (without a screen: the demo)
# make demo  the main job without a screen, on the sample that comes with the package
# make test  everything that must hold before a change is taken in
SHELL := /usr/bin/env bash
.DEFAULT_GOAL := help
.PHONY: help run demo test test-lowest lint coverage bench pictures clean

BIN := .venv/bin
OUT ?= out/demo

help: ## list what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: ## open napari with the docks on a sample; without a screen run the demo instead
	@if [ "$$(uname -s)" = Linux ] && [ -z "$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" ]; then \
	    echo "There is no screen here (DISPLAY and WAYLAND_DISPLAY are empty), so napari cannot open: running the demo."; \
	    $(MAKE) --no-print-directory demo; \
	else \
	    scripts/install.sh run && $(BIN)/napari-microcnn; \
	fi

demo: ## train on the built-in micrograph, segment it, measure it, write everything to OUT
	@scripts/install.sh demo
	@$(BIN)/napari-microcnn demo -o "$(OUT)"

lint: ## ruff, mypy and the import rules
	@scripts/install.sh test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## lint, then all tests
	scripts/with_screen.sh $(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

test-lowest: ## all tests with the lowest versions that pyproject.toml allows
	@scripts/install.sh lowest
	scripts/with_screen.sh .venv-lowest/bin/python -m pytest -n 2 --dist worksteal -p no:cacheprovider $(ARGS)

coverage: ## all tests, with the lines they did not reach
	@scripts/install.sh test
	scripts/with_screen.sh $(BIN)/python -m pytest --cov --cov-report=term-missing $(ARGS)

bench: ## speed, memory and quality, as ratios that hold on other machines too
	@scripts/install.sh bench
	scripts/with_screen.sh $(BIN)/python -m benchmarks $(ARGS)

pictures: ## make the pictures of the documentation again
	@scripts/install.sh test
	scripts/with_screen.sh $(BIN)/python docs/make_pictures.py

clean: ## remove the environment and everything made
	rm -rf .venv .venv-lowest out build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
