"""Recognises files that hold parts of a grid, by the number of parts that they state,
by marks of tiles, or by coordinates that go on.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest.contents.axis_names import space_name
from ingest.contents.listing import ArrayInfo, root_numbers
from ingest.formats.arrays import ArrayFile, only_number, whole
from ingest.formats.open_any import located, open_arrays
from shards.errors import SourceError
from shards.program.console import printable


@dataclass(frozen=True)
class ParallelProgram:
    """A program that writes one file per process, the numbers whose product counts the parts, and a tool that
    joins them.
    """

    program: str
    numbers: tuple[str, ...]
    tool: str


PROGRAMS = (
    ParallelProgram("BOUT++", ("NXPE", "NYPE"), "boutdata.squashoutput, or xbout"),
    ParallelProgram("NEMO", ("DOMAIN_number_total",), "rebuild_nemo"),
    ParallelProgram("a model that uses FMS, such as MOM6 and FV3", ("NumFilesInSet",), "mppnccombine"),
    ParallelProgram("MITgcm", ("tile_number", "nPx", "nPy", "nSx", "nSy"), "gluemncbig, or xmitgcm"),
)

# How files of one grid are marked: MITgcm, FV3, NEMO.
TILE_ATTRIBUTES = {"tile_number", "grid_tile", "DOMAIN_number"}
GLOBE_AXIS = re.compile(r"n?(tiles?|faces?)|nf", re.IGNORECASE)
TILES_OF_A_GLOBE = (6, 13)
TILE_NAME = re.compile(r"(tile|subdomain)[-_.]?$", re.IGNORECASE)
# How many files are compared with the first: neighbours along an axis have names that follow.
MOST_NEIGHBOURS = 9
LONGEST_LIST = 10**6


def require_whole_grid(arrays: ArrayFile, listed: tuple[ArrayInfo, ...], where: str) -> None:
    """Raises SourceError for a file that is one of several parts of a grid, with the tool that joins them,
    and for fields along the tiles of a globe.

    The numbers are attributes of the file or arrays of one number. A file that was joined states 1.
    """
    _require_no_tiles_of_a_globe(listed, where)
    numbers = root_numbers(arrays) | _single_numbers(arrays, listed)
    for each in PROGRAMS:
        if not set(each.numbers) <= set(numbers):
            continue
        parts = _parts(numbers, each)
        if parts > 1:
            raise SourceError(
                f"{where}: {each.program}: one of {parts:g} parts of a grid; expected the whole grid; join "
                f"the parts first ({each.tool})"
            )


def _require_no_tiles_of_a_globe(listed: tuple[ArrayInfo, ...], where: str) -> None:
    """Raises SourceError if fields are along the tiles of a globe: a cubed sphere has 6, ECCO 13."""
    for each in listed:
        tiles = [
            length
            for name, length in zip(each.dimensions, each.shape or (), strict=False)
            if GLOBE_AXIS.fullmatch(name.rpartition("/")[2]) and length in TILES_OF_A_GLOBE
        ]
        if tiles and len(each.values) > 2:
            raise SourceError(
                f"{where}: {printable(each.path)} is along {tiles[0]} tiles of a globe; expected one grid; "
                "interpolate to latitudes and longitudes first (xesmf, pyresample, CDO remapbil)"
            )


def require_no_tiles(files: Sequence[Path], before: str) -> None:
    """Raises SourceError if numbered files are tiles of one grid: a model would learn their edges.

    `before` is what stands before the number in their names.
    """
    first = files[0]
    with open_arrays(located(first)) as arrays:
        marks = TILE_ATTRIBUTES & set(arrays.attributes(""))
        own = _coordinates(arrays)
    onward = _where_it_goes_on(first, own, files[1:MOST_NEIGHBOURS])
    if marks or onward or TILE_NAME.search(before):
        raise SourceError(
            f"{first.parent}: {first.name} and {len(files) - 1} more are tiles of one grid{onward}; expected "
            "the whole grid in a file; put them together first (mppnccombine, gluemncbig, xarray)"
        )


def _where_it_goes_on(first: Path, own: Mapping[str, npt.NDArray[np.float64]], others: Sequence[Path]) -> str:
    """In brackets, in which of the other files a coordinate of the first goes on; empty if in none."""
    if not own:
        # There is nothing to compare, so no other file is opened.
        return ""
    for other in others:
        with open_arrays(located(other)) as arrays:
            axis = _axis_that_goes_on(own, _coordinates(arrays))
        if axis:
            return f" ({axis} goes on from {first.name} to {other.name})"
    return ""


def _coordinates(arrays: ArrayFile) -> dict[str, npt.NDArray[np.float64]]:
    """The lists of coordinates of a file, by their paths."""
    found: dict[str, npt.NDArray[np.float64]] = {}
    for path in arrays.names():
        if not space_name(path.rpartition("/")[2]):
            continue
        try:
            array = arrays.array(path)
            if len(array.shape) == 1 and 1 < array.shape[0] <= LONGEST_LIST:
                found[path] = whole(array)
        except SourceError:
            # A list of labels called x: the draft names it where it lists the arrays.
            continue
    return found


def _axis_that_goes_on(
    one: Mapping[str, npt.NDArray[np.float64]], other: Mapping[str, npt.NDArray[np.float64]]
) -> str:
    """The coordinate of one file that begins, one step on, where that of the other ends; empty if none does.

    >>> _axis_that_goes_on({"x": np.array([0.5, 1.5])}, {"x": np.array([2.5, 3.5, 4.5])})
    'x'
    >>> _axis_that_goes_on({"x": np.array([0.5, 1.5])}, {"x": np.array([5.0, 6.0])})
    ''
    """
    for path, low in one.items():
        high = other.get(path, low)
        if low[0] > high[0]:
            low, high = high, low
        step = np.diff(low).mean()
        if step > 0 and high[-1] > high[0] and abs(high[0] - low[-1] - step) < 0.25 * step:
            return path
    return ""


def _parts(numbers: Mapping[str, float], program: ParallelProgram) -> float:
    # The number of a tile says that the file is one, not how many there are.
    return math.prod(numbers[name] for name in program.numbers if name != "tile_number")


def _single_numbers(arrays: ArrayFile, listed: tuple[ArrayInfo, ...]) -> dict[str, float]:
    """Arrays of one number that a program counts its parts with."""
    known = set().union(*(program.numbers for program in PROGRAMS))
    single = (each for each in listed if each.path in known and each.size == 1 and each.fault is None)
    return {each.path: only_number(arrays.array(each.path)) for each in single}
