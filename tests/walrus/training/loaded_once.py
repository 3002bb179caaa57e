"""Loads all that a training run loads: own_process.py forks from a process that has imported this."""

from torch.utils import tensorboard

from walrus.training import early_stopping, train
from walrus.training.deepspeed_fence import load_deepspeed

__all__ = ["early_stopping", "tensorboard", "train"]

load_deepspeed()
