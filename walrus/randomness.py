"""Random numbers by counter: a pure function of a seed and some words, the same on every machine and version.

Only raw 64-bit output of Philox is used, which numpy keeps stable; its distributions may change.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import torch

Word = int | str


def random_words(count: int, seed: int, *name: Word) -> npt.NDArray[np.uint64]:
    """`count` independent 64-bit words that belong to this seed and name."""
    key = hashlib.sha256(repr((seed, *name)).encode()).digest()
    raw = np.random.Philox(key=int.from_bytes(key[:16], "little")).random_raw(count)
    return np.asarray(raw, np.uint64)


def permutation(count: int, seed: int, *name: Word) -> npt.NDArray[np.int64]:
    """The numbers 0 to count - 1 in random order."""
    return np.argsort(random_words(count, seed, *name), kind="stable")


def below(bound: int, seed: int, *name: Word) -> int:
    """A number in [0, bound); the bias of at most bound / 2^64 is of no account."""
    return int(random_words(1, seed, *name)[0]) * bound >> 64


def generator_of(seed: int, *name: Word) -> torch.Generator:
    """A generator on the CPU that belongs to this seed and name."""
    return torch.Generator().manual_seed(int(random_words(1, seed, *name)[0] >> 1))
