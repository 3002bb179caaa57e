"""Plan what each training step reads: a pure function (seed, step) -> micro-batches, without hidden state.

The plan does not depend on ranks or workers, so a run resumes exactly on any number of them. They only share
what a step reads (`StreamPlan.of_group`, `Rank.slice`): docs/decisions/0015-groups.md.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import accumulate, islice
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from shards.errors import MismatchError
from shards.schema import AtLeastOne, History, Natural, NotNegative, Schema, checked
from walrus.randomness import below, permutation
from walrus.reading.pass_order import PLAIN, PassOrder, pass_order
from walrus.reading.ranks import Rank, shared_evenly


class WindowCost(Protocol):
    """The cost of one window for a model, in operations."""

    @property
    def training(self) -> float:
        """Operations of a forward and a backward pass."""
        ...

    @property
    def total(self) -> float:
        """Operations of training, with those that are recomputed to save memory."""
        ...


PLANNED_TOGETHER = 16

# Training rotates each micro-batch by one of the 24 rotations of a cube, by one of the four that keep every
# axis in its place, or not at all.
Rotate = bool | Literal["half turns"]
# (schema, history) -> the cost of a window with this many frames before the predicted one.
CostOf = Callable[[Schema, int], WindowCost]


@checked
class StreamSettings:
    """How windows are drawn.

    A step has `micro_batches` micro-batches, a micro-batch `windows_2d` or `windows_3d` windows of one task.
    A window has `history_2d` or `history_3d` frames, and the frame to predict. In the published run a 2D
    window costs half as much as a 3D one, so that the default numbers give micro-batches of equal cost (arXiv
    2511.15684, section 4.2).

    With `micro_batch_tflop`, each task gets the number of windows whose forward and backward pass is nearest
    to that many 1e12 operations; it is a multiple of `slices`, so that as many ranks can share a micro-batch
    evenly. `--dry-run` prints the cost of a window.
    """

    micro_batches: AtLeastOne = 4
    windows_2d: AtLeastOne = 2
    windows_3d: AtLeastOne = 1
    micro_batch_tflop: NotNegative = 0.0
    slices: AtLeastOne = 1
    history_2d: History = 6
    history_3d: History = 3
    largest_stride: AtLeastOne = 5
    # Why not always all rotations: docs/decisions/0193-half-turns.md.
    rotate: Rotate = True
    # Windows that begin at `block` consecutive frames have the same stride and come soon after each other,
    # mixed with the windows of about `blocks_between` blocks: a frame decoded once serves several windows.
    block: AtLeastOne = 1
    blocks_between: AtLeastOne = 4
    # A pass finishes so many shards before it opens others, so that a remote one is fetched once; 0: all.
    shards_at_once: Natural = 0

    def history(self, dimensions: int) -> int:
        """Frames before the predicted one, on a grid with this many axes."""
        return self.history_3d if dimensions == 3 else self.history_2d

    def windows(self, schema: Schema, cost_of: CostOf) -> int:
        """Windows per micro-batch of a task."""
        if not self.micro_batch_tflop:
            return self.windows_3d if len(schema.grid.axes) == 3 else self.windows_2d
        # Not `total`: what a step reads must not depend on what is recomputed to save memory.
        wanted = 1e12 * self.micro_batch_tflop / self.cost(schema, cost_of).training
        return self.slices * max(1, round(wanted / self.slices))

    def cost(self, schema: Schema, cost_of: CostOf) -> WindowCost:
        """The cost of one window; raises what `cost_of` raises, for example for a grid that is too large."""
        return cost_of(schema, self.history(len(schema.grid.axes)))

    @property
    def order(self) -> PassOrder:
        """How a pass over a task is shuffled."""
        return PassOrder(self.block, self.blocks_between, self.shards_at_once)


@dataclass(frozen=True)
class Task:
    """One dataset in the plan: the frames of its training trajectories, and how windows are drawn from them.

    - `weight`: micro-batches of this task per cycle; `windows`: windows per micro-batch.
    - `trajectory_frames`, `shards`: the number of frames, and the shard, of each trajectory.
    - `history`, `ahead`: frames of a window that the model sees, and those that follow.
    - `cost`: that of one window; it decides which group takes a micro-batch, not what is in it.
    """

    name: str
    weight: int
    trajectory_frames: tuple[int, ...]
    history: int
    windows: int
    largest_stride: int
    shards: tuple[int, ...] = field(default=(), repr=False)
    order: PassOrder = PLAIN
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
        """Number of first frames of windows in each trajectory."""
        return tuple(max(0, frames + 1 - self.frames) for frames in self.trajectory_frames)

    @cached_property
    def _ends(self) -> tuple[int, ...]:
        return tuple(accumulate(self.starts_of_trajectories))

    def start(self, number: int) -> tuple[int, int]:
        """(trajectory, first frame) of the start with this number.

        >>> task = Task("flow", 1, trajectory_frames=(6, 4, 7), history=4, windows=2, largest_stride=1)
        >>> [task.start(number) for number in range(task.starts)]
        [(0, 0), (0, 1), (2, 0), (2, 1), (2, 2)]
        """
        ends = self._ends
        trajectory = bisect_right(ends, number)
        return trajectory, number - (ends[trajectory - 1] if trajectory else 0)

    @property
    def micro_batch_cost(self) -> float:
        """The cost of all windows of a micro-batch."""
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
    """The task of a dataset; raises MismatchError if the model or the history does not fit it."""
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
    """Frames first, first + stride, ... of a trajectory, which is its number in the split."""

    trajectory: int
    first: int
    stride: int


@dataclass(frozen=True)
class MicroBatch:
    """Windows of one task; `number` counts the micro-batches of the run, and seeds its random numbers."""

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
        """Raises MismatchError if ranks and groups cannot share evenly what each step reads."""
        self.of_group(0, rank)
        for task in self.tasks:
            rank.slice(range(task.windows), task.name)

    def step(self, step: int) -> tuple[MicroBatch, ...]:
        """The micro-batches of one optimiser step."""
        return tuple(self.micro_batch(number) for number in self.numbers_of(step))

    def of_group(self, step: int, rank: Rank) -> tuple[MicroBatch, ...]:
        """The micro-batches of a step for the group of this rank: the same count for all, of similar cost.

        Raises MismatchError if the groups cannot share them evenly.
        """
        if rank.groups == 1:
            return self.step(step)
        numbers = self.numbers_of(step)
        costs = [self.task_of(number).micro_batch_cost for number in numbers]
        own = shared_evenly(costs, rank.groups)[rank.group]
        return tuple(self.micro_batch(numbers[item]) for item in own)

    def of_steps(self, steps: Iterable[int], rank: Rank) -> Iterator[MicroBatch]:
        """`of_group` of each of these steps, one after the other, planned a few steps ahead."""
        coming = iter(steps)
        while several := tuple(islice(coming, PLANNED_TOGETHER)):
            # All at once: between two copies the caches of the processor hold none of the planner's code, and
            # a window takes three times as long to plan (docs/decisions/0156-time-in-python.md).
            yield from [micro for step in several for micro in self.of_group(step, rank)]

    def numbers_of(self, step: int) -> range:
        """The numbers of the micro-batches of a step."""
        return range(step * self.micro_batches, (step + 1) * self.micro_batches)

    def task_of(self, number: int) -> Task:
        """The task of a micro-batch: from a shuffled cycle in which each task occurs `weight` times."""
        cycle, position = divmod(number, self._cycle_length)
        return self.tasks[int(self._cycle(cycle)[position])]

    def micro_batch(self, number: int) -> MicroBatch:
        """The micro-batch with this number: the next windows of its task, without replacement in a pass."""
        cycle, position = divmod(number, self._cycle_length)
        order = self._cycle(cycle)
        chosen = int(order[position])
        task = self.tasks[chosen]
        before = cycle * task.weight + int((order[:position] == chosen).sum())
        draws = range(before * task.windows, (before + 1) * task.windows)
        return MicroBatch(number, task.name, tuple(self._window(task, draw) for draw in draws))

    @cached_property
    def _cycle_length(self) -> int:
        return sum(task.weight for task in self.tasks)

    def _cycle(self, cycle: int) -> npt.NDArray[np.int64]:
        return _cycle(tuple(task.weight for task in self.tasks), self.seed, cycle)

    def _window(self, task: Task, draw: int) -> Window:
        """The window that a task draws after `draw` others, and its stride."""
        pass_number, position = divmod(draw, task.starts)
        numbers, leaders = _pass(task, self.seed, pass_number)
        trajectory, first = task.start(int(numbers[position]))
        fits = (task.trajectory_frames[trajectory] - 1 - first) // (task.frames - 1)
        # The windows of a block draw the same stride, if it fits: its random number is that of the block.
        leader = pass_number * task.starts + int(leaders[position])
        stride = 1 + below(min(task.largest_stride, fits), self.seed, "stride", task.name, leader)
        return Window(trajectory, first, stride)


@lru_cache(maxsize=64)
def _cycle(weights: tuple[int, ...], seed: int, cycle: int) -> npt.NDArray[np.int64]:
    """Task numbers of one cycle."""
    members = np.repeat(np.arange(len(weights)), weights)
    return members[permutation(len(members), seed, "cycle", cycle)]


@lru_cache(maxsize=64)
def _pass(task: Task, seed: int, number: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """`pass_order` of a pass over a task; cached, because every window needs it."""
    shards = task.shards or range(len(task.trajectory_frames))
    return pass_order(task.order, task.starts_of_trajectories, shards, task.windows, seed, task.name, number)
