"""Choose the device of this process, copy small tensors to it, and recognise torch's out-of-memory errors."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import Tensor

# How errors without a class of their own say that memory ran out: on a CPU, in a library of a GPU, and in its
# driver, which also pins memory of the host.
WITHOUT_MEMORY = ("can't allocate memory", "ALLOC_FAILED", "CUDA error: out of memory")


def device() -> torch.device:
    """The GPU of this process's LOCAL_RANK, or the CPU where there is no GPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def on_device_of(values: Sequence[float] | Tensor, like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A few numbers as a tensor on the device of `like`; the host does not wait for the copy.

    `torch.tensor(values, device=...)` would wait until a GPU has done all that is queued. The GPU would then
    be idle until the host has queued more.
    """
    return torch.as_tensor(values, dtype=dtype).to(like.device, non_blocking=True)


def is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Whether the error says that there is not enough memory.

    torch has a class of errors for a GPU. On a CPU, and where a library of a GPU asks for memory itself, only
    the message shows it.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in WITHOUT_MEMORY)
