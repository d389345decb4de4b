"""Experiments: made, read, paused, stopped, deleted."""
