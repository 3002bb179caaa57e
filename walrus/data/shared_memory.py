"""Memory of a worker of a DataLoader in which the training loop reads a batch, and which then comes back.

The worker sends the block of shared memory that a batch lies in. When the other process has deleted the last
tensor of the batch, it marks the block as free, and the worker uses it for another batch. The reasons are in
docs/decisions/0060-memory-that-comes-back.md.
"""

from __future__ import annotations

import os
import weakref
from math import prod
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Bytes = npt.NDArray[np.uint8]
# The first byte of a block says whether it is free; a batch begins here, so that it is aligned.
HEADER = 64
FREE, USED = 0, 1
# So many blocks are remembered; one that is forgotten is not used again.
MOST_BLOCKS = 64


class Place(NamedTuple):
    """Where a tensor lies in a block, in bytes from its beginning."""

    start: int
    shape: tuple[int, ...]
    dtype: torch.dtype


class Block:
    """A piece of shared memory, lent to one batch at a time."""

    def __init__(self, size: int) -> None:
        storage = torch.UntypedStorage._new_shared(HEADER + size)
        self.memory: Tensor = torch.empty(0, dtype=torch.uint8).set_(storage)
        self.bytes: Bytes = self.memory.numpy()
        self.sent = False
        self._lent: weakref.ref[Bytes] | None = None

    @property
    def is_free(self) -> bool:
        """Whether no tensor uses it, neither in this process nor in the one that it was sent to."""
        used_here = self._lent is not None and self._lent() is not None
        return not used_here and not (self.sent and self.bytes[0] == USED)

    def lend(self, size: int) -> Tensor:
        """`size` bytes of it; their content is arbitrary."""
        self.sent, self.bytes[0] = False, USED
        lent = self.bytes[HEADER : HEADER + size]
        self._lent = weakref.ref(lent)
        return torch.from_numpy(lent)

    def place(self, tensor: Tensor) -> Place | Tensor:
        """Where a tensor lies in this block; the tensor itself if it does not, or not in one piece."""
        # An empty tensor has no address. To send it as it is would copy the memory of the whole batch.
        start = tensor.data_ptr() - self.memory.data_ptr() if tensor.numel() else HEADER
        inside = start >= HEADER and start + tensor.nbytes <= len(self.bytes)
        if inside and tensor.is_contiguous():
            return Place(start, tuple(tensor.shape), tensor.dtype)
        return tensor


# The blocks that are lent in this process, by the address of the batch: what pickles a batch knows only that.
lent_blocks: weakref.WeakValueDictionary[int, Block] = weakref.WeakValueDictionary()


class SharedMemoryPool:
    """Lends blocks in one worker; several threads may use it."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._process = os.getpid()
        self._lock = Lock()

    def lend(self, size: int) -> Tensor:
        """`size` bytes (uint8) of shared memory; their content is arbitrary."""
        with self._lock:
            if self._process != os.getpid():
                # A forked process must not write into the blocks of the other one.
                self._process, self._blocks = os.getpid(), []
            block = self._take(size)
            lent = block.lend(size)
            lent_blocks[lent.data_ptr()] = block
            return lent

    def _take(self, size: int) -> Block:
        """A free block that is large enough, otherwise a new one; then smaller free ones are released."""
        free = [block for block in self._blocks if block.is_free]
        fits = next((block for block in free if len(block.bytes) >= HEADER + size), None)
        used = [block for block in self._blocks if block not in free]
        if fits is None:
            fits, free = Block(size), []
        self._blocks = [*used, *(block for block in free if block is not fits), fits][-MOST_BLOCKS:]
        return fits


def sent_places(tensors: tuple[Tensor, ...]) -> tuple[Block, tuple[Place | Tensor, ...]] | None:
    """The block in which the first tensor begins, and where in it each tensor lies; marks it as sent.

    None if there is no such block, or if it was sent before.
    """
    block = lent_blocks.get(tensors[0].data_ptr())
    if block is None or block.sent:
        return None
    block.sent = True
    return block, tuple(map(block.place, tensors))


def received(memory: Tensor, places: tuple[Place | Tensor, ...]) -> tuple[Tensor, ...]:
    """The tensors of a block that a worker sent; it gets the block back when the last one is deleted."""
    block: Bytes = memory.numpy()
    lent = block[HEADER:]
    # The tensors, and each view of them, keep this array alive.
    weakref.finalize(lent, _give_back, block, os.getpid()).atexit = False
    whole = torch.from_numpy(lent)
    return tuple(each if isinstance(each, Tensor) else _at(whole, each) for each in places)


def _at(whole: Tensor, place: Place) -> Tensor:
    start = place.start - HEADER
    size = prod(place.shape) * place.dtype.itemsize
    return whole[start : start + size].view(place.dtype).view(place.shape)


def _give_back(block: Any, process: int) -> None:
    """Marks a block as free; not in a fork of the process that holds the batch."""
    if os.getpid() == process:
        block[0] = FREE
