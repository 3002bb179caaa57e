"""Means of the two faces of each cell (docs/decisions/0175), also at walls and land (docs/decisions/0140)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ingest.fields.field_stack import Obstacle
from ingest.layout import FacesSide

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CellFaces:
    """How cells take their faces from an array.

    `only` is the side of faces of which there are as many as cells; otherwise there is one more. If the axis
    `wraps`, the absent face is that of the other end. Otherwise, with `at_rest`, it lies on a wall and is
    zero, and so are faces without a value at the ends of the axis and next to solid cells.
    """

    only: FacesSide | None = None
    wraps: bool = False
    at_rest: bool = False
    obstacle: Obstacle | None = None

    def around(self, obstacle: Obstacle) -> CellFaces:
        """The same faces, with the solid cells of an obstacle if they are at rest."""
        return replace(self, obstacle=obstacle) if self.at_rest else self

    def means(self, stored: Values, row: int, axis: int) -> Values:
        """Means [L, ...] of the lower and the upper face of each cell; `stored` [faces, T, C, other axes].

        `axis` is the number of the axis L in the grid, and `row` that of the trajectory.
        """
        faces = self._all(stored)
        if self.at_rest:
            faces = np.where(np.isnan(faces) & self._on_walls(faces, row, axis), 0.0, faces)
        means: Values = (faces[:-1] + faces[1:]) / 2
        return means

    def _all(self, stored: Values) -> Values:
        """All faces [L + 1, ...] of an axis."""
        if self.only is None:
            return stored
        other_end = stored[:1] if self.only == "lower" else stored[-1:]
        absent = other_end if self.wraps else np.zeros_like(other_end)
        return np.concatenate((stored, absent) if self.only == "lower" else (absent, stored))

    def _on_walls(self, faces: Values, row: int, axis: int) -> npt.NDArray[np.bool_]:
        """Which faces [L + 1, 1, 1, other axes] are at an end of the axis or next to solid cells."""
        solid = np.zeros((len(faces) - 1, *faces.shape[3:]), bool)
        if self.obstacle is not None:
            solid = np.moveaxis(self.obstacle.solid(row), axis, 0)
        beyond = solid if self.wraps else np.ones_like(solid)
        cells = np.concatenate([beyond[-1:], solid, beyond[:1]])
        walls: npt.NDArray[np.bool_] = (cells[:-1] | cells[1:])[:, None, None]
        return walls
