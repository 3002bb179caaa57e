"""Pointwise transforms that a recipe can ask for, such as log10.

A transformed field has another name (`log10_density`, `zeros_like_density`), so that it is not confused with
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
    transform: TransformName | None, name: str, stored: tuple[str, ...], rank: int, *, constant: bool
) -> str | None:
    """What is wrong with a transformed field with this name; None if nothing is.

    >>> transform_fault("log10", "density", ("rho",), rank=0, constant=False)
    'field density is transformed by log10; expected a name that begins with log10_'
    """
    if transform is None:
        return None
    if not name.startswith(PREFIXES[transform]):
        prefix = PREFIXES[transform]
        return f"field {name} is transformed by {transform}; expected a name that begins with {prefix}"
    if stored == (name,):
        return f"field {name} is transformed by {transform}; state the array of the file as `stored`"
    if transform == "log10" and rank:
        return f"field {name} has rank {rank}; a vector or tensor has no logarithm"
    if transform == "zeros" and not constant:
        return f"field {name} is zeros and not constant; a field that never changes needs constant = true"
    return None


def apply(transform: TransformName, values: Frames, where: str, first: int) -> None:
    """Transforms values [T, *S] in place; raises SourceError if one has no logarithm.

    `first` is the number of the first frame in its trajectory, for the error. NaN passes: the checks of the
    build report it.
    """
    if transform == "zeros":
        values[...] = 0
        return
    _require_positive(values, where, first)
    # Computed in float64 and rounded once: log10 in float32 differs in its last bit between processors.
    values[...] = np.log10(values, dtype=np.float64)


def _require_positive(values: Frames, where: str, first: int) -> None:
    bad = values <= 0
    if not bad.any():
        return
    place = np.unravel_index(int(np.argmax(bad)), bad.shape)
    frame, *cell = (int(index) for index in place)
    raise SourceError(
        f"{where}: {np.count_nonzero(bad)} values <= 0 have no log10, the first {values[place]} in frame "
        f"{first + frame}, cell {cell}; expected more than 0; remove the transform or exclude the trajectory"
    )
