"""Drafts a recipe for a file in The Well's layout whose system is not in the catalogue."""

from __future__ import annotations

import re
from pathlib import Path

from ingest.drafting.dataset_name import dataset_name
from ingest.drafting.table import line
from ingest.formats import hdf5_tree as tree
from ingest.formats.arrays import ArrayFile, Hdf5Arrays
from ingest.formats.hdf5_attributes import texts
from shards.program.console import printable

_GROUP = re.compile(r"t([012])_fields/([^/]+)")


def draft_well(path: Path, arrays: ArrayFile, names: list[str]) -> str:
    """Drafts the recipe; empty if the file has another layout.

    The source reads ranks, constant fields and boundaries from the file, so the draft need not state them.
    """
    fields = [found for name in names if (found := _GROUP.fullmatch(name))]
    if not fields or not any(name.startswith("dimensions/") for name in names):
        return ""
    if not isinstance(arrays, Hdf5Arrays):
        return ""
    axes = texts(tree.item(arrays.file, "dimensions"), "spatial_dims") or ()
    if not axes:
        return ""
    name = dataset_name(path)
    lines = [
        "#:schema ./recipe.schema.json",
        f"# Drafted from {printable(path.name)}, a file in the layout of The Well.",
        line("name", name),
        line("source", "well"),
        f"{line('title', f'{name}: say what system this is')}  # DECIDE",
        f"{line('licence', 'unknown')}  # DECIDE: may others use the data?",
        line("axes", list(axes)),
        "# Times, coordinates, parameters and boundaries are read from the files.",
    ]
    for found in fields:
        varying = arrays.attributes(found[0]).get("time_varying", True)
        lines += ["", "[[fields]]", line("name", found[2])]
        if found[1] != "0":
            lines.append(line("rank", int(found[1])))
        if not bool(varying):
            lines.append(line("constant", True))
    return "\n".join(lines) + "\n"
