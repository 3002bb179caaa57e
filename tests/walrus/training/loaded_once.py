"""Loads all that a training run loads: own_process.py forks from a process that has imported this."""

import torch
from torch.utils import tensorboard

from walrus.training import early_stopping, train
from walrus.training.deepspeed_fence import load_deepspeed

__all__ = ["early_stopping", "tensorboard", "train"]

load_deepspeed()
# Loading it turns the compiler off; a script that compiles and uses no DeepSpeed finds it as it is at first.
torch.compiler.set_stance("default")
