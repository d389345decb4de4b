"""Executors: where workers run."""
