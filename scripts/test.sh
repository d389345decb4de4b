#!/usr/bin/env bash
# Runs every test: the page's units, then Python's, in as many processes as there are cores.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.tools/node:$PATH"
npm --prefix web run --silent test
# In the order of the files: by their number of tests the few long ones would come last, and one process wait for the other.
exec .venv/bin/python -m pytest -n "${TEST_PROCESSES:-2}" --dist loadfile --no-loadscope-reorder -m "not cluster and not compose" "$@"
