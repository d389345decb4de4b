"""Runs: parameters, metric series, logs and artifacts of one training."""
