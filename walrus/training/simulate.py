"""Simulates how long ranks wait for each other if tasks differ in cost, and how much our plan helps.

The ranks of a sharding group gather the same parameters, so in each micro-batch all wait for the slowest one.
All groups wait for each other at the end of a step, where gradients are summed. Nothing else is simulated: no
time to read, to update, or (without `exchange`) to send.

Axes: S steps, M micro-batches of a rank and step, R ranks, G sharding groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from walrus.randomness import random_words
from walrus.reading.plan import StreamPlan, Task
from walrus.reading.ranks import Rank, shared_evenly

Times = npt.NDArray[np.float64]

# What the paper reports of its whole scheme against naive sharding under the same sampling: +262 % windows a
# second (arXiv 2511.15684, section 4.2).
PUBLISHED_GAIN = 3.62


@dataclass(frozen=True)
class Shares:
    """The share of their time that ranks compute, for three ways to distribute the tasks."""

    random: float
    grouped: float
    balanced: float

    @property
    def gains(self) -> tuple[float, float]:
        """The work per hour of `grouped` and of `balanced`, divided by that of `random`."""
        return self.grouped / self.random, self.balanced / self.random


def busy_share(times_SMR: Times, group_ranks: int, exchange: float = 0.0) -> float:
    """The share of the ranks' time that is work, where each rank takes so long for each of its micro-batches.

    `exchange` is what the ranks of a group need in each micro-batch to gather parameters, in the same unit.

    >>> busy_share(np.array([[[1.0, 3.0]]]), 2), busy_share(np.array([[[2.0, 2.0]]]), 2)
    (0.6666666666666666, 1.0)
    """
    steps, micros, ranks = times_SMR.shape
    slowest_SMG = times_SMR.reshape(steps, micros, ranks // group_ranks, group_ranks).max(-1) + exchange
    elapsed = slowest_SMG.sum(1).max(-1).sum()
    return float(times_SMR.sum() / (ranks * elapsed))


def random_times(tasks: tuple[Task, ...], shape: tuple[int, int, int], seed: int) -> Times:
    """(a) For each micro-batch each rank draws a task of its own by weight, and one window: [S, M, R]."""
    ends = np.cumsum([task.weight for task in tasks])
    chance = random_words(int(np.prod(shape)), seed, "random tasks").astype(np.float64) / 2**64
    drawn = np.searchsorted(ends / ends[-1], chance, side="right").reshape(shape)
    return np.array([task.cost for task in tasks])[drawn]


def grouped_times(plan: StreamPlan, steps: int, groups: int) -> Times:
    """(b) All ranks of a group have one task; groups take micro-batches in their order: [S, M, G]."""
    costs = [plan.task_of(number).cost for number in range(steps * plan.micro_batches)]
    return np.array(costs).reshape(steps, plan.micro_batches // groups, groups)


def balanced_times(plan: StreamPlan, steps: int, groups: int) -> Times:
    """(c) As the plan does: windows of equal cost in all, groups balanced: [S, M, G]."""
    times = np.empty((steps, plan.micro_batches // groups, groups))
    for step in range(steps):
        costs = [plan.task_of(number).micro_batch_cost for number in plan.numbers_of(step)]
        for group, items in enumerate(shared_evenly(costs, groups)):
            times[step, :, group] = [costs[item] for item in items]
    return times


def shares(plan: StreamPlan, rank: Rank, steps: int) -> Shares:
    """The three shares of a plan on these ranks and groups."""
    micros = plan.micro_batches // rank.groups
    return Shares(
        random=busy_share(random_times(plan.tasks, (steps, micros, rank.ranks), plan.seed), rank.group_ranks),
        grouped=busy_share(grouped_times(plan, steps, rank.groups), 1),
        balanced=busy_share(balanced_times(plan, steps, rank.groups), 1),
    )


def waiting_factor(costs: Sequence[float], weights: Sequence[float], ranks: int) -> float:
    """How many times longer than their mean ranks take that wait for each other, each with a task of its own.

    The mean of the largest of `ranks` costs drawn by weight, over the mean of one.
    """
    order = np.argsort(costs)
    sorted_costs, chances = np.asarray(costs)[order], np.asarray(weights)[order] / np.sum(weights)
    at_most = np.cumsum(chances) ** ranks
    return float((sorted_costs * np.diff(at_most, prepend=0.0)).sum() / (sorted_costs * chances).sum())


def ratio_for(gain: float, share: float, ranks: int) -> float | None:
    """The ratio of two costs at which waiting alone costs so much; a `share` of micro-batches costs more.

    None where no ratio does: for many ranks the limit is 1 / share.
    """
    # With q = 1 - (1 - share)^ranks the factor is (1 + (ratio - 1) q) / (1 + (ratio - 1) share).
    rest = 1 - (1 - share) ** ranks - gain * share
    return 1 + (gain - 1) / rest if rest > 0 else None
