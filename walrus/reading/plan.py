"""Plan what each training step reads: a pure function (seed, step) -> micro-batches, without hidden state.

The plan does not depend on ranks or workers, so a run resumes exactly on any number of them. Ranks and groups
only divide what a step reads (`StreamPlan.of_group`, `Rank.slice`): docs/decisions/0015-groups.md.
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
    """Cost of one window for a model, in operations."""

    @property
    def training(self) -> float:
        """Operations of a forward and a backward pass."""
        ...

    @property
    def total(self) -> float:
        """Operations of training, and of what is computed again to save memory."""
        ...


# (schema, history) -> the cost of a window with this many frames before the one to predict.
CostOf = Callable[[Schema, int], WindowCost]


@checked
class StreamSettings:
    """How windows are drawn.

    A window holds `history_2d` or `history_3d` frames and the one that follows. A micro-batch has
    `windows_2d` or `windows_3d` windows of its task; the published numbers cost alike, as a 2D window costs
    half a 3D one (arXiv 2511.15684, section 4.2). With `micro_batch_tflop` each task has the number of
    windows whose forward and backward pass comes nearest to that many 1e12 operations, rounded to a multiple
    of `slices`: that many ranks, or a divisor of it, can share a micro-batch evenly. `--dry-run` shows the
    cost of a window.
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
    # Windows that begin at `block` consecutive frames share their stride and come soon after each other, with
    # the windows of about `blocks_between` blocks mixed, so that a frame decoded once serves several of them.
    block: AtLeastOne = 1
    blocks_between: AtLeastOne = 4
    # A pass finishes this many shards before it opens others, so that a remote one is fetched once; 0: all.
    shards_at_once: Natural = 0

    def history(self, dimensions: int) -> int:
        """Frames before the one to predict, on a grid of this many axes."""
        return self.history_3d if dimensions == 3 else self.history_2d

    def windows(self, schema: Schema, cost_of: CostOf) -> int:
        """Windows per micro-batch of a task."""
        if not self.micro_batch_tflop:
            return self.windows_3d if len(schema.grid.axes) == 3 else self.windows_2d
        # Not `total`: what a step reads must not depend on what is computed again to save memory.
        wanted = 1e12 * self.micro_batch_tflop / self.cost(schema, cost_of).training
        return self.slices * max(1, round(wanted / self.slices))

    def cost(self, schema: Schema, cost_of: CostOf) -> WindowCost:
        """Cost of one window; raises what `cost_of` raises, for example for a grid that is too large."""
        return cost_of(schema, self.history(len(schema.grid.axes)))

    @property
    def order(self) -> Order:
        return Order(self.block, self.blocks_between, self.shards_at_once)


@dataclass(frozen=True)
class Task:
    """One dataset in the plan: frames of its training trajectories, and how they are drawn.

    `shards` gives the shard of each trajectory. `cost`, of one window, decides which group takes a
    micro-batch, never what is in it. A window holds `history` frames and `ahead` that follow.
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
    ahead: int = 1

    def __post_init__(self) -> None:
        if not self.starts:
            longest = max(self.trajectory_frames, default=0)
            raise MismatchError(
                f"{self.name}: the longest trajectory has {longest} frames; expected at least "
                f"{self.frames}; shorten stream.history_2d, history_3d or rollout.steps"
            )

    def __hash__(self) -> int:
        # Used for every window: hashing thousands of trajectories would be slow.
        return hash((self.name, self.starts, self.order))

    @property
    def frames(self) -> int:
        """Frames of a window."""
        return self.history + self.ahead

    @property
    def starts(self) -> int:
        """Number of (trajectory, first frame) pairs."""
        return self._ends[-1] if self._ends else 0

    @cached_property
    def starts_of_trajectories(self) -> tuple[int, ...]:
        return tuple(max(0, frames + 1 - self.frames) for frames in self.trajectory_frames)

    @cached_property
    def _ends(self) -> tuple[int, ...]:
        return tuple(accumulate(self.starts_of_trajectories))

    def start(self, number: int) -> tuple[int, int]:
        """(trajectory, first frame) of a start.

        >>> task = Task("flow", 1, trajectory_frames=(6, 4, 7), history=4, windows=2, largest_stride=1)
        >>> [task.start(number) for number in range(task.starts)]
        [(0, 0), (0, 1), (2, 0), (2, 1), (2, 2)]
        """
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
    ahead: int = 1,
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
        cost=stream.cost(schema, cost_of).total,
        ahead=ahead,
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
    """What every step of a run reads.

    >>> flow = Task("flow", 1, trajectory_frames=(6, 4, 7), history=4, windows=1, largest_stride=1)
    >>> plan = StreamPlan((flow,), seed=0, micro_batches=2)
    >>> [micro.windows[0] for micro in plan.step(0)]
    [Window(trajectory=2, first=0, stride=1), Window(trajectory=2, first=2, stride=1)]
    """

    tasks: tuple[Task, ...]
    seed: int
    micro_batches: int

    def check(self, rank: Rank) -> None:
        """Raises MismatchError where ranks and groups cannot share evenly what each step reads."""
        self.of_group(0, rank)
        for task in self.tasks:
            rank.slice(range(task.windows), task.name)

    def step(self, step: int) -> tuple[MicroBatch, ...]:
        """The micro-batches of one optimiser step."""
        return tuple(self.micro_batch(number) for number in self._numbers(step))

    def of_group(self, step: int, rank: Rank) -> tuple[MicroBatch, ...]:
        """The micro-batches of a step for the group of this rank: all groups have as many, of similar cost.

        Raises MismatchError where the groups cannot share them.
        """
        if rank.groups == 1:
            return self.step(step)
        numbers = self._numbers(step)
        costs = [self.task_of(number).micro_batch_cost for number in numbers]
        own = shared_evenly(costs, rank.groups)[rank.group]
        return tuple(self.micro_batch(numbers[item]) for item in own)

    def task_of(self, number: int) -> Task:
        """The task of a micro-batch, by a shuffled cycle in which each task occurs as often as its weight."""
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
        turn, position = divmod(draw, task.starts)
        numbers, leaders = _pass(task, self.seed, turn)
        trajectory, first = task.start(int(numbers[position]))
        fits = (task.trajectory_frames[trajectory] - 1 - first) // (task.frames - 1)
        # Windows of a block draw their stride by the name of its first one, so they share it where it fits.
        leader = turn * task.starts + int(leaders[position])
        stride = 1 + below(min(task.largest_stride, fits), self.seed, "stride", task.name, leader)
        return Window(trajectory, first, stride)


@lru_cache(maxsize=64)
def _cycle(weights: tuple[int, ...], seed: int, cycle: int) -> npt.NDArray[np.int64]:
    """Task numbers of one cycle."""
    members = np.repeat(np.arange(len(weights)), weights)
    return members[permutation(len(members), seed, "cycle", cycle)]


@lru_cache(maxsize=64)
def _pass(task: Task, seed: int, turn: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """`pass_order` of a task, remembered: it is asked for at every window."""
    shards = task.shards or range(len(task.trajectory_frames))
    return pass_order(task.order, task.starts_of_trajectories, shards, task.windows, seed, task.name, turn)
