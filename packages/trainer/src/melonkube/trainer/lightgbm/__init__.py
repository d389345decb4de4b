"""LightGBM as a trainer: gradient-boosted trees for two classes, several classes and numbers."""

from melonkube.trainer.lightgbm.trainer import LightGBMTrainer

__all__ = ["LightGBMTrainer"]
