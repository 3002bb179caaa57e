"""Chooses the plane of a grid that a picture shows, and the colours of its values.

Axes: S space; U and V are the horizontal and the vertical axis of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from shards.drawing.even_choice import evenly_chosen
from shards.schema import Boundary, Grid, Schema, Sides

UNSIGNED, SIGNED, ERROR = "viridis", "RdBu_r", "PuOr_r"
Picture = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class View:
    """The plane of a grid that is shown: its axes (horizontal, vertical), cells, extent and boundaries.

    If `projects` is True, the picture looks through all planes of a volume. Otherwise `depth` is the cell
    along the hidden axis; None means its middle.
    """

    axes: tuple[int, int]
    names: tuple[str, str]
    extent: tuple[float, float, float, float]
    sides: tuple[Boundary, Boundary, Boundary, Boundary]
    cells_U: npt.NDArray[np.intp]
    cells_V: npt.NDArray[np.intp]
    cut: str
    projects: bool = False
    depth: int | None = None

    @property
    def is_line(self) -> bool:
        """Whether the grid has only one axis of more than one cell."""
        return min(len(self.cells_U), len(self.cells_V)) == 1

    @property
    def hidden(self) -> int:
        """The axis of a volume that is not shown."""
        (hidden,) = {0, 1, 2} - set(self.axes)
        return hidden

    @property
    def ratio(self) -> float:
        """Height divided by width: true to scale, except for very long shapes."""
        left, right, bottom, top = self.extent
        ratio = abs((top - bottom) / (right - left))
        return ratio if 1 / 6 <= ratio <= 6 else min(6.0, max(1 / 6, len(self.cells_V) / len(self.cells_U)))

    def image(self, values_S: npt.NDArray[np.generic]) -> Picture:
        """The plane [V, U] of a field [*S].

        A projection shows the value of the largest magnitude along the third axis.
        """
        plane = values_S.reshape(*values_S.shape, *[1] * (2 - values_S.ndim))
        if self.projects:
            plane = _largest(plane, self.hidden)
        elif plane.ndim == 3:
            middle = plane.shape[self.hidden] // 2
            plane = np.take(plane, middle if self.depth is None else self.depth, self.hidden)
        upright = plane.T if self.axes[0] < self.axes[1] else plane
        return upright[np.ix_(self.cells_V, self.cells_U)].astype(np.float64)

    def thinned(self, most: int) -> View:
        """The same plane with at most `most` cells along each axis, evenly chosen."""
        across, up = (evenly_chosen(cells.tolist(), most) for cells in (self.cells_U, self.cells_V))
        return replace(self, cells_U=np.array(across), cells_V=np.array(up))


@dataclass(frozen=True)
class Saturation:
    """Whether some values are below the colours of a scale, and whether some are above them."""

    below: bool = False
    above: bool = False


@dataclass(frozen=True)
class Scale:
    """The colours of values from `low` to `high`; the outermost 0.2 % at each end share the last colour."""

    low: float
    high: float
    colours: str

    @classmethod
    def of_field(cls, images: Sequence[Picture]) -> Scale:
        """The scale of a field: symmetric and diverging if it has both signs, otherwise sequential."""
        low, high = _bounds(images)
        if min(-low, high) > 0.15 * max(-low, high):
            return cls(-max(-low, high), max(-low, high), SIGNED)
        return cls(low, high, UNSIGNED)

    @classmethod
    def of_error(cls, images: Sequence[Picture], field: Scale) -> Scale:
        """The scale of an error: symmetric, and no wider than the field, so that a diverged frame does not
        make the others pale.
        """
        reach = min(max(map(abs, _bounds(images))), field.high - field.low)
        return cls(-reach, reach, ERROR)

    def saturation(self, images: Sequence[Picture]) -> Saturation:
        """At which ends of the scale values of these images share the last colour."""
        below = any(bool((image < self.low).any()) for image in images)
        above = any(bool((image > self.high).any()) for image in images)
        return Saturation(below, above)


def view_of(grid: Grid, boundaries: Sequence[Sides], axes: tuple[int, int] | None = None) -> View:
    """The plane that represents the grid: the middle plane of a volume; for a line, a strip one cell high.

    `axes` are the horizontal and the vertical axis; by default the first two with more than one cell.
    """
    names, sides = [*grid.axes, ""], [*boundaries, (Boundary.OPEN, Boundary.OPEN)]
    shown = [_shown_cells(values) for values in grid.coordinates]
    across, up = _shown_axes(grid) if axes is None else axes
    # The extra axis: the height of the strip that shows a line.
    shown.append(_ShownCells(0.0, (shown[across].high - shown[across].low) / 6, np.zeros(1, np.intp)))
    horizontal, vertical = shown[across], shown[up]
    lower, upper = sides[up]
    if names[up] == "theta":  # colatitude: the north pole is at the top
        vertical = _ShownCells(vertical.high, vertical.low, vertical.cells[::-1])
        lower, upper = upper, lower

    return View(
        axes=(across, up),
        names=(names[across], names[up]),
        extent=(horizontal.low, horizontal.high, vertical.low, vertical.high),
        sides=(*sides[across], lower, upper),
        cells_U=horizontal.cells,
        cells_V=vertical.cells[::-1],  # the first row of an image is its top
        cut=_cut(grid, (across, up)),
    )


def views_of(grid: Grid, boundaries: Sequence[Sides]) -> tuple[View, ...]:
    """The plane that represents the grid; for a volume, its three middle planes and a projection."""
    first = view_of(grid, boundaries)
    if min(grid.shape) == 1 or len(grid.shape) < 3:
        return (first,)
    others = [
        view_of(grid, boundaries, axes) for axes in combinations(range(3), 2) if set(axes) != set(first.axes)
    ]
    projection = replace(first, cut=f"largest along {grid.axes[first.hidden]}", projects=True)
    return (first, *others, projection)


def slices_of(grid: Grid, boundaries: Sequence[Sides]) -> tuple[View, ...]:
    """The views of `views_of`, and for a volume the planes at 1/4 and 3/4 of its depth too."""
    views = views_of(grid, boundaries)
    if len(views) == 1:
        return views

    slices: list[View] = []
    for view in views:
        if view.projects:
            slices.append(view)
            continue
        size = grid.shape[view.hidden]
        slices += [_at_depth(view, grid, depth) for depth in sorted({size // 4, size // 2, 3 * size // 4})]

    return tuple(slices)


def _at_depth(view: View, grid: Grid, depth: int) -> View:
    """The plane parallel to a view at this cell of its hidden axis."""
    name, centre = grid.axes[view.hidden], grid.coordinates[view.hidden][depth]
    return replace(view, depth=depth, cut=f"plane {name} = {centre:.3g}")


def labelled_view(view: View, schema: Schema) -> View:
    """The view with units in the names of its axes; the vertical axis of a line has none."""
    across, up = (schema.labelled(name) if name in schema.grid.axes else name for name in view.names)
    return replace(view, names=(across, up))


def _shown_axes(grid: Grid) -> tuple[int, int]:
    if grid.kind == "equiangular":
        return 1, 0
    # A line is horizontal; its vertical axis is the extra one after the last.
    long = [axis for axis, size in enumerate(grid.shape) if size > 1]
    short = [axis for axis in range(max(2, len(grid.shape))) if axis not in long]
    across, up, *_ = [*long, *short]
    return across, up


def _cut(grid: Grid, shown: tuple[int, int]) -> str:
    hidden = [axis for axis in range(len(grid.axes)) if axis not in shown]
    return f"plane {grid.axes[hidden[0]]} = {_middle(grid.coordinates[hidden[0]]):.3g}" if hidden else ""


def _largest(values_S: npt.NDArray[np.generic], axis: int) -> npt.NDArray[np.generic]:
    magnitude = np.abs(values_S.astype(np.float64))
    place = np.where(np.isnan(magnitude), -1, magnitude).argmax(axis)
    return np.take_along_axis(values_S, np.expand_dims(place, axis), axis).squeeze(axis)


@dataclass(frozen=True, eq=False)
class _ShownCells:
    """Both ends of an axis, and the cell that is shown at each of its evenly spaced positions."""

    low: float
    high: float
    cells: npt.NDArray[np.intp]


def _shown_cells(coordinates: Sequence[float]) -> _ShownCells:
    """The nearest cell for each of as many evenly spaced positions as the axis has cells."""
    centre = np.asarray(coordinates)
    order = np.argsort(centre)
    centre = centre[order]
    if len(centre) == 1:
        return _ShownCells(float(centre[0]) - 0.5, float(centre[0]) + 0.5, order)
    between = (centre[1:] + centre[:-1]) / 2
    low, high = 2 * centre[0] - between[0], 2 * centre[-1] - between[-1]
    places = low + (high - low) * (np.arange(len(centre)) + 0.5) / len(centre)
    return _ShownCells(float(low), float(high), order[np.searchsorted(between, places)])


def _middle(coordinates: Sequence[float]) -> float:
    return coordinates[len(coordinates) // 2]


def _bounds(images: Sequence[Picture]) -> tuple[float, float]:
    values = np.concatenate([image.ravel() for image in images])
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 1.0
    low, high = np.quantile(values, (0.002, 0.998))
    least = max(1e-6 * float(np.abs(values).max()), 1e-12)
    return float(low), float(max(high, low + least))
