"""Reduces the boundary groups of a Well file to two codes per axis and a bit mask per cell.

A group states a type, its axes and a mask over these axes. A face of the box is a wall if all cells of the
mask on it are true, and open or periodic if any is; cells that a mask marks away from the faces are an
obstacle. Source: the published loader, and what is known of the files: names of groups mean nothing, types
are in upper or lower case, and some writers leave the mask of a periodic axis empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import h5py
import numpy as np
import numpy.typing as npt

from ingest.formats.hdf5 import header_array, numbers
from ingest.formats.hdf5_attributes import texts
from ingest.formats.hdf5_errors import where
from ingest.formats.hdf5_tree import child_group, child_names
from ingest.recipe import Recipe
from shards.errors import SourceError
from shards.schema import Boundary, Cell, Mask, Sides

_BITS = {kind: np.uint8(Cell[kind.name]) for kind in Boundary}
_REMEDY = "state the boundaries in a [correction] of the recipe"

Face = tuple[str, int]  # axis, and 0 for its lower or -1 for its upper end


@dataclass(frozen=True)
class _Group:
    """One boundary group; `mask` covers `axes` in this order, and is None if it marks no cell."""

    where: str
    kind: Boundary
    axes: tuple[str, ...]
    mask: npt.NDArray[np.bool_] | None

    def faces(self) -> list[Face]:
        """The faces of the box for which this group states the boundary."""
        ends = list(product(self.axes, (0, -1)))
        if self.mask is None:
            return ends
        enough = np.all if self.kind is Boundary.WALL else np.any
        cells = {(axis, end): self.mask.take(end, axis=self.axes.index(axis)) for axis, end in ends}
        return [face for face in ends if enough(cells[face])]


def boundaries(file: h5py.File, recipe: Recipe, shape: tuple[int, ...]) -> tuple[tuple[Sides, ...], Mask]:
    """The sides (lower, upper) of each axis and the bits [*S]; raises SourceError for an undecided face."""
    groups = _groups(file, recipe, shape)
    codes = _codes(groups, recipe)
    sides = tuple(recipe.corrected(axis) or _sides(file, codes, axis) for axis in recipe.axes)
    return sides, _cells(groups, recipe, shape, sides)


def _groups(file: h5py.File, recipe: Recipe, shape: tuple[int, ...]) -> list[_Group]:
    """All groups, first those with one axis."""
    parent = child_group(file, "boundary_conditions")
    children = [child_group(parent, name) for name in child_names(parent)] if parent is not None else []
    groups = [_group(child, recipe, shape) for child in children if child is not None]
    return sorted(groups, key=lambda group: len(group.axes))


def _group(group: h5py.Group, recipe: Recipe, shape: tuple[int, ...]) -> _Group:
    """The kind, axes and mask of one boundary group; raises SourceError if one of them is wrong."""
    kinds = [text.upper() for text in texts(group, "bc_type") or ()]
    if len(kinds) != 1 or kinds[0] not in Boundary.__members__:
        raise SourceError(f"{where(group)}: bc_type {kinds}; expected one of WALL, OPEN, PERIODIC; {_REMEDY}")

    axes = texts(group, "associated_dims") or ()
    if not axes or not set(axes) <= set(recipe.axes) or len(set(axes)) < len(axes):
        raise SourceError(
            f"{where(group)}: associated_dims {list(axes)}; expected some of {list(recipe.axes)}, each once; "
            "fix the file"
        )

    mask = None
    if "mask" in child_names(group):
        stored = numbers(group, "mask")
        expected = tuple(shape[recipe.axes.index(axis)] for axis in axes)
        if stored.shape != expected:
            raise SourceError(
                f"{where(stored)}: shape {stored.shape}; expected {expected}, the lengths of "
                f"{', '.join(axes)}"
            )
        marks = header_array(stored)
        if np.isnan(marks).any():
            raise SourceError(f"{where(stored)}: holds NaN; expected a mask; fix the file")
        mask = marks != 0

    if mask is None or not mask.any():
        if kinds[0] != "PERIODIC" and not all(recipe.corrected(axis) for axis in axes):
            raise SourceError(
                f"{where(group)}: a {kinds[0]} boundary whose mask marks no cell, so its side is unknown; "
                f"{_REMEDY}"
            )
        mask = None

    return _Group(where(group), Boundary[kinds[0]], axes, mask)


def _codes(groups: list[_Group], recipe: Recipe) -> dict[Face, Boundary]:
    """The code of each face that the recipe does not correct.

    A wall of several axes (geometry) that covers a whole face replaces any other code of this face.
    """
    codes: dict[Face, Boundary] = {}
    for group in groups:
        for face in group.faces():
            if recipe.corrected(face[0]):
                continue
            known = codes.setdefault(face, group.kind)
            if known is group.kind:
                continue
            if len(group.axes) == 1:
                raise SourceError(
                    f"{group.where}: makes {_words(face)} {group.kind.name} where another group makes it "
                    f"{known.name}; {_REMEDY}"
                )
            if group.kind is Boundary.WALL:
                codes[face] = group.kind

    return codes


def _sides(file: h5py.File, codes: dict[Face, Boundary], axis: str) -> Sides:
    """The sides of an axis; raises SourceError if one has no group, or if only one is periodic."""
    for face in ((axis, 0), (axis, -1)):
        if face not in codes:
            raise SourceError(
                f"{where(file)}boundary_conditions: no group gives the boundary of {_words(face)}; {_REMEDY}"
            )
    lower, upper = codes[axis, 0], codes[axis, -1]
    if Boundary.PERIODIC in (lower, upper) and lower is not upper:
        raise SourceError(
            f"{where(file)}boundary_conditions: axis {axis} is {lower.name} below and {upper.name} above; "
            f"expected periodic on both sides or on neither; {_REMEDY}"
        )
    return lower, upper


def _words(face: Face) -> str:
    return f"the {'upper' if face[1] else 'lower'} side of {face[0]}"


def _cells(groups: list[_Group], recipe: Recipe, shape: tuple[int, ...], sides: tuple[Sides, ...]) -> Mask:
    """The bits [*S]: those of the masks, and whole sides of axes that are periodic or corrected."""
    cells = np.zeros(shape, np.uint8)
    whole = {
        axis
        for axis, pair in zip(recipe.axes, sides, strict=True)
        if recipe.corrected(axis) or Boundary.PERIODIC in pair
    }
    for group in groups:
        if group.mask is not None and group.kind is not Boundary.PERIODIC:
            _mark(cells, group, recipe.axes, whole)

    for index, (axis, pair) in enumerate(zip(recipe.axes, sides, strict=True)):
        if axis in whole:
            along = np.moveaxis(cells, index, 0)
            along[0] |= _BITS[pair[0]]
            along[-1] |= _BITS[pair[1]]

    return cells


def _mark(cells: Mask, group: _Group, axes: tuple[str, ...], whole: set[str]) -> None:
    """Adds a group's mask: its bit on the faces of its axes (except `whole` axes), an obstacle inside."""
    assert group.mask is not None
    order = sorted(range(len(group.axes)), key=lambda index: axes.index(group.axes[index]))
    lengths = [length if axis in group.axes else 1 for axis, length in zip(axes, cells.shape, strict=True)]
    marked = np.broadcast_to(group.mask.transpose(order).reshape(lengths), cells.shape)
    # A wall over several axes is a body: it is solid up to the sides of the box that it touches.
    body = group.kind is Boundary.WALL and len(group.axes) > 1
    inside = marked.copy()

    for index, axis in enumerate(axes):
        if axis not in group.axes:
            continue
        if not body:
            np.moveaxis(inside, index, 0)[[0, -1]] = False
        for end in (0, -1) if axis not in whole else ():
            face = np.moveaxis(cells, index, 0)[end]
            face[np.moveaxis(marked, index, 0)[end]] |= _BITS[group.kind]

    cells[inside] |= np.uint8(Cell.OBSTACLE) if group.kind is Boundary.WALL else _BITS[group.kind]
