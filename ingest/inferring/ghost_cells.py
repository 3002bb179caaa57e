"""Finds whether ghost cells are stored around the fields, in files that state their number, `nghost = 2`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ingest.formats.arrays import ArrayFile, only_number, readable_attributes, whole
from ingest.inferring.halo import Halo
from ingest.inferring.inferred_layout import InferredLayout
from ingest.inferring.listed_halo import GHOST_NAME, MOST_GHOSTS, ListedHalo
from ingest.inferring.stated_ends import ENDS
from shards.errors import SourceError

# Names of the number of cells, and of the length of the domain, along an axis.
CELLS = ("n{}", "n_{}", "num_{}", "{}cells", "{}_cells", "n{}_cells")
LENGTHS = ("l{}", "l_{}", "length_{}", "{}_length", "domain_{}", "{}len", "size_{}")
# Lists of lengths, one for each axis.
LISTS = ("domain", "domain_size", "domain_length", "lengths", "extent", "box", "box_size", "boxsize")
CLOSE = 1e-4


@dataclass(frozen=True)
class GhostCells:
    """Cells to cut off per axis: `cells` if the file proves them, `offered` if a person must confirm them."""

    cells: Halo = field(default_factory=dict)
    offered: Halo = field(default_factory=dict)
    words: str = ""

    @classmethod
    def of_lists(cls, listed: ListedHalo) -> GhostCells:
        """The ghost cells that lists with one number per axis state."""
        if listed.is_proven:
            return cls(listed.cells, {}, listed.words)
        return cls({}, listed.cells, listed.words)


def ghost_cells(arrays: ArrayFile, layout: InferredLayout) -> GhostCells:
    """The ghost cells of each axis, from their number in the file; none if the file states no number."""
    numbers = _numbers(arrays, layout)
    proven, open_axes, words, said = {}, {}, "", dict[str, None]()
    for axis in layout.axes:
        name = _name_of_count(numbers, axis)
        stated = numbers.get(name, 0.0)
        if not 1 <= stated <= MOST_GHOSTS or stated != round(stated):
            continue
        count = int(stated)
        if layout.lengths[axis] <= 2 * count + 1:
            continue
        said[f"{name} = {count}"] = None
        stored, why = _are_stored(axis, count, arrays, layout, numbers)
        if stored:
            proven[axis], words = (count, count), why
        elif stored is None:
            open_axes[axis] = (count, count)
    if not proven:
        return GhostCells({}, open_axes, ", ".join(said))

    # If one axis has ghost cells, so do the axes that the file does not decide.
    return GhostCells({**proven, **open_axes}, {}, f"{', '.join(said)}, and {words}")


def _name_of_count(numbers: Mapping[str, float], axis: str) -> str:
    """The name of the number of ghost cells of an axis: `nghost_x`, otherwise `nghost`; empty if none."""
    of_axis = [
        name for name in numbers if name.endswith(axis) and GHOST_NAME.fullmatch(name[:-1].rstrip("_"))
    ]
    of_all = [name for name in numbers if GHOST_NAME.fullmatch(name)]
    return next(iter((*of_axis, *of_all)), "")


def _numbers(arrays: ArrayFile, layout: InferredLayout) -> dict[str, float]:
    """The numbers of the file, its fields and their groups, by their names in lower case."""
    found: dict[str, float] = {}
    places = [""]
    for each in layout.variable:
        places += [each.array.path.rpartition("/")[0], each.array.path]

    for place in dict.fromkeys(places):
        for name, value in readable_attributes(arrays, place).items():
            found.update(_entries(name.lower(), value))

    for scalar in layout.scalars:
        if scalar.size == 1 and not scalar.fault and not scalar.pattern:
            found.setdefault(scalar.name.lower(), only_number(arrays.array(scalar.path)))
    return found


def _entries(name: str, value: object) -> Iterator[tuple[str, float]]:
    """The number of an attribute, or for a list of lengths the number of each axis."""
    numbers = np.asarray(value).reshape(-1)
    if numbers.dtype.kind not in "iuf" or not numbers.size:
        return
    if numbers.size == 1 or (numbers == numbers[0]).all():
        yield name, float(numbers[0])
    if name in LISTS and numbers.size <= 3:
        for axis, number in zip("xyz", numbers, strict=False):
            yield f"l{axis}", float(number)


def _are_stored(
    axis: str, count: int, arrays: ArrayFile, layout: InferredLayout, numbers: Mapping[str, float]
) -> tuple[bool | None, str]:
    """Whether an axis has ghost cells, and the reason; None if the file does not show it."""
    stored = layout.lengths[axis]
    for pattern in CELLS:
        cells = numbers.get(pattern.format(axis))
        if cells in (stored, stored - 2 * count):
            return cells != stored, f"{pattern.format(axis)} is {cells:g} of {stored} cells"

    centres = _centres(axis, arrays, layout)
    if centres is None or len(centres) != stored:
        return None, ""

    width = float(np.diff(centres).mean())
    for name, length in _lengths(axis, numbers):
        if _close(length, width * stored) or _close(length, width * (stored - 1)):
            return False, ""
        inner = stored - 2 * count
        if _close(length, width * inner) or _close(length, width * (inner - 1)):
            return True, f"{name} is {length:g}, {inner} of {stored} cells"

    if centres[0] < 0 < centres[-1] and _close(float(centres[count]), width / 2):
        return True, f"{axis} of the inner cells begins at 0"
    return None, ""


def _lengths(axis: str, numbers: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Yields the name and value of each length of the domain along an axis."""
    for pattern in LENGTHS:
        name = pattern.format(axis)
        if name in numbers:
            yield name, numbers[name]
    for lower, upper in ((low.format(axis), high.format(axis)) for low, high in ENDS):
        if lower in numbers and upper in numbers:
            yield f"{upper} - {lower}", numbers[upper] - numbers[lower]


def _centres(axis: str, arrays: ArrayFile, layout: InferredLayout) -> npt.NDArray[np.float64] | None:
    """The evenly spaced centres [L] of an axis; None if the file has no such list."""
    listed = layout.lists.space.get(axis)
    if listed is None or listed.pattern or len(listed.values) != 1:
        return None
    try:
        values = whole(arrays.array(listed.path)).reshape(-1)
    except SourceError:
        return None
    steps = np.diff(values)
    even = len(values) > 2 and np.isfinite(values).all() and np.allclose(steps, steps[0], rtol=1e-3)
    return values if even and steps[0] > 0 else None


def _close(first: float, second: float) -> bool:
    return abs(first - second) <= CLOSE * abs(second)
