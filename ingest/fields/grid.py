"""Makes the grid of a file, and checks that it is a valid grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from shards.errors import SourceError
from shards.schema import Grid, GridKind

# The card holds centres as text, and a whole frame must fit into memory: a header with more cells is damaged.
AXIS_CELLS, CELLS = 2**22, 2**31


def require_cells(where: str, axes: Sequence[str], shape: Sequence[int]) -> None:
    """Raises SourceError for a grid without cells, or with impossibly many."""
    lengths = ", ".join(f"{axis} {length}" for axis, length in zip(axes, shape, strict=True))
    if min(shape) < 1:
        raise SourceError(f"{where}: {lengths}; expected at least one cell per axis; fetch the file again")
    if max(shape) > AXIS_CELLS or math.prod(shape) > CELLS:
        raise SourceError(
            f"{where}: {lengths}; expected at most {AXIS_CELLS} cells per axis and {CELLS} in all; correct "
            "the layout, or cut the file"
        )


def grid_of(
    where: str, axes: tuple[str, ...], centres: tuple[tuple[float, ...], ...], kind: GridKind = "cartesian"
) -> Grid:
    """The grid; raises SourceError if centres of an axis are not finite, or neither increase nor decrease."""
    require_cells(where, axes, [len(values) for values in centres])
    for axis, values in zip(axes, centres, strict=True):
        if not np.isfinite(values).all():
            raise SourceError(f"{where}: the cell centres of {axis} are not all finite numbers; fix the file")
        steps = np.diff(values)
        if not (steps > 0).all() and not (steps < 0).all():
            raise SourceError(
                f"{where}: the cell centres of {axis} neither only increase nor only decrease; expected "
                "each once and in order; fix the file"
            )
    return Grid(axes, centres, kind)
