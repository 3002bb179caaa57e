"""Recognises a file that holds a part of a grid, by the number of parts that its program states."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ingest.formats.arrays import ArrayFile, whole
from ingest.inspecting.contents import ArrayInfo, root_numbers
from shards.errors import SourceError


@dataclass(frozen=True)
class PartsStated:
    """A program that writes one file per process, the numbers whose product counts the parts, and a tool that
    joins them.
    """

    program: str
    numbers: tuple[str, ...]
    tool: str


PROGRAMS = (
    PartsStated("BOUT++", ("NXPE", "NYPE"), "boutdata.squashoutput, or xbout"),
    PartsStated("NEMO", ("DOMAIN_number_total",), "rebuild_nemo"),
    PartsStated("a model that uses FMS, such as MOM6 and FV3", ("NumFilesInSet",), "mppnccombine"),
    PartsStated("MITgcm", ("tile_number", "nPx", "nPy", "nSx", "nSy"), "gluemncbig, or xmitgcm"),
)


def require_whole_grid(arrays: ArrayFile, listed: tuple[ArrayInfo, ...], where: str) -> None:
    """Raises SourceError for a file that is one of several parts of a grid, with the tool that joins them.

    The numbers are attributes of the file or arrays of one number. A file that was joined states 1.
    """
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


def _parts(numbers: Mapping[str, float], program: PartsStated) -> float:
    # The number of a tile says that the file is one, not how many there are.
    return math.prod(numbers[name] for name in program.numbers if name != "tile_number")


def _single_numbers(arrays: ArrayFile, listed: tuple[ArrayInfo, ...]) -> dict[str, float]:
    """Arrays of one number that a program counts its parts with."""
    known = set().union(*(program.numbers for program in PROGRAMS))
    single = (each for each in listed if each.path in known and each.size == 1 and each.fault is None)
    return {each.path: float(whole(arrays.array(each.path)).reshape(-1)[0]) for each in single}
