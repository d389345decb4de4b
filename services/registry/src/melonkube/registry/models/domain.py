"""Pure rules of models: what a bundle must be, and what a run says about where it came from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from melonkube.contracts.errors import ErrorCode
from melonkube.contracts.models import (
    FLAVORS,
    GOLDEN_NAME,
    INPUT_EXAMPLE_NAME,
    MANIFEST_NAME,
    SIGNATURE_NAME,
    TAG_CODE_VERSION,
    TAG_EXPERIMENT_NAME,
    TAG_SEED,
    BundleManifest,
    GoldenRows,
    Lineage,
)
from melonkube.contracts.signature import Signature
from melonkube.kit.errors import InvalidRequest
from melonkube.registry.datasets.models import DatasetRow
from melonkube.registry.runs.domain import UnsafeArtifact
from melonkube.registry.runs.models import RunRow

DOCUMENT_BYTES = 16 << 20
"""Largest JSON document of a bundle that is read into memory."""


class NotABundle(InvalidRequest):
    """What lies there cannot be made a model version."""

    code = ErrorCode.NOT_A_BUNDLE


@dataclass(frozen=True, slots=True)
class FileFact:
    """A file as it is stored."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that has been checked. ``files`` are all its files, the manifest among them."""

    digest: str
    manifest: BundleManifest
    files: dict[str, FileFact]

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(file.size_bytes for file in self.files.values())


def check_bundle(manifest_json: bytes, stored: Mapping[str, FileFact]) -> Bundle:
    """Check a manifest against the files that are there.

    Args:
        manifest_json: The manifest as it is stored.
        stored: Every file below the bundle's folder, by its path in it.

    Raises:
        NotABundle: The manifest is not one, or a file is missing or not the one it lists.
        UnsafeArtifact: The flavor is not known to be safe.
    """
    try:
        manifest = BundleManifest.model_validate_json(manifest_json)
    except ValidationError as error:
        first = error.errors()[0]
        where = "/".join(map(str, first["loc"])) or "the document"
        raise NotABundle(f"{MANIFEST_NAME} is not a bundle's manifest: {where}: {first['msg']}.") from error
    if manifest.flavor not in FLAVORS:
        raise UnsafeArtifact(
            f"Models of the flavor '{manifest.flavor}' are not taken; save it as one of: {', '.join(FLAVORS)}."
        )
    lacking = sorted(FLAVORS[manifest.flavor] - manifest.files.keys())
    if lacking:
        raise NotABundle(f"{MANIFEST_NAME} does not list {', '.join(lacking)}, which a {manifest.flavor} model has.")
    for name, said in manifest.files.items():
        found = stored.get(name)
        if found is None:
            raise NotABundle(f"The bundle has no file '{name}', which its manifest lists; upload it.")
        if found.sha256 != said.sha256 or found.size_bytes != said.size_bytes:
            raise NotABundle(f"The file '{name}' is not the one that the manifest lists; upload both anew.")
    files = {MANIFEST_NAME: stored[MANIFEST_NAME], **{name: stored[name] for name in sorted(manifest.files)}}
    return Bundle(stored[MANIFEST_NAME].sha256, manifest, files)


def read_signature(document: bytes) -> Signature:
    """Return the signature.

    Raises:
        NotABundle: It is not one.
    """
    try:
        return Signature.model_validate_json(document)
    except ValidationError as error:
        raise NotABundle(f"{SIGNATURE_NAME} is not a signature: {error.errors()[0]['msg']}.") from error


def check_golden(document: bytes) -> None:
    """Check the golden rows.

    Raises:
        NotABundle: They are none, or not as many scores as rows.
    """
    try:
        golden = GoldenRows.model_validate_json(document)
    except ValidationError as error:
        raise NotABundle(f"{GOLDEN_NAME} holds no golden rows: {error.errors()[0]['msg']}.") from error
    if not golden.instances or len(golden.instances) != len(golden.raw_scores):
        raise NotABundle(f"{GOLDEN_NAME} must have rows, and as many scores as rows.")


def read_input_example(document: bytes) -> dict[str, Any]:
    """Return the input example.

    Raises:
        NotABundle: It is not a JSON object.
    """
    try:
        example = json.loads(document)
    except ValueError as error:
        raise NotABundle(f"{INPUT_EXAMPLE_NAME} is not JSON.") from error
    if not isinstance(example, dict):
        raise NotABundle(f"{INPUT_EXAMPLE_NAME} must be one JSON object, a row of column and value.")
    return example


def lineage_of(run: RunRow, dataset: DatasetRow | None) -> Lineage:
    """Return what a run says about where its model came from."""
    seed = run.tags.get(TAG_SEED, "")
    return Lineage(
        run_id=run.id,
        experiment_id=run.experiment_id,
        experiment_name=run.tags.get(TAG_EXPERIMENT_NAME),
        trial_id=run.trial_id,
        trial_number=run.trial_number,
        dataset_id=run.dataset_id,
        dataset_name=dataset.name if dataset else None,
        dataset_version=dataset.version if dataset else None,
        dataset_sha256=dataset.sha256 if dataset else None,
        code_version=run.tags.get(TAG_CODE_VERSION),
        seed=int(seed) if seed.removeprefix("-").isdecimal() else None,
        params=run.params,
    )
