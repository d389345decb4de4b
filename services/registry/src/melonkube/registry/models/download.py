"""A model version as one file: a ZIP of its bundle, made while it is sent."""

import asyncio
import zipfile
from collections.abc import AsyncIterator
from datetime import datetime

from melonkube.registry.blobs.models import BlobRow
from melonkube.registry.blobs.sink import Sink
from melonkube.registry.blobs.store import ObjectStore

_LARGE_BYTES = 1 << 31


async def zip_of(store: ObjectStore, files: dict[str, BlobRow], at: datetime) -> AsyncIterator[bytes]:
    """Yield a ZIP archive of ``files``, by their names in it, all dated ``at``."""
    sink = Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, blob in files.items():
            entry = zipfile.ZipInfo(name, at.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=blob.size_bytes >= _LARGE_BYTES) as out:
                if blob.size_bytes:
                    async for piece in await store.open(blob.key, 0, blob.size_bytes):
                        await asyncio.to_thread(out.write, piece)
                        yield sink.take()
    yield sink.take()
