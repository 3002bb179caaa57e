"""Windows out of shards into batches, ahead of the training: decoded by threads into buffers that are used again.

Axes: B batch, T time, C channel, S space.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from shards.errors import MismatchError
from shards.index import Entry
from shards.read import Dataset
from shards.spec import Frames, Mask, Schema, Split
from walrus.batch import Batch, embed
from walrus.plan import MicroBatch, Plan, StreamSettings, Task, Window, slice_of_rank

AHEAD = 4
THREADS = 2


@dataclass(frozen=True)
class Shards:
    """The datasets of a run, by name."""

    datasets: dict[str, Dataset]

    @classmethod
    def open(cls, root: Path, names: Sequence[str]) -> Shards:
        """Raises ShardError where one is not built."""
        return cls({name: Dataset(root / name) for name in names})

    @property
    def channels(self) -> tuple[str, ...]:
        """Every channel name that a batch can hold, each once, in the order of the datasets."""
        names: list[str] = []
        for name, dataset in self.datasets.items():
            empty = _empty_batch(name, dataset)
            names += [*empty.channels, *empty.static_channels]
        return tuple(dict.fromkeys(names))

    @property
    def fingerprint(self) -> str:
        """Changes with any byte of any dataset."""
        return ";".join(
            f"{name}:{dataset.index.card_crc32c:08x}:{len(dataset.index.trajectories)}:"
            f"{sum(file.crc32c for file in dataset.index.files):x}"
            for name, dataset in sorted(self.datasets.items())
        )


def _empty_batch(name: str, dataset: Dataset) -> Batch:
    schema = dataset.card.schema
    fields = torch.empty((0, 0, *schema.frame_shape))
    static = torch.empty((0, *schema.static_shape))
    cells = torch.empty((0, *schema.grid.shape), dtype=torch.uint8)
    return embed(name, schema, scales(dataset), fields, static, cells)


def scales(dataset: Dataset) -> tuple[float, ...]:
    """2^k of each stored variable channel."""
    return tuple(2.0**power for power in dataset.card.schema.per_channel(dataset.card.powers))


def make_plan(shards: Shards, weights: dict[str, int], stream: StreamSettings, seed: int) -> Plan:
    """The plan of a run over the training splits of these datasets."""
    tasks = []
    for name, dataset in shards.datasets.items():
        dimensions = len(dataset.card.schema.grid.axes)
        tasks.append(
            Task(
                name=name,
                weight=weights[name],
                trajectory_frames=tuple(entry.frames for entry in dataset.entries("train")),
                history=stream.history(dimensions),
                windows=stream.windows(dimensions),
                largest_stride=stream.largest_stride,
            )
        )
    return Plan(tuple(tasks), seed, stream.micro_batches)


@dataclass(frozen=True)
class Buffers:
    """Memory for the windows of one batch; used again and again, since fresh memory costs twenty times the copy."""

    fields_BTCS: Frames
    static_BCS: Frames
    cells_BS: Mask

    @classmethod
    def of(cls, schema: Schema, windows: int, frames: int) -> Buffers:
        return cls(
            np.empty((windows, frames, *schema.frame_shape), np.float32),
            np.empty((windows, *schema.static_shape), np.float32),
            np.empty((windows, *schema.grid.shape), np.uint8),
        )


class Reader:
    """Reads windows of one split of one dataset; raises MismatchError where the split is empty."""

    def __init__(self, dataset: Dataset, split: Split) -> None:
        if not dataset.entries(split):
            raise MismatchError(f"{dataset.folder}: has no {split} trajectories")
        self.dataset = dataset
        self.entries = dataset.entries(split)

    def buffers(self, windows: int, frames: int) -> Buffers:
        return Buffers.of(self.dataset.card.schema, windows, frames)

    def read(self, windows: Sequence[Window], buffers: Buffers) -> Batch:
        """The batch of these windows in stored units; it lies in `buffers` and is good until they are used again."""
        for number, window in enumerate(windows):
            entry: Entry = self.entries[window.trajectory]
            fields_TCS = buffers.fields_BTCS[number]
            times = [window.first + window.stride * step for step in range(len(fields_TCS))]
            self.dataset.read_frames(entry, times, fields_TCS)
            buffers.static_BCS[number] = self.dataset.static(entry)
            buffers.cells_BS[number] = self.dataset.boundary(entry)
        return embed(
            self.dataset.card.name,
            self.dataset.card.schema,
            scales(self.dataset),
            torch.from_numpy(buffers.fields_BTCS),
            torch.from_numpy(buffers.static_BCS),
            torch.from_numpy(buffers.cells_BS),
        )


def stream(
    plan: Plan, shards: Shards, first_step: int, last_step: int, rank: int = 0, ranks: int = 1
) -> Iterator[tuple[MicroBatch, Batch]]:
    """The micro-batches of steps `first_step` to `last_step` - 1 in order, this rank's share of each, read ahead.

    A batch is good until the next one is asked for.
    """
    readers = {name: Reader(dataset, "train") for name, dataset in shards.datasets.items()}
    frames = {task.name: task.history + 1 for task in plan.tasks}
    free: dict[str, list[Buffers]] = {name: [] for name in readers}

    def read(micro: MicroBatch, buffers: Buffers) -> Batch:
        return readers[micro.task].read(slice_of_rank(micro.windows, rank, ranks, micro.task), buffers)

    def submit(micro: MicroBatch) -> _Ahead:
        share = len(slice_of_rank(micro.windows, rank, ranks, micro.task))
        spare = free[micro.task]
        buffers = spare.pop() if spare else readers[micro.task].buffers(share, frames[micro.task])
        return _Ahead(micro, buffers, pool.submit(read, micro, buffers))

    todo = (micro for step in range(first_step, last_step) for micro in plan.step(step))
    with ThreadPoolExecutor(THREADS) as pool:
        waiting = deque(submit(micro) for micro in islice(todo, AHEAD))
        while waiting:
            ahead = waiting.popleft()
            yield ahead.micro, ahead.batch.result()
            free[ahead.micro.task].append(ahead.buffers)
            waiting.extend(submit(micro) for micro in islice(todo, 1))


@dataclass(frozen=True)
class _Ahead:
    """A micro-batch being read."""

    micro: MicroBatch
    buffers: Buffers
    batch: Future[Batch]
