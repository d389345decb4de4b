"""The bundle: a model's files and the manifest that names each by its hash. Text and JSON, never code."""

import hashlib
import platform
from collections.abc import Mapping

from melonkube.contracts.models import BundleFile, BundleManifest

GOLDEN_TOLERANCE = 1e-6
"""By how much raw scores may differ on another architecture, where sums may be fused or reordered."""


class BundleError(Exception):
    """A bundle is not what its manifest says."""


def make_manifest(flavor: str, files: Mapping[str, bytes], library_versions: Mapping[str, str]) -> bytes:
    """Return ``manifest.json`` for ``files``, byte for byte the same for the same files on the same machine."""
    facts = {
        name: BundleFile(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
        for name, content in files.items()
    }
    return manifest_of(flavor, facts, library_versions)


def manifest_of(flavor: str, files: Mapping[str, BundleFile], library_versions: Mapping[str, str]) -> bytes:
    """Return ``manifest.json`` for files of which the hashes are known."""
    manifest = BundleManifest(
        flavor=flavor,
        files=dict(sorted(files.items())),
        architecture=platform.machine(),
        golden_tolerance=GOLDEN_TOLERANCE,
        library_versions=dict(sorted(library_versions.items())),
    )
    return manifest.model_dump_json(indent=2).encode()


def check_file(manifest: BundleManifest, name: str, content: bytes) -> None:
    """Check one file against the manifest.

    Raises:
        BundleError: It is not listed, or its bytes are not those.
    """
    listed = manifest.files.get(name)
    if listed is None:
        raise BundleError(f"the bundle's manifest does not list {name!r}")
    if hashlib.sha256(content).hexdigest() != listed.sha256:
        raise BundleError(f"{name!r} is not the file that the bundle's manifest names")
