"""What every step of a training run reads: a pure function (seed, step) -> micro-batches, with no hidden state.

The plan knows nothing of ranks or workers, so a run goes on exactly on any number of them. Ranks and groups
only share what a step reads among themselves (`StreamPlan.of_group`, `Rank.slice`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shards.errors import MismatchError
from shards.schema import AtLeastOne, History, Natural, NotNegative, Schema, checked
from walrus.randomness import below, permutation
from walrus.reading.pass_order import PLAIN, Order, pass_order
from walrus.reading.ranks import Rank, shared_evenly


class WindowCost(Protocol):
    """What one window costs a model, in operations."""

    @property
    def training(self) -> float:
        """Of a forward and a backward pass."""
        ...

    @property
    def spent(self) -> float:
        """Those of training, and what is computed again to save memory."""
        ...


# The cost of a window of a task with this schema, of so many frames before the one to predict.
CostOf = Callable[[Schema, int], WindowCost]


@checked
class StreamSettings:
    """How windows are drawn. A window holds `history` frames, by the number of real axes, and the one that follows.

    A micro-batch has `windows_2d` or `windows_3d` windows of its task; the published ones cost alike, as a 2D
    window costs half a 3D one (arXiv 2511.15684, section 4.2). With `micro_batch_tflop` each task has as many
    as come nearest to so many 1e12 operations of a forward and a backward pass, a multiple of `slices`: so
    many ranks, or a divisor of them, can share a micro-batch evenly. `--dry-run` shows what a window costs,
    with what is computed again.
    """

    micro_batches: AtLeastOne = 4
    windows_2d: AtLeastOne = 2
    windows_3d: AtLeastOne = 1
    micro_batch_tflop: NotNegative = 0.0
    slices: AtLeastOne = 1
    history_2d: History = 6
    history_3d: History = 3
    largest_stride: AtLeastOne = 5
    rotate: bool = True
    # Windows that begin at so many consecutive frames share their stride and come soon after each other, so
    # that frames decoded once serve several of them; apart by the windows of about `blocks_between` such
    # blocks.
    block: AtLeastOne = 1
    blocks_between: AtLeastOne = 4
    # A pass reads so many shards at a time, each until it is done with, so that a remote one is fetched once;
    # 0: all.
    shards_at_once: Natural = 0

    def history(self, dimensions: int) -> int:
        return self.history_3d if dimensions == 3 else self.history_2d

    def windows(self, schema: Schema, cost_of: CostOf) -> int:
        """The windows of a micro-batch of a task."""
        if not self.micro_batch_tflop:
            return self.windows_3d if len(schema.grid.axes) == 3 else self.windows_2d
        # Not of what is spent: what a step reads must not depend on what is computed again to save memory.
        wanted = 1e12 * self.micro_batch_tflop / self.cost(schema, cost_of).training
        return self.slices * max(1, round(wanted / self.slices))

    def cost(self, schema: Schema, cost_of: CostOf) -> WindowCost:
        """That of one window; raises what `cost_of` raises, for too large a grid say."""
        return cost_of(schema, self.history(len(schema.grid.axes)))

    @property
    def order(self) -> Order:
        return Order(self.block, self.blocks_between, self.shards_at_once)


@dataclass(frozen=True)
class Task:
    """One dataset as the plan sees it: the frames of its training trajectories, how much of it a step takes.

    `shards` numbers the shard of each trajectory, `cost` is that of one window; it decides which group takes a
    micro-batch, never what is in it.
    """

    name: str
    weight: int
    trajectory_frames: tuple[int, ...]
    history: int
    windows: int
    largest_stride: int
    shards: tuple[int, ...] = field(default=(), repr=False)
    order: Order = PLAIN
    cost: float = field(default=1.0, repr=False)

    def __post_init__(self) -> None:
        if not self.starts:
            longest = max(self.trajectory_frames, default=0)
            raise MismatchError(
                f"{self.name}: no trajectory holds {self.history + 1} frames, the longest has {longest}; "
                "shorten stream.history_2d or history_3d"
            )

    def __hash__(self) -> int:
        # Asked for at every window: thousands of trajectories would take their time.
        return hash((self.name, self.starts, self.order))

    @property
    def starts(self) -> int:
        """How many (trajectory, first frame) pairs there are."""
        return self._ends[-1] if self._ends else 0

    @cached_property
    def starts_of_trajectories(self) -> tuple[int, ...]:
        return tuple(max(0, frames - self.history) for frames in self.trajectory_frames)

    @cached_property
    def _ends(self) -> tuple[int, ...]:
        return tuple(accumulate(self.starts_of_trajectories))

    def place(self, number: int) -> tuple[int, int]:
        """(trajectory, first frame) of a start."""
        ends = self._ends
        trajectory = bisect_right(ends, number)
        return trajectory, number - (ends[trajectory - 1] if trajectory else 0)

    @property
    def micro_batch_cost(self) -> float:
        return self.windows * self.cost


def make_task(
    name: str,
    weight: int,
    schema: Schema,
    trajectory_frames: Sequence[int],
    shards: Sequence[int],
    stream: StreamSettings,
    cost_of: CostOf,
) -> Task:
    """The task of a dataset; raises MismatchError where model or history do not fit it."""
    return Task(
        name=name,
        weight=weight,
        trajectory_frames=tuple(trajectory_frames),
        history=stream.history(len(schema.grid.axes)),
        windows=stream.windows(schema, cost_of),
        largest_stride=stream.largest_stride,
        shards=tuple(shards),
        order=stream.order,
        cost=stream.cost(schema, cost_of).spent,
    )


@dataclass(frozen=True)
class Window:
    """Frames first, first + stride, ... of a trajectory of the training split."""

    trajectory: int
    first: int
    stride: int


@dataclass(frozen=True)
class MicroBatch:
    """Windows of one task; `number` counts the micro-batches of the run and names its random numbers."""

    number: int
    task: str
    windows: tuple[Window, ...]


@dataclass(frozen=True)
class StreamPlan:
    """The whole order of a run."""

    tasks: tuple[Task, ...]
    seed: int
    micro_batches: int

    def check(self, place: Rank) -> None:
        """Raises MismatchError where ranks and groups cannot share what every step reads."""
        self.of_group(0, place)
        for task in self.tasks:
            place.slice(range(task.windows), task.name)

    def step(self, step: int) -> tuple[MicroBatch, ...]:
        """The micro-batches of one optimiser step."""
        return tuple(self.micro_batch(number) for number in self._numbers(step))

    def of_group(self, step: int, place: Rank) -> tuple[MicroBatch, ...]:
        """The micro-batches of a step that the group of this rank takes: as many as any other, of about equal cost.

        Raises MismatchError where the groups cannot share them.
        """
        numbers = self._numbers(step)
        costs = [self.task_of(number).micro_batch_cost for number in numbers]
        return tuple(
            self.micro_batch(numbers[item]) for item in shared_evenly(costs, place.groups)[place.group]
        )

    def task_of(self, number: int) -> Task:
        """The task of a micro-batch, by a permuted cycle in which each occurs as often as its weight."""
        cycle, position = divmod(number, self._cycle_length)
        return self.tasks[int(self._cycle(cycle)[position])]

    def micro_batch(self, number: int) -> MicroBatch:
        """The windows of its task that come next: without replacement within a pass."""
        cycle, position = divmod(number, self._cycle_length)
        order = self._cycle(cycle)
        chosen = int(order[position])
        task = self.tasks[chosen]
        turn = cycle * task.weight + int((order[:position] == chosen).sum())
        draws = range(turn * task.windows, (turn + 1) * task.windows)
        return MicroBatch(number, task.name, tuple(self._window(task, draw) for draw in draws))

    def _numbers(self, step: int) -> range:
        return range(step * self.micro_batches, (step + 1) * self.micro_batches)

    @cached_property
    def _cycle_length(self) -> int:
        return sum(task.weight for task in self.tasks)

    def _cycle(self, cycle: int) -> npt.NDArray[np.int64]:
        return _cycle(tuple(task.weight for task in self.tasks), self.seed, cycle)

    def _window(self, task: Task, draw: int) -> Window:
        turn, place = divmod(draw, task.starts)
        numbers, leaders = _pass(task, self.seed, turn)
        trajectory, first = task.place(int(numbers[place]))
        fits = (task.trajectory_frames[trajectory] - 1 - first) // task.history
        # All windows of a block ask under the name of its first one, so they share their stride where it
        # fits.
        leader = turn * task.starts + int(leaders[place])
        stride = 1 + below(min(task.largest_stride, fits), self.seed, "stride", task.name, leader)
        return Window(trajectory, first, stride)


@lru_cache(maxsize=64)
def _cycle(weights: tuple[int, ...], seed: int, cycle: int) -> npt.NDArray[np.int64]:
    """Task numbers of one cycle."""
    members = np.repeat(np.arange(len(weights)), weights)
    return members[permutation(len(members), seed, "cycle", cycle)]


@lru_cache(maxsize=64)
def _pass(task: Task, seed: int, turn: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The order of all starts of a task in one pass over it, and the place of the first start of each one's block."""
    shards = task.shards or range(len(task.trajectory_frames))
    return pass_order(task.order, task.starts_of_trajectories, shards, task.windows, seed, task.name, turn)
