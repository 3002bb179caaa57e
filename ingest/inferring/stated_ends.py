"""Finds the ends of an axis in attributes, as programs state them: xmin and xmax, x.lower and x.upper."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ingest.contents.listing import ArrayInfo, root_numbers
from ingest.formats.arrays import ArrayFile
from shards.errors import SourceError

# Names of the lower and the upper end of an axis, in lower case.
ENDS = (
    *(("{}min", "{}max"), ("{}_min", "{}_max"), ("{}lo", "{}hi")),
    *(("{}_lower", "{}_upper"), ("{}.lower", "{}.upper")),
)
# Groups in which programs describe their grid.
GROUPS = ("grid", "mesh", "domain", "geometry")


@dataclass(frozen=True)
class StatedEnds:
    """The lower and upper end of an axis, and the attributes that state them, in words."""

    lower: float
    upper: float
    words: str


def stated_ends(arrays: ArrayFile, array: ArrayInfo, axis: str) -> StatedEnds | None:
    """The ends of an axis in attributes of the file, of an array and the groups above it, or of a group that
    is called grid; None if there are none.
    """
    parts = array.path.split("/")
    above = ["/".join(parts[:count]) for count in range(len(parts) + 1)]
    for place in dict.fromkeys((*above, *GROUPS)):
        try:
            held = {name.lower(): (name, number) for name, number in root_numbers(arrays, place).items()}
        except SourceError:
            continue
        for names in ENDS:
            found = [held[name.format(axis.lower())] for name in names if name.format(axis.lower()) in held]
            if len(found) == 2 and -math.inf < found[0][1] < found[1][1] < math.inf:
                words = " and ".join(f"{place}@{name}" for name, _ in found)
                return StatedEnds(found[0][1], found[1][1], words)
    return None
