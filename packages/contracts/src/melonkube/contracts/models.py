"""Models, their immutable versions and their aliases; the bundle a version is made of."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field

from melonkube.contracts.base import Answer, Instant, JsonObject, Name, Request, Scalar
from melonkube.contracts.ids import Id
from melonkube.contracts.signature import Signature

BUNDLE_FORMAT = 1
MANIFEST_NAME = "manifest.json"
SIGNATURE_NAME = "signature.json"
GOLDEN_NAME = "golden.json"
INPUT_EXAMPLE_NAME = "input_example.json"
LIGHTGBM_MODEL_NAME = "model.txt"
FLAVORS: Mapping[str, frozenset[str]] = MappingProxyType(
    {"lightgbm": frozenset({LIGHTGBM_MODEL_NAME, SIGNATURE_NAME, GOLDEN_NAME, INPUT_EXAMPLE_NAME})}
)
"""Formats whose loading runs no code of the file's, and the files that each must have."""
BUNDLE_PATH = "model"
"""Folder among a run's artifacts in which a worker leaves the bundle."""

TAG_EXPERIMENT_NAME = "melonkube.experiment_name"
TAG_SEED = "melonkube.seed"
TAG_CODE_VERSION = "melonkube.code_version"
"""Tags of a run from which a version's lineage is read, beside the run's own fields."""


class BundleFile(Answer):
    """A file of a bundle."""

    sha256: str
    size_bytes: int


class BundleManifest(Answer):
    """``manifest.json`` of a bundle. Its own SHA-256, over its bytes as stored, is the version's ``digest``.

    ``files`` lists every other file of the bundle. ``architecture`` is the machine (``x86_64``) on which the
    golden scores were made: there they must come out bit-equal, elsewhere within ``golden_tolerance``
    (absolute, on raw scores).
    """

    format_version: Literal[1] = 1
    flavor: str
    files: dict[str, BundleFile]
    architecture: str
    golden_tolerance: float
    library_versions: dict[str, str] = {}


class GoldenRows(Answer):
    """``golden.json``: rows as a client would send them and the raw scores the trained model gave.

    ``instances`` are of the signature's features; ``raw_scores`` has one list per row, one number for binary and
    regression, one per class for multiclass.
    """

    instances: list[dict[str, Any]]
    raw_scores: list[list[float]]


class Lineage(Answer):
    """Where a version came from: enough to make it again."""

    run_id: Id
    experiment_id: Id | None = None
    experiment_name: str | None = None
    trial_id: Id | None = None
    trial_number: int | None = None
    dataset_id: Id | None = None
    dataset_name: str | None = None
    dataset_version: int | None = None
    dataset_sha256: str | None = None
    code_version: str | None = None
    seed: int | None = None
    params: dict[str, Scalar] = {}


class ModelCreate(Request):
    """A model: a name under which versions gather."""

    name: Name
    description: str = Field(default="", max_length=4096)


class Model(Answer):
    """A model; ``aliases`` maps each alias to its version."""

    name: str
    description: str
    latest_version: int | None = None
    versions: int = 0
    aliases: dict[str, int] = {}
    created_at: Instant


class ModelVersionCreate(Request):
    """Makes a version of the bundle that a run left under ``artifact_path``.

    Unique by run and digest: a repeat answers the version that is there. The model is made when it is missing.
    """

    run_id: Id
    artifact_path: str = "model"
    description: str = Field(default="", max_length=4096)


class ModelVersion(Answer):
    """An immutable version of a model."""

    model: str
    version: int
    digest: str
    flavor: str
    description: str = ""
    size_bytes: int
    signature: Signature
    input_example: JsonObject
    metrics: dict[str, float] = {}
    lineage: Lineage
    aliases: list[str] = []
    created_at: Instant


class AliasPut(Request):
    """Points an alias at a version."""

    version: int = Field(ge=1, lt=2**31)


class Alias(Answer):
    """A name that moves from version to version."""

    model: str
    alias: str
    version: int
    updated_at: Instant


class AliasChange(Answer):
    """One change a follower must know of: an alias that moved (``version``) or is gone (null)."""

    seq: int
    model: str
    alias: str
    version: int | None


class AliasChanges(Answer):
    """Answer of the long poll ``/internal/changes``; ``next`` is the ``after`` of the following call."""

    items: list[AliasChange]
    next: int
