#!/usr/bin/env bash
# Runs the tests that need a cluster, on the one that KUBECONFIG names. Its nodes must have the images
# ${MELON_TEST_IMAGE_PREFIX:-melonkube/}<service>:${MELON_TEST_IMAGE_TAG:-dev}; docs/kubernetes.md says what else they need.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${KUBECONFIG:-}" ]; then
  echo "Skipped: KUBECONFIG names no cluster, so nothing of Kubernetes was tested."
  exit 0
fi
for tool in kubectl helm; do
  command -v "$tool" >/dev/null || { echo "$tool is not on the PATH; the cluster tests need it." >&2; exit 1; }
done
# The chart as it renders needs helm, but no cluster.
.venv/bin/python -m pytest -q tests/deploy
exec .venv/bin/python -m pytest -m cluster "$@"
