# What people type. Everything is installed into this checkout; see scripts/setup.sh.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python

.PHONY: help setup setup-dev up demo check format test test-compose test-cluster bench api clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

setup: ## Install all that running MelonKube needs; leaves the command line at .venv/bin/melon
	@scripts/setup.sh

setup-dev:
	@scripts/setup.sh --dev

demo: setup ## Tune, deploy and predict on a real data set, then stop
	@.venv/bin/melon demo

up: setup ## Leave the suite running at http://127.0.0.1:8080
	@.venv/bin/melon up

check: setup-dev ## Formatting, lint, types, architecture
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/lint-imports
	.venv/bin/mypy packages/*/src services/*/src tests benchmarks scripts
	PATH="$$PWD/.tools/node:$$PATH" npm --prefix web run --silent check

format: setup-dev ## Format what can be formatted
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .
	PATH="$$PWD/.tools/node:$$PATH" npm --prefix web run --silent format

test: setup-dev ## All tests, on real parts
	@scripts/debian.sh postgresql chromium fonts-noto-cjk
	@scripts/test.sh

test-compose: setup-dev ## docker-compose.yml at work, on Podman
	@scripts/test-compose.sh

test-cluster: setup-dev ## Tests on the Kubernetes that KUBECONFIG names
	@scripts/test-cluster.sh

bench: setup-dev ## The figures in docs/benchmarks.md, as ratios in one run
	$(PY) -m benchmarks

api: setup-dev ## Write docs/openapi.json and the page's typed client anew
	$(PY) -m scripts.openapi
	PATH="$$PWD/.tools/node:$$PATH" npm --prefix web run --silent api

clean: ## Remove everything that was installed or built here
	git clean -xfdq
