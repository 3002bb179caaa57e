"""Read windows of one dataset into the memory of a batch, which is then reused for the next batch.

Axes: B batch, T time, C channel, S space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch

from shards.cache import CACHE_BYTES, Cache
from shards.program.byte_size import Size
from shards.read import Dataset
from shards.schema import AtLeastOne, Frames, Mask, Split, checked
from walrus.batch import Batch, BatchChannels, embed
from walrus.reading.plan import Window
from walrus.reading.window_reader import WindowReader

ALIGNMENT = 64


def scales(dataset: Dataset, *, constant: bool = False) -> tuple[float, ...]:
    """2^k of each channel on disk, variable or constant: the physical value of a stored 1."""
    return tuple(
        2.0**power for power in dataset.card.schema.per_channel(dataset.card.powers, constant=constant)
    )


@checked
class ReadSettings:
    """How shards are read on this machine; what is read does not depend on these settings.

    `threads` threads decode frames. Up to `frame_store` bytes of decoded frames are kept for windows that
    share them. Remote shards are kept in `cache_folder` (by default below XDG_CACHE_HOME or ~/.cache), up to
    `cache_size` bytes. The checksum of a chunk is checked when it is first read; with `verify_reads`, each
    time.
    """

    threads: AtLeastOne = 2
    frame_store: Size = 10**9
    cache_folder: str = ""
    cache_size: Size = CACHE_BYTES
    verify_reads: bool = False

    @property
    def cache(self) -> Cache:
        """The cache of remote shards."""
        return Cache(Path(self.cache_folder) if self.cache_folder else None, self.cache_size)


@dataclass(frozen=True)
class BatchBuffers:
    """Memory of one batch: arrays to decode into, and the batch of tensors that shares this memory."""

    fields_BTCS: Frames
    static_BCS: Frames
    cells_BS: Mask
    batch: Batch


@dataclass(frozen=True)
class _BatchArray:
    """An array in the memory of a batch, from byte `start` on."""

    start: int
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    @property
    def stop(self) -> int:
        """The byte at which the next array may start."""
        return self.start + -(-self.bytes // ALIGNMENT) * ALIGNMENT

    def of(self, memory: torch.Tensor) -> torch.Tensor:
        """The array as a view of this memory (uint8)."""
        return memory[self.start : self.start + self.bytes].view(self.dtype).view(self.shape)


class Reader:
    """Reads windows of one split of one dataset as batches; raises MismatchError if the split is empty.

    Up to `kept_frames` decoded frames are kept for the windows that share them (`WindowReader`).
    """

    def __init__(self, dataset: Dataset, split: Split, kept_frames: int = 0) -> None:
        schema = dataset.card.schema
        self._variable = BatchChannels.of(schema.variable_fields, schema.grid)
        self._constant = BatchChannels.of(schema.constant_fields, schema.grid)
        self._windows = WindowReader(
            dataset, split, kept_frames, self._variable.stored_slices, self._constant.stored_slices
        )
        self.dataset, self.entries = dataset, self._windows.entries

    def buffers(self, windows: int, frames: int) -> BatchBuffers:
        """New buffers for this many windows of this many frames."""
        return self.buffers_in(_memory(self.bytes(windows, frames)), windows, frames)

    def bytes(self, windows: int, frames: int) -> int:
        """Memory of a batch, in bytes."""
        *_, last = self._arrays(windows, frames)
        return last.stop

    def buffers_in(self, memory: torch.Tensor, windows: int, frames: int) -> BatchBuffers:
        """Buffers inside given memory (uint8).

        Unless it holds zeros, call `clear_padding` before the first read.
        """
        fields, static, cells = (array.of(memory) for array in self._arrays(windows, frames))
        batch = embed(
            self.dataset.card.name,
            self.dataset.card.schema,
            scales(self.dataset),
            scales(self.dataset, constant=True),
            fields,
            static,
            cells,
        )
        return BatchBuffers(fields.numpy(), static.numpy(), cells.numpy(), batch)

    def clear_padding(self, buffers: BatchBuffers) -> None:
        """Set the channels that are padding to zero; in memory of another batch they are not."""
        for channel in self._variable.padding:
            buffers.fields_BTCS[:, :, channel] = 0
        for channel in self._constant.padding:
            buffers.static_BCS[:, channel] = 0

    def read(self, windows: Sequence[Window], buffers: BatchBuffers) -> Batch:
        """Read these windows, in stored units; the batch is valid until `buffers` are used again."""
        arrays = (buffers.fields_BTCS, buffers.static_BCS, buffers.cells_BS)
        for window, fields_TCS, static_CS, cells_S in zip(windows, *arrays, strict=True):
            self._windows.read_into(window, fields_TCS, static_CS, cells_S)
        return buffers.batch

    def _arrays(self, windows: int, frames: int) -> tuple[_BatchArray, _BatchArray, _BatchArray]:
        """Fields, constant fields and cells in the memory of a batch."""
        grid = self.dataset.card.schema.grid.shape
        variable, constant = len(self._variable.stored_numbers), len(self._constant.stored_numbers)
        fields = _BatchArray(0, torch.float32, (windows, frames, variable, *grid))
        static = _BatchArray(fields.stop, torch.float32, (windows, constant, *grid))
        cells = _BatchArray(static.stop, torch.uint8, (windows, *grid))
        return fields, static, cells


def _memory(size: int) -> torch.Tensor:
    """Zeros (uint8); if there is a GPU, in pinned memory, from which it copies while the host continues."""
    return torch.zeros(size, dtype=torch.uint8, pin_memory=torch.cuda.is_available())


class BatchMemory:
    """Memory for one batch at a time, of any dataset and size; it grows to the largest batch."""

    def __init__(self) -> None:
        self._memory = _memory(0)
        self._known: dict[tuple[str, int, int], BatchBuffers] = {}
        self._last: BatchBuffers | None = None
        self._copied: torch.cuda.Event | None = None

    def buffers(self, reader: Reader, windows: int, frames: int) -> BatchBuffers:
        """Buffers for the next batch, in the memory of the last one; waits for its copy to the GPU."""
        if self._copied is not None:
            self._copied.synchronize()
        key = (reader.dataset.card.name, windows, frames)
        if reader.bytes(windows, frames) > len(self._memory):
            self._known.clear()
            self._memory = _memory(reader.bytes(windows, frames))
        if key not in self._known:
            self._known[key] = reader.buffers_in(self._memory, windows, frames)
        buffers = self._known[key]
        if buffers is not self._last:
            reader.clear_padding(buffers)
        self._last = buffers
        return buffers

    def free(self) -> None:
        """Allow the next batch to use the memory, once the copies to the GPU started so far are done."""
        if torch.cuda.is_available():
            self._copied = torch.cuda.Event()
            self._copied.record()
