"""Drafts a recipe for states in blocks of one level: Athena++, FLASH and GAMER."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import numpy as np

from ingest.contents.listing import ArrayInfo
from ingest.contents.numbered_arrays import HOLE, time_attribute
from ingest.contents.solvers import Solver
from ingest.drafting.table import DECIDE_SIDES, inline_table, line
from ingest.fields.blocks import described_blocks
from ingest.formats.arrays import ArrayFile
from ingest.inspecting.folder_contents import FolderContents
from ingest.recipe import Recipe
from shards.program.settings import make

# The arrays with the positions of blocks, by the template of the program.
PLACES = {
    "athena": {"places": "LogicalLocations", "levels": "Levels"},
    "flash": {
        "centres": "coordinates",
        "sizes": "block size",
        "levels": "refine level",
        "kinds": "node type",
    },
    "gamer": {"corners": "Tree/Corner", "children": "Tree/Son"},
}
# The tables of numbers in FLASH files; an attribute of a table is its row with that name.
FLASH_TIME, FLASH_SETTINGS = "real scalars", "real runtime parameters"
# The table of GAMER with the time of each level; the first is the time of the whole grid.
GAMER_INFO = "Info/KeyInfo"


def draft_blocks(
    name: str, arrays: ArrayFile, listed: tuple[ArrayInfo, ...], solver: Solver, folder: FolderContents
) -> str:
    """Drafts the recipe; raises SourceError if the grid is refined.

    Without fields in blocks the draft has no fields, and the reader of recipes refuses it.
    """
    rank = 5 if solver.template == "athena" else 4
    fields = [each for each in listed if len(each.lengths) == rank and each.fault is None]
    places = {key: path for key, path in PLACES[solver.template].items() if path in arrays.names()}
    cells = fields[0].lengths[-3:] if fields else (1, 1, 1)
    axes = [axis for axis, length in zip("zyx", cells, strict=True) if length > 1]
    space = " ".join(axis if length > 1 else "1" for axis, length in zip("zyx", cells, strict=True))
    lines = [
        *head_lines(name, f"states of {solver.name}: blocks of one level are joined to one grid."),
        line("files", folder.pattern),
        line("axes", axes),
        line("layout", f"t c b {space}" if rank == 5 else f"t b {space}"),
        "",
        "[blocks]",
        *(line(key, path) for key, path in places.items()),
        "",
        "[time]",
        _time(arrays),
        "",
        "[coordinates]",
        *_coordinates(arrays, axes),
        *boundary_lines(axes),
    ]
    for field, stored in _fields(arrays, fields, rank):
        lines += ["", "[[fields]]", line("name", field), line("stored", [stored])]
    text = "\n".join(lines) + "\n"
    if fields:
        # Refuses a refined grid now, and not in the first build.
        described_blocks(arrays, make(Recipe, tomllib.loads(text), name))
    return text


def head_lines(name: str, drafted_from: str) -> list[str]:
    """The first lines of a draft for states whose pieces are joined."""
    return [
        "#:schema ./recipe.schema.json",
        f"# Drafted from {drafted_from}",
        line("name", name),
        line("source", "arrays"),
        f"{line('title', f'{name}: say what system this is')}  # DECIDE",
        f"{line('licence', 'unknown')}  # DECIDE: may others use the data?",
    ]


def boundary_lines(axes: list[str]) -> list[str]:
    return ["", "[boundaries]", DECIDE_SIDES, *(f"# {line(axis, ['periodic', 'periodic'])}" for axis in axes)]


def open_coordinate(axis: str) -> str:
    rule = inline_table(axis, {"lower": 0.0, "upper": 1.0})
    return f"# {rule}  # DECIDE: the ends of the grid (cell edges); uncomment and correct"


def _time(arrays: ArrayFile) -> str:
    """The line for the time of a state: an attribute, or a row in a table of FLASH."""
    time = time_attribute(arrays, "")
    if time:
        return line("stored", f"@{time}")
    if FLASH_TIME in arrays.names() and arrays.attribute(FLASH_TIME, "time") is not None:
        return line("stored", f"{FLASH_TIME}@time")
    if GAMER_INFO in arrays.names() and arrays.attribute(GAMER_INFO, "Time") is not None:
        return line("stored", f"{GAMER_INFO}@Time")
    return f"{line('stored', HOLE)}  # CHECK: the number in the names"


def _coordinates(arrays: ArrayFile, axes: list[str]) -> Iterator[str]:
    """The lower and upper end of each axis, if Athena++ or FLASH state them."""
    held = arrays.attributes("")
    for axis in axes:
        ends = np.asarray(held.get(f"RootGridX{'xyz'.index(axis) + 1}", ())).reshape(-1)
        if not ends.size and FLASH_SETTINGS in arrays.names():
            given = [arrays.attribute(FLASH_SETTINGS, f"{axis}{side}") for side in ("min", "max")]
            ends = np.array([end for end in given if end is not None])
        if ends.dtype.kind == "f" and len(ends) >= 2 and ends[0] < ends[1]:
            yield inline_table(axis, {"lower": float(ends[0]), "upper": float(ends[1])})
        else:
            yield open_coordinate(axis)


def _fields(arrays: ArrayFile, fields: list[ArrayInfo], rank: int) -> Iterator[tuple[str, str]]:
    """The name and path of each field; Athena++ names the channels of its arrays in one list."""
    if rank == 4:
        for each in fields:
            yield each.name.strip(), each.path
        return
    given = arrays.attributes("").get("VariableNames", ())
    names = [given] if isinstance(given, str) else [str(name) for name in np.asarray(given).reshape(-1)]
    first = 0
    for each in fields:
        for channel in range(each.lengths[0]):
            number = first + channel
            named = names[number] if number < len(names) else f"{each.name}_{channel}"
            yield named, f"{each.path}[{channel}]"
        first += each.lengths[0]
