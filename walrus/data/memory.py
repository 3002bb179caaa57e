"""Reuses the memory of batches that nobody holds any more: fresh memory costs twenty times the copy.

The reasons are in docs/decisions/0060-memory-that-comes-back.md.
"""

from __future__ import annotations

import weakref

import numpy as np
import numpy.typing as npt
import torch

Bytes = npt.NDArray[np.uint8]


class Memory:
    """Lends memory, and takes it back when the last tensor in it is gone; safe to call from threads.

    >>> memory = Memory()
    >>> first = memory.lend(100)
    >>> place = first.data_ptr()
    >>> memory.lend(100).data_ptr() == place
    False
    >>> del first
    >>> memory.lend(50).data_ptr() == place
    True
    """

    def __init__(self) -> None:
        self._free: list[Bytes] = []

    def lend(self, size: int) -> torch.Tensor:
        """`size` bytes (uint8), of any content."""
        memory = self._take(size)
        lent = memory[:size]
        # The tensor holds this array as long as it, or any view of it, is used.
        weakref.finalize(lent, self._free.append, memory).atexit = False
        return torch.from_numpy(lent)

    def _take(self, size: int) -> Bytes:
        """Free memory that is large enough; what is too small is given up, so that it does not pile up."""
        while True:
            try:
                memory = self._free.pop()
            except IndexError:
                return np.empty(size, np.uint8)
            if len(memory) >= size:
                return memory
