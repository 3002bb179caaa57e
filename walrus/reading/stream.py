"""Windows out of shards into batches, ahead of the training: decoded by threads into buffers that are used again.

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

AHEAD = 4
DEFAULT = ReadSettings()


@dataclass(frozen=True)
class Shards:
    """The datasets of a run, by name, and how they are read."""

    datasets: dict[str, Dataset]
    reading: ReadSettings = DEFAULT

    @classmethod
    def open(cls, root: Root, names: Sequence[str], reading: ReadSettings = DEFAULT) -> Shards:
        """The datasets below a folder or a URL; raises ShardError where one is not built."""
        return cls({name: open_dataset(root, name, reading.cache) for name in names}, reading)

    @property
    def channels(self) -> tuple[str, ...]:
        """Every channel name that a batch can hold, each once, in the order of the datasets."""
        schemas = [dataset.card.schema for dataset in self.datasets.values()]
        return tuple(dict.fromkeys(name for schema in schemas for name in channels_of(schema)))

    @property
    def fingerprints(self) -> dict[str, str]:
        """By dataset; it changes with any byte of it."""
        return {
            name: f"{dataset.index.card_crc32c:08x}:{len(dataset.index.trajectories)}:"
            f"{sum(file.crc32c for file in dataset.index.files):x}"
            for name, dataset in sorted(self.datasets.items())
        }


def empty_batch(name: str, dataset: Dataset) -> Batch:
    """No window of a dataset: its channels, layout and grid."""
    schema = dataset.card.schema
    fields = torch.empty((0, 0, *schema.frame_shape))
    static = torch.empty((0, *schema.static_shape))
    cells = torch.empty((0, *schema.grid.shape), dtype=torch.uint8)
    return embed(name, schema, scales(dataset), scales(dataset, constant=True), fields, static, cells)


def trajectories(dataset: Dataset) -> tuple[list[int], list[int]]:
    """The frames of each training trajectory, and the number of the shard where it begins."""
    entries = dataset.entries("train")
    paths = [entry.segments[0].fields.path for entry in entries]
    number = {path: position for position, path in enumerate(dict.fromkeys(paths))}
    return [entry.frames for entry in entries], [number[path] for path in paths]


def plan_stream(
    shards: Shards, weights: dict[str, int], stream: StreamSettings, seed: int, cost_of: CostOf
) -> StreamPlan:
    """The plan of a run over the training splits of these datasets."""
    tasks = []
    for name, dataset in shards.datasets.items():
        frames, numbers = trajectories(dataset)
        tasks.append(make_task(name, weights[name], dataset.card.schema, frames, numbers, stream, cost_of))
    return StreamPlan(tuple(tasks), seed, stream.micro_batches)


def stream(
    plan: StreamPlan, shards: Shards, first_step: int, last_step: int, place: Rank = ALONE
) -> Iterator[tuple[MicroBatch, Batch]]:
    """This rank's share of its group's micro-batches of steps `first_step` to `last_step` - 1, in order, read ahead.

    A batch is good until the next one is asked for.
    """
    readers = {
        name: Reader(dataset, "train", kept)
        for (name, dataset), kept in zip(shards.datasets.items(), kept_frames(shards), strict=True)
    }
    frames = {task.name: task.history + 1 for task in plan.tasks}
    rooms = deque(BatchMemory() for _ in range(AHEAD))

    def read(micro: MicroBatch, room: BatchMemory) -> tuple[MicroBatch, Batch, BatchMemory]:
        reader, windows = readers[micro.task], place.slice(micro.windows, micro.task)
        batch = reader.read(windows, room.buffers(reader, len(windows), frames[micro.task]))
        return micro, batch, room

    jobs = (
        partial(read, micro, rooms.popleft())
        for step in range(first_step, last_step)
        for micro in plan.of_group(step, place)
    )
    for micro, batch, room in read_ahead(jobs, shards.reading.threads):
        yield micro, batch
        room.free()
        rooms.append(room)


def read_ahead(jobs: Iterator[Callable[[], T]], threads: int) -> Iterator[T]:
    """The results of the jobs, in order; threads are up to `AHEAD` of them ahead."""
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque(pool.submit(job) for job in islice(jobs, AHEAD))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(job) for job in islice(jobs, 1))


def kept_frames(shards: Shards) -> tuple[int, ...]:
    """How many decoded frames of each dataset are kept, none of a `raw` one; all others share the memory for it."""
    compressed = [dataset.card.codec != "raw" for dataset in shards.datasets.values()]
    shapes = [dataset.card.schema.frame_shape for dataset in shards.datasets.values()]
    bytes_of_one = sum(4 * prod(shape) for shape, kept in zip(shapes, compressed, strict=True) if kept)
    kept = shards.reading.frame_store // bytes_of_one if bytes_of_one else 0
    # A store must have more room than threads that read.
    if kept <= shards.reading.threads:
        kept = 0
    return tuple(kept * is_compressed for is_compressed in compressed)
