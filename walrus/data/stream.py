"""The stream of pretraining, for any model: an iterable dataset of torch, which resumes exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from math import prod
from typing import Any, get_args

from torch.utils.data import IterableDataset, get_worker_info

from shards.errors import MismatchError, SettingsError
from shards.nearest_name import require_known
from shards.schema import AtLeastOne, Natural, Schema, checked
from walrus.data.memory import MemoryPool
from walrus.data.sample import Sample, SampleReader, Units
from walrus.data.windows import DatasetPlace, opened, rank_of_this_process
from walrus.reading.plan import CostOf, MicroBatch, StreamPlan, StreamSettings
from walrus.reading.ranks import Rank
from walrus.reading.reader import ReadSettings
from walrus.reading.stream import Shards, kept_frames, plan_stream, read_ahead


@dataclass(frozen=True)
class ValueCount:
    """The number of values of a window: its cost, if the user gives no cost."""

    training: float

    @property
    def total(self) -> float:
        """The same: nothing is recomputed."""
        return self.training


def value_count(schema: Schema, history: int) -> ValueCount:
    """The number of values in `history` frames and the one that follows."""
    return ValueCount(float(prod(schema.frame_shape) * (history + 1)))


@checked
class StreamPosition:
    """Where a stream is: this worker has given `taken` micro-batches since the start of step `step`.

    A rank takes `share` micro-batches per step, and its `workers` workers divide them.
    """

    step: Natural = 0
    taken: Natural = 0
    share: AtLeastOne = 1
    workers: AtLeastOne = 1


class Stream(IterableDataset[Sample]):
    """Micro-batches of windows from the training splits; each is a `Sample` of one dataset.

    Give the stream to `DataLoader(batch_size=None)`, because its items are batches already. What a step reads
    depends only on seed and step, on any number of ranks and workers.

    - `settings`: the micro-batches per step, and how windows are drawn.
    - `weights`: how often each dataset comes, by name; equal by default.
    - `cost_of(schema, history)`: the cost of a window for your model, an object with the numbers `training`
      and `total` (operations). It sets the windows per micro-batch for `settings.micro_batch_tflop`, and
      gives groups of ranks equal work.
    - `steps`: the length of an iteration; without it an iteration has no end.
    - `rank`: by default that of torch.distributed when an iteration starts, each rank a group of its own.
      Then `settings.micro_batches` must be a multiple of the number of ranks.

    An iteration starts at step 0, or where `set_epoch` or `load_state_dict` put it; a state `{"step": 7}` is
    enough. Raises MismatchError if datasets, settings and ranks do not fit each other.
    """

    def __init__(
        self,
        datasets: DatasetPlace | Sequence[DatasetPlace],
        settings: StreamSettings | None = None,
        *,
        seed: int = 0,
        weights: Mapping[str, int] | None = None,
        cost_of: CostOf | None = None,
        units: Units = "physical",
        steps: int | None = None,
        rank: Rank | None = None,
        reading: ReadSettings | None = None,
    ) -> None:
        self.settings = settings or StreamSettings()
        if self.settings.micro_batch_tflop and cost_of is None:
            raise SettingsError(
                "settings.micro_batch_tflop: needs cost_of, the cost of a window for your model"
            )
        # Checked here, because at the first batch the error would come from a worker.
        require_known("units", units, get_args(Units))
        self.datasets = {dataset.card.name: dataset for dataset in opened(datasets)}
        self.seed, self.units, self.steps = seed, units, steps
        self.weights = _weights(weights, tuple(self.datasets))
        self.cost_of = cost_of or value_count
        self._given_rank = rank
        self.reading = reading or ReadSettings()
        shards = Shards(self.datasets, self.reading)
        self.plan: StreamPlan = plan_stream(shards, self.weights, self.settings, seed, self.cost_of)
        # Checked here too, for the same reason.
        self.plan.check(self.rank)
        self._position = StreamPosition()
        self._taken, self._workers = 0, 1

    @property
    def rank(self) -> Rank:
        """The rank that was given, otherwise that of torch.distributed, which may start later."""
        return self._given_rank or rank_of_this_process()

    def __getstate__(self) -> dict[str, Any]:
        # A spawned worker has no torch.distributed to ask.
        return self.__dict__ | {"_given_rank": self.rank}

    def __iter__(self) -> Iterator[Sample]:
        """This rank's micro-batches from the saved position on; the workers of a DataLoader divide them."""
        self.plan.check(self.rank)
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        begin = self._position
        if begin.taken and (begin.share, begin.workers) != (self._share, workers):
            raise MismatchError(
                f"stream: the state was taken within step {begin.step}, by {begin.workers} workers with "
                f"{begin.share} micro-batches a step each; found {workers} and {self._share}; "
                "give load_state_dict the number of whole steps that are done"
            )
        self._taken, self._workers = begin.taken, workers
        for sample in self._read(
            islice(self._micro_batches(), number + begin.taken * workers, None, workers)
        ):
            self._taken += 1
            yield sample

    def set_epoch(self, epoch: int) -> None:
        """Starts the next iteration at this epoch: after `epoch` times `steps` steps."""
        if self.steps is None:
            raise SettingsError("stream: an epoch needs an end; give steps")
        self.load_state_dict({"step": epoch * self.steps})

    def state_dict(self) -> dict[str, int]:
        """The position of the stream: whole steps, and the micro-batches that this worker gave since.

        Workers read ahead of the training loop. So save the state with torchdata's StatefulDataLoader, or
        count your own steps and load `{"step": count}`.
        """
        step, taken, workers = self._position.step, self._taken, self._workers
        if workers == 1:
            step, taken = step + taken // self._share, taken % self._share
        return {"step": step, "taken": taken, "share": self._share, "workers": workers}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Starts the next iteration at this position; raises SettingsError for another kind of state."""
        unknown = set(state) - {"step", "taken", "share", "workers"}
        if unknown or "step" not in state:
            raise SettingsError(
                f"stream: found a state of {', '.join(state)}; expected step, as state_dict gives it"
            )
        self._position = StreamPosition(**{"share": self._share, **state})
        self._taken, self._workers = self._position.taken, self._position.workers

    @property
    def _share(self) -> int:
        """The micro-batches of a step that this rank takes."""
        return self.settings.micro_batches // self.rank.groups

    def _micro_batches(self) -> Iterator[MicroBatch]:
        """The micro-batches of this rank, in order, from the step of the position on."""
        first = self._position.step
        if self.steps is None:
            steps: Iterator[int] = count(first)
        else:
            steps = iter(range(first, (first // self.steps + 1) * self.steps))
        return self.plan.of_steps(steps, self.rank)

    def _read(self, micro_batches: Iterator[MicroBatch]) -> Iterator[Sample]:
        """Yields a sample for each micro-batch, decoded ahead by threads."""
        memory, shards = MemoryPool(), Shards(self.datasets, self.reading)
        readers = {
            name: SampleReader(dataset, "train", self.units, memory, kept)
            for (name, dataset), kept in zip(self.datasets.items(), kept_frames(shards), strict=True)
        }
        frames, rank = {task.name: task.frames for task in self.plan.tasks}, self.rank

        def job(micro: MicroBatch) -> Callable[[], Sample]:
            windows = rank.slice(micro.windows, micro.task)
            return partial(readers[micro.task].read, windows, frames[micro.task])

        return read_ahead(map(job, micro_batches), self.reading.threads)


def _weights(weights: Mapping[str, int] | None, names: tuple[str, ...]) -> dict[str, int]:
    """The weight of each dataset; raises SettingsError if they are of other datasets."""
    if weights is None:
        return dict.fromkeys(names, 1)
    if set(weights) != set(names):
        raise SettingsError(f"weights: found {', '.join(weights)}; expected one each of {', '.join(names)}")
    return {name: weights[name] for name in names}
