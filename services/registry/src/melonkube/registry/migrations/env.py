"""Alembic's entry: the registry's tables."""

from melonkube.kit.migrations import run_env
from melonkube.registry.blobs import models as blobs
from melonkube.registry.database import RegistryBase
from melonkube.registry.datasets import models as datasets
from melonkube.registry.models import models
from melonkube.registry.runs import models as runs

TABLES = (blobs, datasets, models, runs)
"""Imported, so that the metadata knows every table."""

run_env(RegistryBase.metadata)
