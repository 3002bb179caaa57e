"""Where this process computes, and how it is told that the memory there does not suffice."""

from __future__ import annotations

import os

import torch


def device() -> torch.device:
    """Where this process computes."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def ran_out(error: MemoryError | RuntimeError) -> bool:
    """Whether this says that memory does not suffice: torch has an error of its own for a GPU, for a CPU only words."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
