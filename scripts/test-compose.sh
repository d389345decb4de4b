#!/usr/bin/env bash
# Runs docker-compose.yml for real, on Podman in place of Docker, by what Debian 12 has. Podman's storage must have the images
# ${MELON_TEST_IMAGE_PREFIX:-melonkube/}<service>:${MELON_TEST_IMAGE_TAG:-dev} and postgres:15-bookworm; nothing is pulled.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" -ne 0 ]; then
  echo "Skipped: Podman is run as root here, so docker-compose.yml was not run."
  exit 0
fi
scripts/debian.sh podman docker-compose netavark aardvark-dns catatonit
exec .venv/bin/python -m pytest -m compose tests/compose "$@"
