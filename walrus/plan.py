"""What every step of a training run reads: a pure function (seed, step) -> micro-batches, with no hidden state.

The plan knows nothing of ranks or workers, so a run goes on exactly on any number of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field
from pydantic.dataclasses import dataclass as settings_dataclass

from shards.errors import MismatchError
from shards.spec import STRICT, AtLeastOne
from walrus.counter import below, permutation

History = Annotated[int, Field(ge=2)]


@settings_dataclass(frozen=True, config=STRICT)
class StreamSettings:
    """How windows are drawn; `windows` and `history` are given by the number of real axes.

    A window holds `history` frames and the one that follows. The numbers of windows make micro-batches of different
    tasks cost alike: a 2D window costs half a 3D one in the published setting (section 4.2).
    """

    micro_batches: AtLeastOne = 4
    windows_2d: AtLeastOne = 2
    windows_3d: AtLeastOne = 1
    history_2d: History = 6
    history_3d: History = 3
    largest_stride: AtLeastOne = 5
    rotate: bool = True

    def windows(self, dimensions: int) -> int:
        return self.windows_3d if dimensions == 3 else self.windows_2d

    def history(self, dimensions: int) -> int:
        return self.history_3d if dimensions == 3 else self.history_2d


@dataclass(frozen=True)
class Task:
    """One dataset as the plan sees it: the frames of its training trajectories, how much of it a step takes."""

    name: str
    weight: int
    trajectory_frames: tuple[int, ...]
    history: int
    windows: int
    largest_stride: int

    def __post_init__(self) -> None:
        if not self.starts:
            longest = max(self.trajectory_frames, default=0)
            raise MismatchError(
                f"{self.name}: no trajectory holds {self.history + 1} frames, the longest has {longest}; "
                "shorten stream.history_2d or history_3d"
            )

    @property
    def starts(self) -> int:
        """How many (trajectory, first frame) pairs there are."""
        return self._ends[-1] if self._ends else 0

    @cached_property
    def _ends(self) -> tuple[int, ...]:
        return tuple(accumulate(max(0, frames - self.history) for frames in self.trajectory_frames))

    def place(self, number: int) -> tuple[int, int]:
        """(trajectory, first frame) of a start."""
        ends = self._ends
        trajectory = bisect_right(ends, number)
        return trajectory, number - (ends[trajectory - 1] if trajectory else 0)


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
class Plan:
    """The whole order of a run."""

    tasks: tuple[Task, ...]
    seed: int
    micro_batches: int

    def step(self, step: int) -> tuple[MicroBatch, ...]:
        """The micro-batches of one optimiser step."""
        first = step * self.micro_batches
        return tuple(self.micro_batch(number) for number in range(first, first + self.micro_batches))

    def micro_batch(self, number: int) -> MicroBatch:
        """Task by a permuted cycle in which each occurs as often as its weight; windows without replacement a pass."""
        cycle, position = divmod(number, self._cycle_length)
        order = _cycle(tuple(task.weight for task in self.tasks), self.seed, cycle)
        chosen = int(order[position])
        task = self.tasks[chosen]
        turn = cycle * task.weight + int((order[:position] == chosen).sum())
        draws = range(turn * task.windows, (turn + 1) * task.windows)
        return MicroBatch(number, task.name, tuple(self._window(task, draw) for draw in draws))

    @property
    def _cycle_length(self) -> int:
        return sum(task.weight for task in self.tasks)

    def _window(self, task: Task, draw: int) -> Window:
        turn, place = divmod(draw, task.starts)
        trajectory, first = task.place(int(_pass(task.name, task.starts, self.seed, turn)[place]))
        fits = (task.trajectory_frames[trajectory] - 1 - first) // task.history
        stride = 1 + below(min(task.largest_stride, fits), self.seed, "stride", task.name, draw)
        return Window(trajectory, first, stride)


@lru_cache(maxsize=64)
def _cycle(weights: tuple[int, ...], seed: int, cycle: int) -> npt.NDArray[np.int64]:
    """Task numbers of one cycle."""
    members = np.repeat(np.arange(len(weights)), weights)
    return members[permutation(len(members), seed, "cycle", cycle)]


@lru_cache(maxsize=64)
def _pass(task: str, starts: int, seed: int, turn: int) -> npt.NDArray[np.int64]:
    """The order of all starts of a task in one pass over it."""
    return permutation(starts, seed, "pass", task, turn)


def slice_of_rank(windows: Sequence[Window], rank: int, ranks: int, task: str) -> tuple[Window, ...]:
    """The windows of a micro-batch that one rank takes; raises MismatchError where they cannot be shared evenly."""
    if len(windows) % ranks:
        raise MismatchError(
            f"{task}: a micro-batch of {len(windows)} windows cannot be shared by {ranks} ranks; "
            f"set stream.windows_2d and windows_3d to multiples of {ranks}"
        )
    share = len(windows) // ranks
    return tuple(windows[rank * share : (rank + 1) * share])
