"""Choose the device of this process, and recognise torch's out-of-memory errors."""

from __future__ import annotations

import os

import torch


def device() -> torch.device:
    """The GPU of this process's LOCAL_RANK, or the CPU where there is no GPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def ran_out(error: MemoryError | RuntimeError) -> bool:
    """Whether the error says that memory is used up.

    torch has a class for this on a GPU; on a CPU only the message shows it.
    """
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
