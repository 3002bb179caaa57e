"""A training run that prints who looked at numbers of tensors, and how often: waiting_run.py ROOT FOLDER

The options are those of training_run.py.
"""

from __future__ import annotations

import json
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from training_run import main

PACKAGE = Path(__file__).parents[3] / "walrus"
LOOKS = Counter[str]()


def asking() -> str:
    """The function of the package that torch or DeepSpeed is called from."""
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if path.is_relative_to(PACKAGE):
            return f"{path.relative_to(PACKAGE)}: {frame.name}"
    return "outside of the package"


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
