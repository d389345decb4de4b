"""Samples: read from a folder, made data sets by one call."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

from pydantic import TypeAdapter

from melonkube.contracts.datasets import Dataset, Sample
from melonkube.kit.errors import NotFound
from melonkube.registry.datasets.service import DatasetService

CATALOGUE = "samples.json"
_PIECE_BYTES = 1 << 20


class SampleFile(Sample):
    """A sample and its file, which lies beside the catalogue."""

    file: str


_CATALOGUE = TypeAdapter(list[SampleFile])


class SampleService:
    """Samples of a folder. Owned by the app."""

    def __init__(self, folder: Path | None, datasets: DatasetService) -> None:
        self._folder = folder
        self._datasets = datasets

    async def all(self) -> list[SampleFile]:
        """Return the samples, none without a folder."""
        return await asyncio.to_thread(_read, self._folder)

    async def use(self, workspace_id: str, name: str) -> tuple[Dataset, bool]:
        """Make a data set of a sample, or return the one that is there; and whether it was made.

        Raises:
            NotFound: There is no such sample.
        """
        for sample in await self.all():
            if sample.name == name and self._folder is not None:
                path = self._folder / sample.file
                return await self._datasets.take(workspace_id, _pieces(path), name, path.name)
        raise NotFound(f"There is no sample '{name}'; see the list of samples.")


def _read(folder: Path | None) -> list[SampleFile]:
    if folder is None or not (folder / CATALOGUE).is_file():
        return []
    return _CATALOGUE.validate_python(json.loads((folder / CATALOGUE).read_text(encoding="utf-8")))


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
            yield piece
    finally:
        file.close()
