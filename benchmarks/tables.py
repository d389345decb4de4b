"""Tables that the benchmarks train on, made the same each time."""

import io

import numpy as np


def make_table(rows: int, columns: int, seed: int = 0) -> bytes:
    """Return a CSV with ``columns`` numeric columns ``f0``... and a binary target ``y`` that depends on them."""
    source = np.random.default_rng(seed)
    features = source.normal(size=(rows, columns))
    weights = source.normal(size=columns)
    score = features @ weights + np.sin(3 * features[:, 0]) * 2 + source.normal(scale=1.5, size=rows)
    labels = np.where(score > 0, "yes", "no")
    text = io.StringIO()
    text.write(",".join([*(f"f{number}" for number in range(columns)), "y"]) + "\n")
    for row, label in zip(features, labels, strict=True):
        text.write(",".join([*(f"{value:.6g}" for value in row), label]) + "\n")
    return text.getvalue().encode()
