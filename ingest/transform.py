"""Pointwise transforms that a recipe can ask for, such as log10.

A transformed field has a name of its own (`log10_density`, `zeros_like_density`), so that nobody takes it for
the quantity in the file. Axes: T time, C channel, S space.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from shards.errors import SourceError
from shards.schema import Frames

TransformName = Literal["log10", "zeros"]
PREFIXES: dict[TransformName, str] = {"log10": "log10_", "zeros": "zeros_like_"}


def transform_fault(
    transform: TransformName | None, name: str, stored: tuple[str, ...], rank: int, constant: bool
) -> str | None:
    """What is wrong with a transformed field of this name, if anything.

    >>> transform_fault("log10", "density", ("rho",), rank=0, constant=False)
    'field density is transformed by log10; expected a name that begins with log10_'
    """
    if transform is None:
        return None
    if not name.startswith(PREFIXES[transform]):
        prefix = PREFIXES[transform]
        return f"field {name} is transformed by {transform}; expected a name that begins with {prefix}"
    if stored == (name,):
        return f"field {name} is transformed by {transform}; name in `stored` what it is made from"
    if transform == "log10" and rank:
        return f"field {name} is of rank {rank}; the logarithm of a vector or tensor means nothing"
    if transform == "zeros" and not constant:
        return f"field {name} is zeros and not constant; a field that never changes must be declared constant"
    return None


def apply(transform: TransformName, values: Frames, where: str, first: int) -> None:
    """Replaces values [T, *S] in place; raises SourceError where one has no logarithm.

    `first` is the number of the first of these frames in its trajectory, for the error. NaN passes: the
    checks find and report a broken frame.
    """
    if transform == "zeros":
        values[...] = 0
        return
    _require_positive(values, where, first)
    # In float64, rounded once: a logarithm in float32 differs in its last bit from processor to processor.
    values[...] = np.log10(values, dtype=np.float64)


def _require_positive(values: Frames, where: str, first: int) -> None:
    bad = values <= 0
    if not bad.any():
        return
    place = np.unravel_index(int(np.argmax(bad)), bad.shape)
    frame, *cell = (int(index) for index in place)
    raise SourceError(
        f"{where}: {np.count_nonzero(bad)} values <= 0 have no log10, the first {values[place]} in frame "
        f"{first + frame}, cell {cell}; expected more than 0; leave the transform or the trajectory out"
    )
