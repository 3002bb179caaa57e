"""Chooses a few evenly spread items where there is no room for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def evenly_chosen(items: Sequence[T], most: int) -> list[T]:
    """At most `most` items, evenly spread, with the first and the last one.

    >>> evenly_chosen(range(100), 4)
    [0, 33, 66, 99]
    """
    places = np.linspace(0, len(items) - 1, min(len(items), most)).round().astype(int)
    return [items[place] for place in places]
