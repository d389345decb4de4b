"""Gets a bundle's files from the registry, each hashed on the way and refused if it is not what it should be."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx

from melonkube.contracts.models import MANIFEST_NAME
from melonkube.kit.client import PeerClient, raise_for_problem
from melonkube.kit.errors import UpstreamUnavailable
from melonkube.serving.bundles.bundle import MAX_JSON_BYTES, BadBundle, check_files, parse_manifest
from melonkube.serving.runtimes.protocol import Runtime

_BLOCK = 1 << 20


async def fetch_bundle(
    registry: PeerClient,
    workspace_id: str,
    model: str,
    version: int,
    digest: str,
    runtimes: dict[str, Runtime],
    max_bytes: int,
    folder: Path,
) -> None:
    """Write the bundle of a model version into ``folder``.

    Raises:
        BadBundle: It is not the bundle of ``digest``, or of a flavor that is not served.
        PassedOn: The registry answered with a problem.
        UpstreamUnavailable: It cannot be reached, or the answer broke off.
        OSError: The disk does not take it.
    """
    base = f"/api/v1/models/{quote(model, safe='')}/versions/{version}/files"
    data = bytearray()
    async for block in _blocks(registry, workspace_id, f"{base}/{MANIFEST_NAME}"):
        data += block
        if len(data) > MAX_JSON_BYTES:
            raise BadBundle("the manifest is too large")
    manifest = parse_manifest(bytes(data), digest)
    check_files(manifest, runtime_for(manifest.flavor, runtimes).files, max_bytes)
    await asyncio.to_thread((folder / MANIFEST_NAME).write_bytes, data)
    for name, entry in manifest.files.items():
        found, size = hashlib.sha256(), 0
        with await asyncio.to_thread((folder / name).open, "wb") as file:
            async for block in _blocks(registry, workspace_id, f"{base}/{quote(name, safe='')}"):
                size += len(block)
                if size > entry.size_bytes:
                    break
                found.update(block)
                await asyncio.to_thread(file.write, block)
        if size != entry.size_bytes or found.hexdigest() != entry.sha256:
            raise BadBundle(f"{name} is not the file that the manifest names: its SHA-256 differs")


def runtime_for(flavor: str, runtimes: dict[str, Runtime]) -> Runtime:
    """Return the runtime of a flavor.

    Raises:
        BadBundle: There is none.
    """
    if flavor not in runtimes:
        raise BadBundle(f"bundles of flavor {flavor[:80]!r} are not served here; known: {', '.join(sorted(runtimes))}")
    return runtimes[flavor]


async def _blocks(registry: PeerClient, workspace_id: str, path: str) -> AsyncIterator[bytes]:
    try:
        async with registry.stream(workspace_id, "GET", path) as answer:
            if not answer.is_success:
                await answer.aread()
                raise_for_problem(answer, "registry")
            async for block in answer.aiter_bytes(_BLOCK):
                yield block
    except httpx.HTTPError as error:
        raise UpstreamUnavailable("The registry service does not answer; try again shortly.") from error
