"""Where a rank stands: which sharding group it belongs to, and which of its ranks it is.

Ranks of a group are neighbours, as those of MiCS are. They take equal slices of one micro-batch; the groups
take different micro-batches. Neither changes what a step reads.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from shards.errors import MismatchError

T = TypeVar("T")


@dataclass(frozen=True)
class Rank:
    """Rank `rank` of `ranks`, which form `groups` groups of as many neighbours each.

    Raises MismatchError where the ranks cannot be divided so.
    """

    rank: int = 0
    ranks: int = 1
    groups: int = 1

    def __post_init__(self) -> None:
        if self.groups < 1 or self.ranks % self.groups:
            raise MismatchError(
                f"{self.ranks} ranks cannot form {self.groups} equal groups; "
                "make the number of ranks a multiple of the number of groups"
            )

    @property
    def group_ranks(self) -> int:
        """How many ranks a group has."""
        return self.ranks // self.groups

    @property
    def group(self) -> int:
        return self.rank // self.group_ranks

    @property
    def rank_in_group(self) -> int:
        return self.rank % self.group_ranks

    def slice(self, items: Sequence[T], owner: str) -> tuple[T, ...]:
        """The items of a micro-batch that this rank takes; raises MismatchError where they cannot be shared evenly."""
        if len(items) % self.group_ranks:
            raise MismatchError(
                f"{owner}: a micro-batch of {len(items)} windows cannot be shared by {self.group_ranks} ranks; "
                f"set stream.windows_2d and windows_3d, or stream.slices, to multiples of {self.group_ranks}, "
                "or ask for more groups"
            )
        share = len(items) // self.group_ranks
        return tuple(items[self.rank_in_group * share : (self.rank_in_group + 1) * share])


ALONE = Rank()


def shared_evenly(costs: Sequence[float], groups: int) -> tuple[tuple[int, ...], ...]:
    """The numbers of the items that each group takes: as many each, their costs as equal as a greedy choice makes them.

    The costliest first, each to the group with the least so far that has room (longest processing time first:
    R. L. Graham, Bounds on multiprocessing timing anomalies, 1969). Raises MismatchError where the counts
    cannot be equal.
    """
    if len(costs) % groups:
        raise MismatchError(
            f"a step has {len(costs)} micro-batches, which {groups} groups cannot share evenly; "
            f"set stream.micro_batches to a multiple of {groups}"
        )
    room = len(costs) // groups
    taken: list[list[int]] = [[] for _ in range(groups)]
    loads = [(0.0, group) for group in range(groups)]
    for item in sorted(range(len(costs)), key=lambda item: (-costs[item], item)):
        load, group = heapq.heappop(loads)
        taken[group].append(item)
        if len(taken[group]) < room:
            heapq.heappush(loads, (load + costs[item], group))
    return tuple(tuple(sorted(items)) for items in taken)


def count_groups(ranks: int, zero_stage: int, mics_shard_size: int, asked: int | None) -> int:
    """How many groups a run has: those of MiCS, else as many as are asked for, else one.

    Raises MismatchError where several groups would have to go through the same modules together (stage 2, and
    stage 3 without MiCS), or MiCS says otherwise than what is asked for.
    """
    if mics_shard_size:
        groups = ranks // mics_shard_size
        if ranks % mics_shard_size:
            raise MismatchError(
                f"engine.mics_shard_size {mics_shard_size}: {ranks} ranks do not fill groups of so many; "
                f"ask for a multiple of {mics_shard_size} ranks"
            )
        if asked not in (None, groups):
            raise MismatchError(
                f"engine.mics_shard_size {mics_shard_size} makes {groups} groups of {ranks} ranks, not {asked}; "
                "leave the number of groups out"
            )
        return groups
    if zero_stage == 2 and (asked or 1) > 1:
        raise MismatchError(
            f"engine.zero_stage 2 sums gradients in the order in which they come, another on each task; {asked} groups "
            "need zero_stage 0 or 1, or 3 with mics_shard_size"
        )
    if zero_stage == 3 and (asked or 1) > 1:
        raise MismatchError(
            f"engine.zero_stage 3 gathers every parameter from all {ranks} ranks, so they are one group, not {asked}; "
            f"set engine.mics_shard_size to {ranks // (asked or 1)}, or lower zero_stage"
        )
    return asked or 1
