"""The order of one pass over a task: each window start once, shuffled so that decoded frames are reused.

1. The shards, in random order, are grouped into chapters of `shards_at_once`. A pass reads one chapter after
   the other, so that each shard is read in one chapter only.
2. A block is some consecutive starts of one trajectory. The blocks of a chapter come in random order.
3. The windows of a block are mixed with those of several other blocks, and have the same position in
   consecutive micro-batches. So a frame that is decoded for one window is soon used by others, on the same
   rank. No micro-batch has two windows of one block, unless the chapter is too small.

With blocks of one start, and all shards at once, this is a plain shuffle. The reasons are in
docs/decisions/0016-order-of-a-pass.md.
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
class PassOrder:
    """Starts per block, blocks whose windows are mixed, and shards per chapter (0: all)."""

    block: int = 1
    blocks_between: int = 4
    shards_at_once: int = 0


PLAIN = PassOrder()


def pass_order(
    order: PassOrder, starts: Sequence[int], shards: Sequence[int], columns: int, seed: int, *name: Word
) -> tuple[Numbers, Numbers]:
    """The numbers of all starts in the order of a pass; and for each, a number that its block shares.

    `starts` has the number of starts of each trajectory, `shards` its shard. A micro-batch takes `columns`
    starts. The shared number is the position of the block before its windows are mixed with others.

    >>> numbers, leaders = pass_order(PassOrder(block=2), starts=[4, 3], shards=[0, 0], columns=1, seed=0)
    >>> numbers.tolist()
    [4, 0, 5, 2, 6, 1, 3]
    >>> leaders.tolist()
    [0, 2, 0, 5, 4, 2, 5]
    """
    # Cut each trajectory into blocks: where each begins among all starts, and how long it is.
    counts = np.asarray(starts, np.int64)
    blocks = -(-counts // order.block)
    trajectory = np.repeat(np.arange(len(counts)), blocks)
    within = np.arange(len(trajectory)) - np.repeat(blocks.cumsum() - blocks, blocks)
    first = (counts.cumsum() - counts)[trajectory] + within * order.block
    length = np.minimum(order.block, counts[trajectory] - within * order.block)

    # Shuffle the blocks, then sort them by chapter, which keeps their random order within each.
    shuffled = permutation(len(trajectory), seed, "pass", *name)
    chapter = _chapters(order.shards_at_once, np.asarray(shards), seed, *name)[trajectory]
    shuffled = shuffled[np.argsort(chapter[shuffled], kind="stable")]

    # Write out the starts of each block; its leader is the position of its first one.
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
    """(begin, end) of each run of equal values."""
    cuts = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return list(pairwise(cuts))


def _spread(count: int, span: int, columns: int, seed: int, *name: Word) -> Numbers:
    """A permutation of 0 to count - 1 that mixes numbers which are near each other.

    The numbers are cut into as many stretches as a micro-batch has columns; column i takes those of stretch
    i. Inside a stretch no number moves much further than `span`.
    """
    uniform = random_words(count, seed, *name).astype(np.float64) / 2**64
    column_of_position = np.arange(count) % columns
    position_by_column = np.argsort(column_of_position, kind="stable")
    column_of_number = column_of_position[position_by_column]
    shuffled_locally = np.arange(count) + span * uniform

    spread = np.empty(count, np.int64)
    spread[position_by_column] = np.lexsort((shuffled_locally, column_of_number))
    return spread
