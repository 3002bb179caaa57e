"""Ranks and sharding groups: which micro-batches each group takes, and which of their windows each rank.

The ranks of a group have consecutive numbers, as in MiCS. They take equal slices of one micro-batch, and
different groups take different micro-batches. What a step reads in total does not depend on them. See
docs/decisions/0015-groups.md.
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
    """Rank `rank` of `ranks`, which form `groups` equal groups of consecutive ranks.

    Raises MismatchError if the ranks cannot be divided evenly.

    >>> rank = Rank(rank=5, ranks=8, groups=2)
    >>> rank.group, rank.rank_in_group, rank.slice("abcd", "flow")
    (1, 1, ('b',))
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
        """Number of ranks per group."""
        return self.ranks // self.groups

    @property
    def group(self) -> int:
        """The number of this rank's group."""
        return self.rank // self.group_ranks

    @property
    def rank_in_group(self) -> int:
        """The number of this rank among those of its group."""
        return self.rank % self.group_ranks

    def slice(self, items: Sequence[T], owner: str) -> tuple[T, ...]:
        """This rank's share of the items of a micro-batch.

        Raises MismatchError, which names `owner`, where the items cannot be shared evenly.
        """
        if len(items) % self.group_ranks:
            raise MismatchError(
                f"{owner}: a micro-batch of {len(items)} windows cannot be shared by {self.group_ranks} "
                f"ranks; set stream.windows_2d and windows_3d, or stream.slices, to multiples of "
                f"{self.group_ranks}, or ask for more groups or fewer ranks"
            )
        share = len(items) // self.group_ranks
        return tuple(items[self.rank_in_group * share : (self.rank_in_group + 1) * share])


ALONE = Rank()


def shared_evenly(costs: Sequence[float], groups: int) -> tuple[tuple[int, ...], ...]:
    """The numbers of the items for each group: the same count, and about the same cost.

    The most expensive item comes first; each goes to the group with the lowest cost so far that is not full
    (longest processing time first: R. L. Graham, Bounds on multiprocessing timing anomalies, 1969). Raises
    MismatchError if the counts cannot be equal.

    >>> shared_evenly([5.0, 1.0, 3.0, 4.0], groups=2)
    ((0, 1), (2, 3))
    """
    if len(costs) % groups:
        raise MismatchError(
            f"a step has {len(costs)} micro-batches, which {groups} groups cannot share evenly; "
            f"set stream.micro_batches to a multiple of {groups}"
        )
    items_per_group = len(costs) // groups
    taken: list[list[int]] = [[] for _ in range(groups)]
    loads = [(0.0, group) for group in range(groups)]
    for item in sorted(range(len(costs)), key=lambda item: (-costs[item], item)):
        load, group = heapq.heappop(loads)
        taken[group].append(item)
        if len(taken[group]) < items_per_group:
            heapq.heappush(loads, (load + costs[item], group))
    return tuple(tuple(sorted(items)) for items in taken)


def count_groups(ranks: int, zero_stage: int, mics_shard_size: int, asked: int | None) -> int:
    """Number of groups of a run: by `mics_shard_size`, otherwise as asked for, otherwise one.

    Raises MismatchError if MiCS makes another number than is asked for, or where the ZeRO stage does not
    allow several groups: stage 2, and stage 3 without MiCS, need the same modules on all ranks.
    """
    if mics_shard_size:
        groups = ranks // mics_shard_size
        if ranks % mics_shard_size:
            raise MismatchError(
                f"engine.mics_shard_size {mics_shard_size}: found {ranks} ranks; expected a multiple of "
                f"{mics_shard_size}; start as many, or change the size"
            )
        if asked not in (None, groups):
            raise MismatchError(
                f"engine.mics_shard_size {mics_shard_size}: makes {groups} groups of {ranks} ranks, "
                f"not {asked}; leave the number of groups out"
            )
        return groups
    if zero_stage == 2 and (asked or 1) > 1:
        raise MismatchError(
            "engine.zero_stage 2: sums gradients in the order of their arrival, which differs between tasks; "
            f"{asked} groups need zero_stage 0 or 1, or 3 with mics_shard_size"
        )
    if zero_stage == 3 and (asked or 1) > 1:
        raise MismatchError(
            f"engine.zero_stage 3: gathers every parameter from all {ranks} ranks, so they are one group, "
            f"not {asked}; set engine.mics_shard_size to {ranks // (asked or 1)}, or lower zero_stage"
        )
    return asked or 1
