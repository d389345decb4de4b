"""A plain hyperopt + LightGBM loop: the other side of ``benchmarks.experiment``.

Reads a CSV once per process, bins it once per process, and keeps as many trainings going as it is told, asking TPE
for the next parameters whenever one is done. Prints the best AUC.

    python -m benchmarks.plain_loop table.csv --trials 40 --rounds 300 --processes 2
"""

import argparse
import multiprocessing
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import cache
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
from hyperopt import JOB_STATE_DONE, STATUS_OK, Trials, hp, space_eval, tpe
from hyperopt.base import Domain

SPACE = {
    "learning_rate": hp.loguniform("learning_rate", np.log(0.02), np.log(0.2)),
    "lambda_l1": hp.loguniform("lambda_l1", np.log(1e-4), np.log(10.0)),
    "lambda_l2": hp.loguniform("lambda_l2", np.log(1e-4), np.log(10.0)),
}


@cache
def load(path: str) -> tuple[lgb.Dataset, lgb.Dataset]:
    """Return the training and validation rows, 3 : 1, binned."""
    with Path(path).open() as file:
        columns = len(file.readline().split(",")) - 1
    features = np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(columns))
    labels = np.loadtxt(path, delimiter=",", skiprows=1, usecols=columns, dtype=str) == "yes"
    # As MelonKube divides them: a fifth of the rows is a holdout that neither trains nor scores.
    order = np.random.default_rng(0).permutation(len(labels))
    cut, end = int(0.6 * len(labels)), int(0.8 * len(labels))
    params = {"feature_pre_filter": False, "verbosity": -1}
    training = lgb.Dataset(features[order[:cut]], labels[order[:cut]], params=params, free_raw_data=False)
    validation = training.create_valid(features[order[cut:end]], labels[order[cut:end]])
    training.construct()
    validation.construct()
    return training, validation


def train(path: str, params: dict[str, Any], rounds: int) -> float:
    """Train one model and return its AUC on the validation rows."""
    training, validation = load(path)
    fixed = {
        "objective": "binary",
        "metric": "auc",
        "num_threads": 1,
        "num_leaves": 31,
        "verbosity": -1,
        "deterministic": True,
        "force_row_wise": True,
        "feature_pre_filter": False,
        "seed": 1,
    }
    scores: dict[str, dict[str, list[float]]] = {}
    lgb.train({**fixed, **params}, training, rounds, valid_sets=[validation], callbacks=[lgb.record_evaluation(scores)])
    return scores["valid_0"]["auc"][-1]


def search(path: str, trials: int, rounds: int, processes: int, seed: int) -> float:
    """Run the loop and return the best AUC."""
    history = Trials()
    domain = Domain(lambda _: 0.0, SPACE)
    random = np.random.default_rng(seed)
    running: dict[Future[float], dict[str, Any]] = {}
    asked = 0
    best = 0.0
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        while asked < trials or running:
            while asked < trials and len(running) < processes:
                identity = history.new_trial_ids(1)
                document = tpe.suggest(identity, domain, history, int(random.integers(2**31)), n_startup_jobs=10)[0]
                history.insert_trial_doc(document)
                history.refresh()
                values = {name: value[0] for name, value in document["misc"]["vals"].items()}
                running[pool.submit(train, path, space_eval(SPACE, values), rounds)] = document
                asked += 1
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                document, value = running.pop(future), future.result()
                best = max(best, value)
                document["state"] = JOB_STATE_DONE
                document["result"] = {"status": STATUS_OK, "loss": -value}
            history.refresh()
    return best


def main() -> None:
    """Run the loop and print the best AUC."""
    parser = argparse.ArgumentParser()
    parser.add_argument("table")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    print(search(chosen.table, chosen.trials, chosen.rounds, chosen.processes, chosen.seed))


if __name__ == "__main__":
    main()
