"""A training run that prints who looked at numbers of tensors, and how often: waiting_run.py ROOT FOLDER

The options are those of training_run.py.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import torch
from asking import asking
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from training_run import main

LOOKS = Counter[str]()


class Numbers(TorchDispatchMode):
    """Counts single numbers that are taken from a tensor: float(), int(), bool(), item()."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            LOOKS[asking()] += 1
        return func(*args, **(kwargs or {}))


class Copies(TorchFunctionMode):
    """Counts tensors that are copied to the host as a whole."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.Tensor.tolist, torch.Tensor.cpu, torch.Tensor.numpy):
            LOOKS[asking()] += 1
        return func(*args, **(kwargs or {}))


if __name__ == "__main__":
    with Numbers(), Copies():
        main()
    print(json.dumps(LOOKS))
