"""Small real models as bundles, trained here by LightGBM directly."""

import hashlib
import json
import platform
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import lightgbm
import numpy as np
import pyarrow as pa

from melonkube.contracts.models import (
    GOLDEN_NAME,
    INPUT_EXAMPLE_NAME,
    LIGHTGBM_MODEL_NAME,
    MANIFEST_NAME,
    SIGNATURE_NAME,
    BundleFile,
    BundleManifest,
    GoldenRows,
)
from melonkube.contracts.signature import Column, Dtype, Kind, Role, Signature, Task
from melonkube.tabular.encode import FeatureEncoder
from melonkube.tabular.labels import encode_labels
from melonkube.tabular.signature import build_signature

ROWS = 400
DTYPES = {
    Dtype.BOOLEAN: pa.bool_(),
    Dtype.INT64: pa.int64(),
    Dtype.FLOAT64: pa.float64(),
    Dtype.STRING: pa.string(),
    Dtype.TIMESTAMP: pa.timestamp("us", "UTC"),
}


@dataclass(frozen=True)
class Made:
    """A bundle in memory, with what it was made from."""

    files: dict[str, bytes]
    signature: Signature
    instances: tuple[dict[str, Any], ...]
    booster: Any

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.files[MANIFEST_NAME]).hexdigest()

    def with_file(self, name: str, content: bytes) -> "Made":
        """The same bundle with another file, its manifest true to it."""
        files = {**self.files, name: content}
        return replace(self, files=with_manifest(files))

    def with_manifest(self, **changes: Any) -> "Made":
        return replace(self, files=with_manifest(self.files, **changes))


def with_manifest(files: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    content = {name: data for name, data in files.items() if name != MANIFEST_NAME}
    fields: dict[str, Any] = {
        "flavor": "lightgbm",
        "files": {
            name: BundleFile(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
            for name, data in content.items()
        },
        "architecture": platform.machine(),
        "golden_tolerance": 1e-6,
        **changes,
    }
    return {**content, MANIFEST_NAME: BundleManifest(**fields).model_dump_json().encode()}


def mixed_table(rows: int = ROWS, seed: int = 0) -> tuple[pa.Table, list[Column]]:
    """A table with a column of each kind, missing values in all of them."""
    random = np.random.default_rng(seed)

    def holes(values: list[Any]) -> list[Any]:
        return [None if random.random() < 0.1 else value for value in values]

    data: dict[str, tuple[Dtype, Kind, Role, list[Any]]] = {
        "age": (Dtype.INT64, Kind.NUMERIC, Role.FEATURE, holes(random.integers(18, 90, rows).tolist())),
        "fare paid": (Dtype.FLOAT64, Kind.NUMERIC, Role.FEATURE, holes(random.gamma(2, 20, rows).tolist())),
        "직업": (Dtype.STRING, Kind.CATEGORICAL, Role.FEATURE, holes(random.choice(["a", "b", "한국"], rows).tolist())),
        "zone": (Dtype.INT64, Kind.CATEGORICAL, Role.FEATURE, holes(random.integers(0, 5, rows).tolist())),
        "rate": (Dtype.FLOAT64, Kind.CATEGORICAL, Role.FEATURE, holes(random.choice([0.0, 0.5, 2.0], rows).tolist())),
        "member": (Dtype.BOOLEAN, Kind.BOOLEAN, Role.FEATURE, holes((random.random(rows) < 0.5).tolist())),
        "vip": (Dtype.BOOLEAN, Kind.CATEGORICAL, Role.FEATURE, holes((random.random(rows) < 0.5).tolist())),
        "since": (
            Dtype.TIMESTAMP,
            Kind.DATETIME,
            Role.FEATURE,
            holes([datetime.fromisoformat(f"20{5 + n % 20:02}-0{1 + n % 9}-11T10:30:00Z") for n in range(rows)]),
        ),
        "row id": (Dtype.INT64, Kind.NUMERIC, Role.ID, list(range(rows))),
    }
    columns = [Column(name=name, dtype=entry[0], kind=entry[1], role=entry[2]) for name, entry in data.items()]
    table = pa.table({name: pa.array(entry[3], DTYPES[entry[0]]) for name, entry in data.items()})
    return table, columns


TARGETS: dict[str, tuple[Task, Dtype, list[Any] | None]] = {
    "binary": (Task.BINARY, Dtype.STRING, ["no", "yes"]),
    "binary_bool": (Task.BINARY, Dtype.BOOLEAN, [False, True]),
    "binary_int": (Task.BINARY, Dtype.INT64, [0, 1]),
    "multiclass": (Task.MULTICLASS, Dtype.INT64, [3, 5, 9]),
    "regression": (Task.REGRESSION, Dtype.FLOAT64, None),
}


@cache
def make_bundle(target: str = "binary", seed: int = 0) -> Made:
    """A bundle of a small model over :func:`mixed_table`; another seed gives another model."""
    task, dtype, classes = TARGETS[target]
    table, columns = mixed_table()
    random = np.random.default_rng(seed)
    score = np.nan_to_num(table["age"].to_numpy()) / 30 + random.normal(size=ROWS)
    labels: list[Any]
    if classes is None:
        labels = score.tolist()
    else:
        cuts = np.quantile(score, np.linspace(0, 1, len(classes) + 1)[1:-1])
        labels = [classes[code] for code in np.digitize(score, cuts)]
    table = table.append_column("label", pa.array(labels, DTYPES[dtype]))
    columns = [*columns, Column(name="label", dtype=dtype, kind=Kind.CATEGORICAL, role=Role.FEATURE)]
    signature = build_signature(table, columns, "label", task, classes, np.arange(ROWS))
    encoder = FeatureEncoder(signature)
    objective = {Task.BINARY: "binary", Task.MULTICLASS: "multiclass", Task.REGRESSION: "regression"}[task]
    params = {"objective": objective, "num_leaves": 7, "min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1}
    if task is Task.MULTICLASS:
        params["num_class"] = len(classes or [])
    data = lightgbm.Dataset(
        encoder.encode_table(table),
        encode_labels(table["label"], task, classes),
        categorical_feature=list(encoder.categorical),
    )
    booster = lightgbm.train({**params, "seed": seed}, data, num_boost_round=10)
    instances = tuple(instances_of(table.slice(0, 40), signature))
    return bundle_of(booster, signature, instances)


def bundle_of(booster: Any, signature: Signature, instances: tuple[dict[str, Any], ...]) -> Made:
    encoder = FeatureEncoder(signature)
    golden = list(instances[:16])
    raw = booster.predict(encoder.encode_instances(golden).matrix, raw_score=True, num_threads=1)
    scores = raw.reshape(len(golden), -1).tolist()
    files = {
        LIGHTGBM_MODEL_NAME: booster.model_to_string().encode(),
        SIGNATURE_NAME: signature.model_dump_json().encode(),
        GOLDEN_NAME: GoldenRows(instances=golden, raw_scores=scores).model_dump_json().encode(),
        INPUT_EXAMPLE_NAME: json.dumps(instances[0]).encode(),
    }
    return Made(with_manifest(files), signature, instances, booster)


def instances_of(table: pa.Table, signature: Signature) -> list[dict[str, Any]]:
    """Rows as a client would send them."""
    names = [column.name for column in signature.features]
    return [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        for row in table.select(names).to_pylist()
    ]
