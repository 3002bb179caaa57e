"""Read batches ahead of training: threads decode windows into buffers, which are then reused.

Axes: B batch, T time, C channel, S space.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import prod
from typing import TypeVar

import torch

from shards.read import Dataset
from shards.remote import Root, open_dataset
from walrus.batch import Batch, channels_of, embed
from walrus.reading.plan import CostOf, MicroBatch, StreamPlan, StreamSettings, make_task
from walrus.reading.ranks import ALONE, Rank
from walrus.reading.reader import BatchMemory, Reader, ReadSettings, scales

T = TypeVar("T")

# Micro-batches that are read ahead while one is trained on.
AHEAD = 4
DEFAULT = ReadSettings()


@dataclass(frozen=True)
class Shards:
    """The datasets of a run, by name, and how they are read."""

    datasets: dict[str, Dataset]
    reading: ReadSettings = DEFAULT

    @classmethod
    def open(cls, root: Root, names: Sequence[str], reading: ReadSettings = DEFAULT) -> Shards:
        """Open datasets below a folder or a URL; raises ShardError if one is not built."""
        return cls(
            {
                name: open_dataset(root, name, reading.cache, verify_reads=reading.verify_reads)
                for name in names
            },
            reading,
        )

    @property
    def channels(self) -> tuple[str, ...]:
        """All channel names of the batches, each once, in the order of the datasets."""
        names: dict[str, None] = {}
        for dataset in self.datasets.values():
            names |= dict.fromkeys(channels_of(dataset.card.schema))
        return tuple(names)

    @property
    def fingerprints(self) -> dict[str, str]:
        """A word for each dataset, which changes if any byte of the dataset changes."""
        return {name: _fingerprint(dataset) for name, dataset in sorted(self.datasets.items())}


def _fingerprint(dataset: Dataset) -> str:
    index = dataset.index
    checksums = sum(file.crc32c for file in index.files)
    return f"{index.card_crc32c:08x}:{len(index.trajectories)}:{checksums:x}"


def empty_batch(name: str, dataset: Dataset) -> Batch:
    """A batch with no windows, which has the channels, layout and grid of a dataset."""
    schema = dataset.card.schema
    fields = torch.empty((0, 0, *schema.frame_shape))
    static = torch.empty((0, *schema.static_shape))
    cells = torch.empty((0, *schema.grid.shape), dtype=torch.uint8)
    return embed(name, schema, scales(dataset), scales(dataset, constant=True), fields, static, cells)


def trajectories(dataset: Dataset) -> tuple[list[int], list[int]]:
    """The number of frames of each training trajectory, and the number of the shard where it begins."""
    entries = dataset.entries("train")
    paths = [entry.segments[0].fields.path for entry in entries]
    number = {path: position for position, path in enumerate(dict.fromkeys(paths))}
    return [entry.frames for entry in entries], [number[path] for path in paths]


def plan_stream(
    shards: Shards,
    weights: dict[str, int],
    stream: StreamSettings,
    seed: int,
    cost_of: CostOf,
    ahead: int = 1,
) -> StreamPlan:
    """The plan of a run over the training splits of these datasets; `ahead` frames follow each history."""
    tasks = []
    for name, dataset in shards.datasets.items():
        frames, numbers = trajectories(dataset)
        schema = dataset.card.schema
        tasks.append(make_task(name, weights[name], schema, frames, numbers, stream, cost_of, ahead))
    return StreamPlan(tuple(tasks), seed, stream.micro_batches)


def stream(
    plan: StreamPlan, shards: Shards, first_step: int, last_step: int, rank: Rank = ALONE
) -> Iterator[tuple[MicroBatch, Batch]]:
    """Yield the micro-batches of steps `first_step` to `last_step` - 1 in order, read ahead.

    These are the micro-batches of this rank's group, with this rank's windows of each. A batch is valid until
    the next one is requested.
    """
    readers = {
        name: Reader(dataset, "train", kept)
        for (name, dataset), kept in zip(shards.datasets.items(), kept_frames(shards), strict=True)
    }
    frames = {task.name: task.frames for task in plan.tasks}
    free = deque(BatchMemory() for _ in range(AHEAD))

    def read(micro: MicroBatch, memory: BatchMemory) -> tuple[MicroBatch, Batch, BatchMemory]:
        reader, windows = readers[micro.task], rank.slice(micro.windows, micro.task)
        batch = reader.read(windows, memory.buffers(reader, len(windows), frames[micro.task]))
        return micro, batch, memory

    def jobs() -> Iterator[Callable[[], tuple[MicroBatch, Batch, BatchMemory]]]:
        # A job is made only after an earlier batch has been used, so that there is free memory for it.
        for micro in plan.of_steps(range(first_step, last_step), rank):
            yield partial(read, micro, free.popleft())

    for micro, batch, memory in read_ahead(jobs(), shards.reading.threads):
        yield micro, batch
        memory.free()
        free.append(memory)


def read_ahead(jobs: Iterator[Callable[[], T]], threads: int) -> Iterator[T]:
    """Yield the results of the jobs, in order; threads run up to `AHEAD` jobs ahead."""
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque(pool.submit(job) for job in islice(jobs, AHEAD))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(job) for job in islice(jobs, 1))


def kept_frames(shards: Shards) -> tuple[int, ...]:
    """Number of decoded frames to keep of each dataset: 0 if it is `raw`, the same number for all others."""
    cards = [dataset.card for dataset in shards.datasets.values()]
    # Decoded frames are float32, whatever the type on disk.
    bytes_of_one = sum(4 * prod(card.schema.frame_shape) for card in cards if card.codec != "raw")
    kept = shards.reading.frame_store // bytes_of_one if bytes_of_one else 0
    # A FrameStore must have room for more frames than there are threads that read.
    if kept <= shards.reading.threads:
        kept = 0
    return tuple(0 if card.codec == "raw" else kept for card in cards)
