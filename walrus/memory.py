"""Memory that does not suffice."""

from __future__ import annotations

import torch


def ran_out(error: MemoryError | RuntimeError) -> bool:
    """Whether this says that memory does not suffice: torch has an error of its own for a GPU, for a CPU only words."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
