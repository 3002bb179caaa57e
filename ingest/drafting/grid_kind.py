"""Drafts the kind of a grid from the names of its axes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ingest.contents.number_lists import Values, values_of
from ingest.drafting.table import line
from ingest.formats.arrays import ArrayFile
from ingest.inferring.inferred_layout import InferredLayout
from shards.schema import GridKind

KINDS: dict[GridKind, set[str]] = {
    "log-spherical": {"log_r"},
    "spherical": {"r", "theta"},
    "equiangular": {"theta", "phi"},
}
# Axes of grids for which there is no kind.
CURVED = ({"r", "phi"}, {"r", "z"})


def kind_lines(arrays: ArrayFile, layout: InferredLayout) -> Iterator[str]:
    """Yields the line with the kind of the grid, or a comment if no kind fits; nothing for a box."""
    axes = set(layout.axes)
    kind = next((kind for kind, named in KINDS.items() if named <= axes), None)
    theta = values_of(arrays, layout.lists.space.get("theta"))
    is_around = kind == "spherical" and theta is not None and _goes_around(theta)
    if kind and not is_around:
        yield f"{line('kind', kind)}  # CHECK: from the names of the axes"
    elif is_around or any(named <= axes for named in CURVED):
        yield "# CHECK: no kind of grid is polar or cylindrical: the cells count as those of a box."


def _goes_around(angles: Values) -> bool:
    """Whether an angle goes further than from pole to pole, in radians or in degrees.

    >>> _goes_around(np.array([0.1, 3.1])), _goes_around(np.array([0.1, 6.1]))
    (False, True)
    """
    half_turn = math.pi if np.abs(angles).max() < 2.1 * math.pi else 180.0
    return bool(angles.max() > 1.01 * half_turn or angles.min() < -0.51 * half_turn)
