"""All windows of some datasets, by number: a map-style dataset of torch.

Axes: T time, C channel, S space.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import Sampler, get_worker_info

from shards.errors import MismatchError, SettingsError
from shards.nearest_name import require_known
from shards.read import Dataset
from shards.remote import open_place
from shards.schema import Split
from walrus.data.memory import MemoryPool
from walrus.data.sample import Sample, SampleReader, Samples, Units
from walrus.randomness import permutation
from walrus.reading.plan import Window
from walrus.reading.ranks import Rank

DatasetPlace = Path | str | Dataset


def opened(places: DatasetPlace | Sequence[DatasetPlace]) -> tuple[Dataset, ...]:
    """The datasets at these folders or URLs.

    Raises ShardError if one is not built, SettingsError if there is none, or two have one name.
    """
    several = [places] if isinstance(places, Path | str | Dataset) else places
    found = tuple(place if isinstance(place, Dataset) else open_place(place) for place in several)
    if not found:
        raise SettingsError("datasets: found none; expected one or more")
    by_name: dict[str, str] = {}
    for dataset in found:
        name, where = dataset.card.name, dataset.files.where()
        # A sample names its dataset: of two with one name, nobody could tell them apart.
        if name in by_name:
            raise SettingsError(
                f"datasets: {by_name[name]} and {where} are both called {name}; give each dataset once; to "
                "read one more often, use the weights of a Stream, or a sampler"
            )
        by_name[name] = where
    return found


@dataclass(frozen=True, eq=False)
class _Numbers:
    """Numbers the windows of one dataset: by trajectory, then by stride, then by first frame.

    `ends` has, for each pair of trajectory and stride, the number of windows up to its end.
    """

    ends: np.ndarray[Any, np.dtype[np.int64]]
    strides: tuple[int, ...]
    every: int

    @classmethod
    def of(
        cls, trajectory_frames: Sequence[int], frames: int, strides: tuple[int, ...], every: int
    ) -> _Numbers:
        room = np.subtract.outer(np.array(trajectory_frames), (frames - 1) * np.array(strides))
        return cls(np.maximum(0, -(-room // every)).ravel().cumsum(), strides, every)

    def window(self, number: int) -> Window:
        pair = int(np.searchsorted(self.ends, number, "right"))
        trajectory, stride = divmod(pair, len(self.strides))
        within = number - (int(self.ends[pair - 1]) if pair else 0)
        return Window(trajectory, within * self.every, self.strides[stride])


class Windows(TorchDataset[Sample]):
    """All windows of one split of some datasets, as samples of `frames` frames.

    - `datasets`: folders, URLs or open datasets.
    - `strides`: the distances between the frames of a window; each gives windows of its own.
    - `every`: a window starts at every `every`-th frame.
    - `units`: those of the fields.
    - `threads`: so many decode the windows of a batch; a worker of a DataLoader has one.

    A DataLoader reads a batch at once, in memory that is reused when the batch is deleted. Batches from
    several datasets need `BatchesOfOneDataset`. Raises ShardError if a dataset is not built, MismatchError
    where one has no such window, SettingsError if a number is below 1, a split or units are unknown, or two
    datasets have one name.
    """

    def __init__(
        self,
        datasets: DatasetPlace | Sequence[DatasetPlace],
        split: Split = "train",
        frames: int = 2,
        strides: Sequence[int] = (1,),
        every: int = 1,
        units: Units = "physical",
        threads: int = 2,
    ) -> None:
        if min(frames, every, threads, *strides) < 1 or not strides:
            raise SettingsError(
                f"frames {frames}, strides {[*strides]}, every {every}, threads {threads}: "
                "expected 1 or more of each"
            )
        require_known("units", units, get_args(Units))
        self.datasets = opened(datasets)
        self.split, self.frames, self.strides = split, frames, tuple(strides)
        self.every, self.units, self.threads = every, units, threads
        # Counts of windows, not a list of them: a window is computed from its number.
        self._numbers = tuple(self._numbers_of(dataset) for dataset in self.datasets)
        self.ends = np.cumsum([numbers.ends[-1] for numbers in self._numbers]).tolist()

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker process opens the datasets itself.
        settings = (self.split, self.frames, self.strides, self.every, self.units, self.threads)
        return Windows, (self.datasets, *settings)

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, number: int) -> Sample:
        return self.__getitems__([number])[0]

    def __getitems__(self, numbers: Sequence[int]) -> Sequence[Sample]:
        """The windows with these numbers, read at once if they are from one dataset."""
        places = [self.locate(number) for number in numbers]
        datasets = {dataset for dataset, _ in places}
        if len(datasets) != 1:
            return [
                self._readers[dataset].read([window], self.frames).of_window(0) for dataset, window in places
            ]
        reader = self._readers[datasets.pop()]
        # A worker decodes in one thread: there are others.
        uses_threads = len(places) > 1 and self.threads > 1 and get_worker_info() is None
        pool = self._pool if uses_threads else None
        return Samples(reader.read([window for _, window in places], self.frames, pool))

    def locate(self, number: int) -> tuple[int, Window]:
        """The number of the dataset, and the window in it; raises IndexError if there is none."""
        if not -len(self) <= number < len(self):
            raise IndexError(f"window {number} of {len(self)}")
        number %= len(self)
        dataset = int(np.searchsorted(self.ends, number, "right"))
        return dataset, self._numbers[dataset].window(number - (self.ends[dataset - 1] if dataset else 0))

    @cached_property
    def _readers(self) -> tuple[SampleReader, ...]:
        memory = MemoryPool()
        return tuple(SampleReader(dataset, self.split, self.units, memory) for dataset in self.datasets)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """Only in the process of the training loop: a forked worker would find no threads in it."""
        return ThreadPoolExecutor(self.threads)

    def _numbers_of(self, dataset: Dataset) -> _Numbers:
        lengths = [entry.frames for entry in dataset.entries(self.split)]
        numbers = _Numbers.of(lengths, self.frames, self.strides, self.every) if lengths else None
        if numbers is None or not numbers.ends[-1]:
            raise MismatchError(
                f"{dataset.files.where()}: no {self.split} window of {self.frames} frames with stride "
                f"{min(self.strides)}; there are {len(lengths)} trajectories of at most "
                f"{max(lengths, default=0)} frames; ask for fewer frames"
            )
        return numbers


class BatchesOfOneDataset(Sampler[list[int]]):
    """Shuffled batches of window numbers, each from one dataset: the `batch_sampler` of a DataLoader.

    The order depends only on `seed` and the epoch (`set_epoch`). All ranks get the same number of batches;
    `rank` is by default that of torch.distributed when an epoch starts. The last windows of a dataset are
    left out if they do not fill a batch of `batch_size`.
    """

    def __init__(self, windows: Windows, batch_size: int, seed: int = 0, rank: Rank | None = None) -> None:
        self.windows, self.batch_size, self.seed = windows, batch_size, seed
        self._given_rank = rank
        self.epoch = 0
        if not len(self):
            raise MismatchError(
                f"{len(windows)} windows do not fill a batch of {batch_size} on each of "
                f"{self.rank.ranks} ranks; lower batch_size"
            )

    @property
    def rank(self) -> Rank:
        """The rank that was given, otherwise that of torch.distributed, which may start later."""
        return self._given_rank or rank_of_this_process()

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch; each epoch has another order."""
        self.epoch = epoch

    def __len__(self) -> int:
        return sum(end // self.batch_size for end in self._sizes) // self.rank.ranks

    def __iter__(self) -> Iterator[list[int]]:
        batches = []
        for dataset, (size, end) in enumerate(zip(self._sizes, self.windows.ends, strict=True)):
            order = end - size + permutation(size, self.seed, "windows", dataset, self.epoch)
            whole = order[: size // self.batch_size * self.batch_size]
            batches += whole.reshape(-1, self.batch_size).tolist()
        turns = permutation(len(batches), self.seed, "batches", self.epoch)[self.rank.rank :: self.rank.ranks]
        return (batches[turn] for turn in turns[: len(self)])

    @property
    def _sizes(self) -> list[int]:
        """The windows of each dataset."""
        sizes: list[int] = np.diff(self.windows.ends, prepend=0).tolist()
        return sizes


def rank_of_this_process() -> Rank:
    """The rank of torch.distributed if it is running, each rank as its own group; otherwise the only rank."""
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return Rank()
    ranks = distributed.get_world_size()
    return Rank(distributed.get_rank(), ranks, ranks)
