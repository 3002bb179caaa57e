"""The order of one pass over a task: every window start once, shuffled near and far as the storage likes it.

Shards in random order form chapters of so many at once; the blocks of a chapter come in random order; the
windows of a block are spread among those of several blocks, and go to the same place of consecutive
micro-batches. So a shard is read in one chapter of a pass only, frames decoded for one window serve others
soon after it and on the same rank, and no micro-batch holds two windows of one block (unless the chapter is
too small). Blocks of one start and all shards at once are a plain shuffle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from walrus.randomness import Word, permutation, random_words

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Order:
    """Starts in a block, blocks among which its windows are spread, shards in a chapter (0: all)."""

    block: int = 1
    blocks_between: int = 4
    shards_at_once: int = 0


PLAIN = Order()


def pass_order(
    order: Order, starts: Sequence[int], shards: Sequence[int], columns: int, seed: int, *name: Word
) -> tuple[Numbers, Numbers]:
    """The numbers of all starts, and for each the place in this order where its block would begin unspread.

    `starts` counts those of each trajectory, `shards` numbers the shard where it lies; a micro-batch takes `columns`.
    """
    counts = np.asarray(starts, np.int64)
    blocks = -(-counts // order.block)
    trajectory = np.repeat(np.arange(len(counts)), blocks)
    within = np.arange(len(trajectory)) - np.repeat(blocks.cumsum() - blocks, blocks)
    first = (counts.cumsum() - counts)[trajectory] + within * order.block
    length = np.minimum(order.block, counts[trajectory] - within * order.block)

    shuffled = permutation(len(trajectory), seed, "pass", *name)
    chapter = _chapters(order.shards_at_once, np.asarray(shards), seed, *name)[trajectory]
    shuffled = shuffled[np.argsort(chapter[shuffled], kind="stable")]
    length = length[shuffled]
    begins = length.cumsum() - length
    leaders = np.repeat(begins, length)
    numbers = np.repeat(first[shuffled] - begins, length) + np.arange(len(leaders))
    if order.block == 1:
        return numbers, leaders
    of_start = np.repeat(chapter[shuffled], length)
    spread = np.empty_like(numbers)
    for begin, end in _runs(of_start):
        span = order.blocks_between * order.block
        spread[begin:end] = begin + _spread(end - begin, span, columns, seed, "spread", *name, begin)
    return numbers[spread], leaders[spread]


def _chapters(at_once: int, shards: Numbers, seed: int, *name: Word) -> Numbers:
    """The chapter of each trajectory."""
    if at_once == 0:
        return np.zeros(len(shards), np.int64)
    _, own = np.unique(shards, return_inverse=True)
    rank = np.argsort(permutation(int(own.max()) + 1, seed, "shards", *name))
    return np.asarray(rank[own] // at_once, np.int64)


def _runs(values: Numbers) -> list[tuple[int, int]]:
    """Where each run of equal values begins and ends."""
    cuts = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return list(pairwise(cuts))


def _spread(count: int, span: int, columns: int, seed: int, *name: Word) -> Numbers:
    """A permutation that deals `columns` stretches out in turn; within each nothing moves much further than `span`."""
    chance = random_words(count, seed, *name).astype(np.float64) / 2**64
    turns = np.arange(count) % columns
    dealt = np.empty(count, np.int64)
    dealt[np.argsort(turns, kind="stable")] = np.lexsort((np.arange(count) + span * chance, np.sort(turns)))
    return dealt
