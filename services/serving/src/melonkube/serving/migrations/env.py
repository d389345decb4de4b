"""Alembic's environment."""

from melonkube.kit.migrations import run_env
from melonkube.serving.endpoints.models import ServingBase

run_env(ServingBase.metadata)
