"""Runs the tuner's migrations."""

from melonkube.kit.migrations import run_env
from melonkube.tuner.tables import TunerBase

run_env(TunerBase.metadata)
