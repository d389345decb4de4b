"""Trains LightGBM: the data is loaded, encoded and binned once, then each trial boosts on it."""

import json
import logging
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from melonkube.contracts.base import Scalar
from melonkube.contracts.models import (
    GOLDEN_NAME,
    INPUT_EXAMPLE_NAME,
    LIGHTGBM_MODEL_NAME,
    SIGNATURE_NAME,
    GoldenRows,
)
from melonkube.contracts.signature import Signature
from melonkube.tabular.encode import FeatureEncoder, Matrix
from melonkube.trainer.lightgbm.boosting import Boosted, boost
from melonkube.trainer.lightgbm.objective import objective_params, watched
from melonkube.trainer.metrics import Labels, score_all
from melonkube.trainer.protocol import Control, Job, TrainingError
from melonkube.trainer.spec.lightgbm import SPEC
from melonkube.trainer.tables import PreparedTable, prepare_table, read_holdout

FLAVOR = "lightgbm"

log = logging.getLogger("melonkube.trainer.lightgbm")


class LightGBMTrainer:
    """LightGBM on one experiment's data. Made by :meth:`prepare`; used by one thread."""

    flavor = FLAVOR

    def __init__(self, job: Job, prepared: PreparedTable) -> None:
        self.metric = job.metric
        self._job = job
        self._signature = prepared.signature
        self._golden = prepared.golden
        self._golden_matrix: Matrix = prepared.encoder.encode_instances(prepared.golden).matrix
        self._example = prepared.example
        self._labels = prepared.validation_labels
        self._watch = watched(job.task, job.metric, prepared.validation_labels)
        self._base: dict[str, Scalar] = {
            **objective_params(job.task, len(job.classes or ())),
            "metric": self._watch.name or "None",
            "num_threads": job.threads,
            "seed": job.seed,
            "deterministic": True,
            "force_row_wise": True,
            "feature_pre_filter": False,
            "verbosity": -1,
            **job.fixed,
        }
        categorical: Any = list(prepared.encoder.categorical)
        common: dict[str, Any] = {
            "params": dict(self._base),
            "feature_name": safe_names(prepared.encoder.names),
            "categorical_feature": categorical,
        }
        self._train = lgb.Dataset(prepared.train, _single(prepared.train_labels), **common).construct()
        self._validation = lgb.Dataset(
            prepared.validation, _single(prepared.validation_labels), reference=self._train, **common
        ).construct()

    @classmethod
    def prepare(cls, job: Job) -> Self:
        """Load, encode and bin the data of an experiment.

        Raises:
            TrainingError: There is nothing to learn from.
        """
        lgb.register_logger(log)
        prepared = prepare_table(job)
        try:
            return cls(job, prepared)
        except lgb.basic.LightGBMError as error:
            raise _translated(error) from error

    @property
    def library_versions(self) -> Mapping[str, str]:
        """What a bundle is made with."""
        return {"lightgbm": lgb.__version__, "numpy": np.__version__}

    def shared_files(self) -> Mapping[str, bytes]:
        """Return the signature and the input example."""
        return {
            SIGNATURE_NAME: self._signature.model_dump_json(indent=2).encode(),
            INPUT_EXAMPLE_NAME: json.dumps(self._example, ensure_ascii=False, indent=2).encode(),
        }

    def train(self, params: Mapping[str, Scalar], control: Control) -> "FittedLightGBM | None":
        """Train one trial.

        Raises:
            TrainingError: The parameters are not possible, or the objective became infinite.
        """
        try:
            resolved = SPEC.resolve(params)
        except ValueError as error:
            raise TrainingError(f"The parameters cannot be used: {error}.") from error
        rounds, patience = resolved.pop("num_iterations"), resolved.pop("early_stopping_rounds")
        if resolved["boosting"] == "goss":
            resolved["bagging_freq"] = 0  # it samples by gradient instead; LightGBM refuses both at once
        if resolved["boosting"] == "dart":
            patience = 0  # later rounds rescale earlier trees: there is no going back to a best round
        try:
            boosted = boost(
                self._train,
                self._validation,
                {**resolved, **self._base},
                rounds,
                patience,
                self._watch,
                self._job.metric,
                self._job.direction,
                self._labels,
                control,
            )
        except lgb.basic.LightGBMError as error:
            raise _translated(error) from error
        if boosted is not None:
            return FittedLightGBM(self, boosted)
        if control.proceed():
            raise TrainingError("The objective was not a finite number in any round; try a lower learning_rate.")
        return None

    def evaluate(self, files: Mapping[str, bytes]) -> dict[str, float]:
        """Return all metrics of the task on the holdout rows for the model in a bundle's files."""
        encoder = FeatureEncoder(Signature.model_validate_json(files[SIGNATURE_NAME]))
        matrix, labels = read_holdout(self._job, encoder)
        booster = lgb.Booster(model_str=files[LIGHTGBM_MODEL_NAME].decode())
        predicted: Any = booster.predict(matrix, num_threads=self._job.threads)
        return score_all(self._job.task, labels, predicted)

    def score_all(self, boosted: Boosted) -> dict[str, float]:
        """Return all metrics of the task on the validation rows."""
        return score_all(self._job.task, self._labels, boosted.predicted)

    def golden_rows(self, boosted: Boosted) -> GoldenRows:
        """Return the golden rows with the raw scores of a model."""
        raw: Any = boosted.booster.predict(
            self._golden_matrix, raw_score=True, num_iteration=boosted.rounds, num_threads=1
        )
        return GoldenRows(instances=self._golden, raw_scores=np.reshape(raw, (len(self._golden), -1)).tolist())


