"""Choose the device of this process, send small tensors to it, and recognise torch's out-of-memory errors."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import Tensor


def device() -> torch.device:
    """The GPU of this process's LOCAL_RANK, or the CPU where there is no GPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def sent(values: Sequence[float] | Tensor, like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A few numbers on the device of `like`, for which the host does not wait.

    `torch.tensor(values, device=...)` would wait until all that is queued on a GPU is done, which leaves it
    idle after.
    """
    return torch.as_tensor(values, dtype=dtype).to(like.device, non_blocking=True)


def ran_out(error: MemoryError | RuntimeError) -> bool:
    """Whether the error says that memory is used up.

    torch has a class for this on a GPU; on a CPU only the message shows it.
    """
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
