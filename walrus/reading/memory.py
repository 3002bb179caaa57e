"""Memory on a CPU that is freed and asked for again within milliseconds, and memory that does not suffice."""

from __future__ import annotations

import ctypes
import sys

import torch

# Numbers of glibc's mallopt(3).
TRIM_THRESHOLD, MAP_THRESHOLD = -1, -3
LARGEST = 2**31 - 1


def keep_freed_memory() -> None:
    """Lets the process keep what it frees instead of returning it to the system; nothing where there is no glibc.

    By default glibc maps every large tensor anew, and the page faults cost more than the arithmetic: writing a fresh
    tensor of 64 MB takes 48 ms, a kept one 6 ms (docs/lab.md).
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return
    mallopt(TRIM_THRESHOLD, LARGEST)
    mallopt(MAP_THRESHOLD, LARGEST)


def ran_out(error: MemoryError | RuntimeError) -> bool:
    """Whether this says that memory does not suffice: torch has an error of its own for a GPU, for a CPU only words."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
