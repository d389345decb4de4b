"""Benchmarks: each prints its figures as ratios in one run; `make bench` runs them all."""
