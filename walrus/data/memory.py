"""Reuses the memory of batches that are no longer used.

To write into new memory takes twenty times as long as the copy. The reasons are in
docs/decisions/0060-memory-that-comes-back.md.
"""

from __future__ import annotations

import weakref

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import get_worker_info

from walrus.data.shared_memory import SharedMemoryPool

Bytes = npt.NDArray[np.uint8]


class MemoryPool:
    """Lends memory, and gets it back when the last tensor that uses it is deleted.

    In a worker of a DataLoader it lends shared memory, in which the other process reads the batch.
    Several threads may use it.

    >>> memory = MemoryPool()
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
        self._shared = SharedMemoryPool()

    def lend(self, size: int) -> torch.Tensor:
        """`size` bytes (uint8); their content is arbitrary."""
        if get_worker_info() is not None:
            # Any other memory would be copied when the worker sends it.
            return self._shared.lend(size)
        memory = self._take(size)
        lent = memory[:size]
        # The tensor, and each view of it, keeps this array alive; the end of the array returns the memory.
        weakref.finalize(lent, self._free.append, memory).atexit = False
        return torch.from_numpy(lent)

    def _take(self, size: int) -> Bytes:
        """Memory that is free and large enough, otherwise new; what is free and too small is released."""
        while True:
            try:
                memory = self._free.pop()
            except IndexError:
                return np.empty(size, np.uint8)
            if len(memory) >= size:
                return memory
