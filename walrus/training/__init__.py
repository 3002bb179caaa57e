"""Trains a model: the loop, its engine, its checkpoints, validation and logs.

The package itself loads nothing: DeepSpeed takes seconds, and settings are read without it.
"""

__all__ = [
    "early_stopping",
    "engine_settings",
    "lora",
    "objective",
    "run_checkpoint",
    "schedule",
    "train",
    "tuning",
]
