"""Drafts the table [mask] as a comment: a person must decide which cells are solid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ingest.drafting.table import line
from ingest.inferring.frames import FrameReader, MissingCells
from ingest.inferring.inferred_layout import PlacedArray
from ingest.inferring.masks import is_mask
from shards.program.console import printable


def mask_lines(
    reader: FrameReader,
    fields: Sequence[PlacedArray],
    variable: Sequence[PlacedArray],
    holes: Mapping[str, MissingCells],
) -> list[str]:
    """The lines of a mask: from an array among the fields that looks like one, or from cells with NaN.

    `variable` are the fields that change in time, `holes` their cells without a value.
    """
    found = [each for each in fields if is_mask(each)]
    masks = [each for each in found if not reader.is_uniform(each)]
    if masks:
        return _of_arrays(reader, masks, variable)
    if holes:
        stored, hole = next(iter(holes.items()))
        place = next(each for each in variable if each.array.stored == stored)
        return _of_holes(place, hole)
    if found:
        return ["", f"# {printable(found[0].array.name)} has one value everywhere: no [mask] is needed."]
    return []


def _of_arrays(
    reader: FrameReader, masks: Sequence[PlacedArray], variable: Sequence[PlacedArray]
) -> list[str]:
    """The mask that has the fewest axes, with the names of the others."""
    first = min(masks, key=lambda each: len(each.words))
    others = [each.array.stored for each in masks if each is not first]
    said = [
        f"# DECIDE: if {printable(first.array.name)} marks solid cells, uncomment; which values are solid: "
        "nonzero, zero, negative or positive?"
    ]
    if others:
        said.append(f"# (or one of {printable(', '.join(others))})")
    return _table(said, first, reader.solid_where(first, variable))


def _of_holes(place: PlacedArray, hole: MissingCells) -> list[str]:
    """The cells of a field without a value: land, a body, or frames that a run does not have."""
    name = printable(place.array.stored)
    if hole.is_padded:
        return [
            "",
            f"# FIX: {name} has no values in its last frames: runs padded to one length, or a failed",
            "# run. Save each run, without these frames, to a file of its own.",
        ]
    said = [f"# DECIDE: {name} has no value in {hole.cells} cells: uncomment if they are land or a body."]
    if not hole.moves:
        return _table(said, place, "nan")
    said += [
        "# These cells change from frame to frame. With moves = true, a cell that a moving",
        "# body covers once is solid in all frames. A failed run looks the same: check its",
        "# last frames.",
    ]
    return [*_table(said, place, "nan"), f"# {line('moves', True)}"]


def _table(said: Sequence[str], mask: PlacedArray, solid: str) -> list[str]:
    keys = {"stored": mask.array.stored, "solid": solid, "layout": " ".join(mask.words)}
    return ["", *said, "# [mask]", *(f"# {line(key, value)}" for key, value in keys.items())]
