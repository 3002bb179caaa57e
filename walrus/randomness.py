"""Random numbers as a pure function of a seed and a name: the same on every machine, at any time.

They are the raw 64-bit words of numpy's Philox generator. numpy promises that these stay the same in all its
versions; it does not promise that for its distributions.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from numpy.random.bit_generator import ISeedSequence

Word = int | str


def random_words(count: int, seed: int, *name: Word) -> npt.NDArray[np.uint64]:
    """`count` independent 64-bit words for this seed and name.

    >>> (random_words(2, 7, "stride", 3) & 0xFFFF).tolist()
    [60738, 42817]
    """
    digest = hashlib.sha256(repr((seed, *name)).encode()).digest()
    # numpy documents that a bit generator takes any ISeedSequence, but its types do not say so.
    raw = np.random.Philox(_Key(digest)).random_raw(count)  # type: ignore[arg-type]
    return np.asarray(raw, np.uint64)


class _Key(ISeedSequence):
    """Gives Philox the first two words of a digest as its key.

    `Philox(key=...)` draws the same words, but first asks the system for random numbers that it then drops:
    9 us in place of 5 (docs/decisions/0156-time-in-python.md).
    """

    def __init__(self, digest: bytes) -> None:
        self._digest = digest

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> npt.NDArray[Any]:
        """The first words of the digest, little-endian on every machine."""
        return np.frombuffer(self._digest, np.dtype(dtype).newbyteorder("<"), n_words)


def permutation(count: int, seed: int, *name: Word) -> npt.NDArray[np.int64]:
    """The numbers 0 to count - 1 in random order.

    >>> permutation(5, 7, "pass").tolist()
    [0, 4, 3, 2, 1]
    """
    if count == 1:
        return np.zeros(1, np.int64)
    return np.argsort(random_words(count, seed, *name), kind="stable")


def below(bound: int, seed: int, *name: Word) -> int:
    """A whole number from 0 to bound - 1; the bias is at most bound / 2^64.

    >>> [below(6, 7, "dice", roll) for roll in range(8)]
    [5, 0, 3, 4, 2, 4, 3, 5]
    """
    return int(random_words(1, seed, *name)[0]) * bound >> 64


def generator_of(seed: int, *name: Word) -> torch.Generator:
    """A torch generator on the CPU, for this seed and name."""
    return torch.Generator().manual_seed(int(random_words(1, seed, *name)[0] >> 1))
