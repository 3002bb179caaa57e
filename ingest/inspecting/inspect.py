"""Summarises an unknown file, its arrays and their statistics, for a person who builds a dataset from it.

Reads the headers, and a few blocks of the numbers. Nothing outside the file is opened.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from ingest.contents.listing import ArrayInfo, list_arrays, root_numbers, without_place
from ingest.contents.solvers import Solver, refusal, solver_of
from ingest.contents.statistics import DECODED_BYTES, statistics
from ingest.formats.arrays import ArrayFile, Arrays, Hdf5Arrays
from ingest.formats.open_any import located, open_arrays
from ingest.formats.walk import walk
from ingest.formats.zarr_marker import MARKERS, marker
from ingest.inferring.no_grid import mesh
from ingest.inferring.particles import particles
from ingest.inspecting.folder import look_through
from ingest.inspecting.identify import SourceMatch, match_sources
from shards.errors import SourceError

# The number of arrays that are shown, and of which numbers are read.
SHOWN = 100
# The name of a format by the class that reads it.
KINDS = {"Hdf5Arrays": "HDF5", "Npz": "npz", "Zarr": "zarr", "Npy": "npy", "ClassicFile": "NetCDF classic"}


@dataclass(frozen=True)
class Inspection:
    """The report on a file; `outside` lists the arrays outside the file, which are never opened."""

    file: str
    kind: str
    bytes: int
    arrays: tuple[ArrayInfo, ...]
    attributes: dict[str, float]
    looks_like: tuple[SourceMatch, ...]
    outside: tuple[str, ...] = ()
    # For a folder: how its files belong together. `file` is then the folder, the arrays are those of one
    # file.
    belong: str = ""
    # The program that writes such files, and the template of its recipe.
    written_by: str = ""
    template: str = ""
    # Notes of the file on its arrays: rounded values, absent chunks.
    notes: tuple[str, ...] = ()


def inspect(path: Path) -> Inspection:
    """Inspects a file or folder; raises SourceError if it cannot be opened."""
    folder = look_through(path) if path.is_dir() and marker(path) is None else None
    place = located(folder.first if folder else path)
    with open_arrays(place) as arrays:
        listed = list_arrays(arrays, place)
        listed = (*(_with_statistics(arrays, each) for each in listed[:SHOWN]), *listed[SHOWN:])
        attributes = root_numbers(arrays)
        outside = tuple(arrays.refused) if isinstance(arrays, Hdf5Arrays) else ()
        solver = solver_of([each.path for each in listed], set(arrays.attributes("")))
        notes: list[str] = []
        for name, caveats in arrays.caveats().items():
            notes += [f"{name}: {words}" for words in caveats]
        notes += _what_is_no_field(arrays, listed, solver)
        notes += [f"not read: {each}" for each in folder.unread] if folder else []
        kind = KINDS.get(type(arrays).__name__, type(arrays).__name__)

    return Inspection(
        file=str(path),
        kind=kind,
        bytes=_size(place),
        arrays=listed,
        attributes=attributes,
        looks_like=match_sources(place, listed),
        outside=outside,
        belong=folder.words if folder else "",
        written_by=solver.name if solver else "",
        template=solver.template if solver else "",
        notes=tuple(notes),
    )


def _what_is_no_field(arrays: ArrayFile, listed: tuple[ArrayInfo, ...], solver: Solver | None) -> list[str]:
    """What no recipe takes from the file, in sentences: all of it, or the particles."""
    reason = refusal(solver) if solver else mesh(arrays, listed)
    also = particles(listed)
    return [*([f"no recipe: {reason}"] if reason else []), *([f"not taken: {also}"] if also else [])]


def _with_statistics(arrays: Arrays, listed: ArrayInfo) -> ArrayInfo:
    """The array with the statistics of its values, or with the fault that prevents reading them."""
    if listed.fault is not None or not listed.size:
        return listed
    try:
        array = arrays.array(listed.path)
        decoded = math.prod(listed.storage.chunks or (0,)) * array.dtype.itemsize
        if decoded > DECODED_BYTES:
            return replace(listed, fault=f"chunks of {decoded} bytes are too large to read its numbers here")
        return replace(listed, statistics=statistics(array, listed.storage.chunks))
    except SourceError as error:
        return replace(listed, fault=without_place(error, arrays.where, listed.path))


def _size(path: Path) -> int:
    files = walk(path.parent, follow_every_link=True).files if path.name in MARKERS else (path,)
    return sum(each.stat().st_size for each in files if each.is_file())