class FittedLightGBM:
    """A trained model, cut after its best round."""

    def __init__(self, trainer: LightGBMTrainer, boosted: Boosted) -> None:
        self._trainer = trainer
        self._boosted = boosted

    @cached_property
    def metrics(self) -> Mapping[str, float]:
        """All metrics of the task on the validation rows."""
        return self._trainer.score_all(self._boosted)

    @property
    def value(self) -> float:
        """The objective on the validation rows."""
        return self.metrics[self._trainer.metric]

    @property
    def step(self) -> int:
        """Rounds of the model."""
        return self._boosted.rounds

    def save(self) -> dict[str, bytes]:
        """Return the model as LightGBM's text, and the golden rows."""
        model = self._boosted.booster.model_to_string(num_iteration=self._boosted.rounds)
        return {
            LIGHTGBM_MODEL_NAME: model.encode(),
            GOLDEN_NAME: self._trainer.golden_rows(self._boosted).model_dump_json().encode(),
        }


def safe_names(names: tuple[str, ...]) -> list[str]:
    """Return ``names`` as LightGBM takes them: no space, none of JSON's own characters, none twice."""
    taken: set[str] = set()
    safe = []
    for name in names:
        plain = re.sub(r'[\s",:\[\]{}]', "_", name)
        candidate, count = plain, 2
        while candidate in taken:
            candidate, count = f"{plain}_{count}", count + 1
        taken.add(candidate)
        safe.append(candidate)
    return safe


def _single(labels: Labels) -> NDArray[np.float32]:
    """Return labels in LightGBM's own precision.

    Raises:
        TrainingError: They are too large for it.
    """
    with np.errstate(over="ignore"):
        single = labels.astype(np.float32)
    if not np.isfinite(single).all():
        raise TrainingError("The target holds numbers beyond 3.4e38, the largest LightGBM can learn; rescale it.")
    return single


def _translated(error: lgb.basic.LightGBMError) -> Exception:
    if "bad_alloc" in str(error) or "bad allocation" in str(error):
        return MemoryError("LightGBM could not get the memory it needs")
    return TrainingError(f"LightGBM: {error}")
