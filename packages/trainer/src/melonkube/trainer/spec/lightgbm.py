"""LightGBM: its parameters, its defaults, and where a search begins.

Names, meanings and bounds are of LightGBM's parameter reference
(https://lightgbm.readthedocs.io/en/stable/Parameters.html). ``early_stopping_rounds`` 0 means off.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from melonkube.contracts.base import Scalar
from melonkube.contracts.errors import ProblemItem
from melonkube.contracts.signature import Task
from melonkube.contracts.space import FixedParameter, FloatParameter, IntParameter, SearchSpace
from melonkube.trainer.spec.parameters import Choice, Integer, Number, ParameterSpec, space_faults, value_fault

ROUNDS = 400
PATIENCE = 30

_PARAMETERS: Mapping[str, ParameterSpec] = MappingProxyType(
    {
        "num_iterations": Integer(ROUNDS, 1, 100_000),
        "early_stopping_rounds": Integer(PATIENCE, 0, 100_000),
        "learning_rate": Number(0.1, 0.0, 10.0, above=True),
        "num_leaves": Integer(31, 2, 131_072),
        "max_depth": Integer(-1, -1, 1_000),
        "min_data_in_leaf": Integer(20, 0, 2**31 - 1),
        "min_sum_hessian_in_leaf": Number(1e-3, 0.0, 1e12),
        "feature_fraction": Number(1.0, 0.0, 1.0, above=True),
        "feature_fraction_bynode": Number(1.0, 0.0, 1.0, above=True),
        "bagging_fraction": Number(1.0, 0.0, 1.0, above=True),
        "bagging_freq": Integer(0, 0, 100_000),
        "lambda_l1": Number(0.0, 0.0, 1e12),
        "lambda_l2": Number(0.0, 0.0, 1e12),
        "min_gain_to_split": Number(0.0, 0.0, 1e12),
        "path_smooth": Number(0.0, 0.0, 1e12),
        "extra_trees": Choice(False, (False, True)),
        "boosting": Choice("gbdt", ("gbdt", "goss", "dart")),
        "top_rate": Number(0.2, 0.0, 1.0, above=True),
        "other_rate": Number(0.1, 0.0, 1.0, above=True),
        "drop_rate": Number(0.1, 0.0, 1.0),
        "skip_drop": Number(0.5, 0.0, 1.0),
        "max_drop": Integer(50, -1, 100_000),
        "max_delta_step": Number(0.0, 0.0, 1e12),
        "min_data_per_group": Integer(100, 1, 2**31 - 1),
        "max_cat_threshold": Integer(32, 1, 100_000),
        "max_cat_to_onehot": Integer(4, 1, 100_000),
        "cat_l2": Number(10.0, 0.0, 1e12),
        "cat_smooth": Number(10.0, 0.0, 1e12),
        "scale_pos_weight": Number(1.0, 0.0, 1e12, above=True),
    }
)

_BINS: Mapping[str, ParameterSpec] = MappingProxyType(
    {
        "max_bin": Integer(255, 2, 65_535),
        "min_data_in_bin": Integer(3, 1, 2**31 - 1),
        "bin_construct_sample_cnt": Integer(200_000, 1, 2**31 - 1),
    }
)
"""How the data is binned, once for all trials of an experiment."""

_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "n_estimators": "num_iterations",
        "num_iteration": "num_iterations",
        "num_boost_round": "num_iterations",
        "num_round": "num_iterations",
        "num_rounds": "num_iterations",
        "num_trees": "num_iterations",
        "n_iter": "num_iterations",
        "max_iter": "num_iterations",
        "early_stopping_round": "early_stopping_rounds",
        "early_stopping": "early_stopping_rounds",
        "n_iter_no_change": "early_stopping_rounds",
        "eta": "learning_rate",
        "shrinkage_rate": "learning_rate",
        "num_leaf": "num_leaves",
        "max_leaf": "num_leaves",
        "max_leaves": "num_leaves",
        "max_leaf_nodes": "num_leaves",
        "min_child_samples": "min_data_in_leaf",
        "min_data": "min_data_in_leaf",
        "min_samples_leaf": "min_data_in_leaf",
        "min_child_weight": "min_sum_hessian_in_leaf",
        "min_sum_hessian": "min_sum_hessian_in_leaf",
        "min_hessian": "min_sum_hessian_in_leaf",
        "colsample_bytree": "feature_fraction",
        "sub_feature": "feature_fraction",
        "colsample_bynode": "feature_fraction_bynode",
        "subsample": "bagging_fraction",
        "sub_row": "bagging_fraction",
        "bagging": "bagging_fraction",
        "subsample_freq": "bagging_freq",
        "reg_alpha": "lambda_l1",
        "l1_regularization": "lambda_l1",
        "alpha": "lambda_l1",
        "reg_lambda": "lambda_l2",
        "lambda": "lambda_l2",
        "l2_regularization": "lambda_l2",
        "min_split_gain": "min_gain_to_split",
        "gamma": "min_gain_to_split",
        "boosting_type": "boosting",
        "boost": "boosting",
        "data_sample_strategy": "boosting",
        "rate_drop": "drop_rate",
        "extra_tree": "extra_trees",
        "max_tree_output": "max_delta_step",
        "max_leaf_output": "max_delta_step",
        "max_bins": "max_bin",
        "subsample_for_bin": "bin_construct_sample_cnt",
    }
)

_BINNING = "shapes how the data is binned, once for all trials of an experiment, and cannot be searched"
_ONE_VALUE = "shapes how the data is binned, once for all trials of an experiment; give it one value, not a range"
_MACHINE = "is decided by the experiment and the machine, and cannot be searched"

_BOUND: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(
        (
            "max_bin_by_feature",
            "data_random_seed",
            "is_enable_sparse",
            "enable_bundle",
            "use_missing",
            "zero_as_missing",
            "feature_pre_filter",
            "pre_partition",
            "two_round",
            "categorical_feature",
            "cat_feature",
            "forcedbins_filename",
            "precise_float_parser",
            "linear_tree",
        ),
        _BINNING,
    )
    | dict.fromkeys(_BINS, _ONE_VALUE)
    | dict.fromkeys(
        (
            "objective",
            "metric",
            "num_class",
            "num_threads",
            "n_jobs",
            "nthread",
            "device_type",
            "device",
            "seed",
            "random_state",
            "deterministic",
            "force_row_wise",
            "force_col_wise",
            "verbosity",
            "verbose",
            "tree_learner",
        ),
        _MACHINE,
    )
)


@dataclass(frozen=True, slots=True)
class LightGBMSpec:
    """Gradient-boosted trees by LightGBM, for two classes, several classes and numbers."""

    name: str = "lightgbm"
    description: str = "Gradient-boosted trees (LightGBM)"
    tasks: frozenset[Task] = frozenset(Task)
    implementation: str = "melonkube.trainer.lightgbm:LightGBMTrainer"

    @property
    def parameters(self) -> Mapping[str, ParameterSpec]:
        """Every parameter that a search space may name."""
        return _PARAMETERS

    def default_space(self, rows: int, features: int, task: Task) -> SearchSpace:
        """Return ranges that suit a table of so many training rows and features.

        Leaves are bounded by what the rows can fill, so that small tables are not searched where they only overfit;
        columns are left out only where there are several.
        """
        leaves = min(256, max(16, rows // 40))
        leaf_rows = min(300, max(20, rows // 40))
        space: SearchSpace = {
            "num_iterations": FixedParameter(value=ROUNDS),
            "early_stopping_rounds": FixedParameter(value=PATIENCE),
            "learning_rate": FloatParameter(type="float", low=0.02, high=0.3, log=True),
            "num_leaves": IntParameter(type="int", low=4, high=leaves, log=True),
            "min_data_in_leaf": IntParameter(type="int", low=min(5, leaf_rows), high=leaf_rows, log=True),
            "bagging_fraction": FloatParameter(type="float", low=0.5, high=1.0),
            "bagging_freq": FixedParameter(value=1),
            "lambda_l1": FloatParameter(type="float", low=1e-4, high=10.0, log=True),
            "lambda_l2": FloatParameter(type="float", low=1e-4, high=30.0, log=True),
        }
        if features > 2:
            space["feature_fraction"] = FloatParameter(type="float", low=0.3, high=1.0)
        return space

    def baseline_params(self) -> dict[str, Scalar]:
        """Return LightGBM's own defaults: 100 rounds, no early stopping."""
        defaults = {name: spec.default for name, spec in _PARAMETERS.items()}
        shown = (
            "learning_rate", "num_leaves", "max_depth", "min_data_in_leaf", "feature_fraction", "bagging_fraction",
            "bagging_freq", "lambda_l1", "lambda_l2",
        )  # fmt: skip
        return {"num_iterations": 100, "early_stopping_rounds": 0} | {name: defaults[name] for name in shown}

    def fixed_params(self) -> dict[str, Scalar]:
        """Return how the data is binned: LightGBM's defaults, said aloud."""
        return {name: spec.default for name, spec in _BINS.items()}

    def validate_space(self, space: SearchSpace) -> list[ProblemItem]:
        """Return every fault of a user's search space."""
        return space_faults(space, _PARAMETERS, _ALIASES, _BOUND, _BINS)

    def resolve(self, params: Mapping[str, Scalar]) -> dict[str, Any]:
        """Return ``params`` with every parameter that they leave out.

        Raises:
            ValueError: One is unknown, of the wrong type or out of bounds.
        """
        for name, value in params.items():
            if (fault := value_fault(name, value, _PARAMETERS)) is not None:
                raise ValueError(f"{name} {fault}")
        return {name: spec.default for name, spec in _PARAMETERS.items()} | dict(params)


SPEC = LightGBMSpec()
