"""Finds arrays of particles, which may lie next to fields on a grid and are not read."""

from __future__ import annotations

import re

from ingest.contents.listing import ArrayInfo

_GROUP = re.compile(r"(?:^|/)particles?/", re.IGNORECASE)
# A shorter axis may be that of the components of a position.
MOST_COMPONENTS = 3


def is_of_particles(path: str) -> bool:
    """Whether an array lies in a group of particles, as in openPMD and pyro.

    >>> is_of_particles("data/0/particles/ions/position/x"), is_of_particles("data/0/fields/rho")
    (True, False)
    """
    return _GROUP.search(path) is not None


def lists_particles(each: ArrayInfo) -> bool:
    """Whether an array in a group of particles is a list of them, and no field on a grid.

    >>> from ingest.contents.listing import ArrayStorage
    >>> lists_particles(ArrayInfo("particles/position", (50, 2), "float64", ArrayStorage()))
    True
    >>> lists_particles(ArrayInfo("particles/density", (6, 9, 7), "float64", ArrayStorage()))
    False
    """
    long = sum(length > MOST_COMPONENTS for length in each.shape or ())
    return is_of_particles(each.path) and long <= (1 if each.pattern else 2)


def particles(listed: tuple[ArrayInfo, ...]) -> str:
    """A clause about the particles in a file, with their species; empty if there are none."""
    inside = [each.path[found.end() :] for each in listed if (found := _GROUP.search(each.path))]
    species = sorted({path.partition("/")[0] for path in inside if "/" in path})
    if not inside:
        return ""
    named = f"particles of {', '.join(species)}" if species else "particles"
    return f"{named}: bin them onto the grid to have them as fields"
