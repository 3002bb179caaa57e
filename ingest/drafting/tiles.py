"""Drafts a recipe for states with the grid in one file per process: Cholla."""

from __future__ import annotations

import numpy as np

from ingest.contents.listing import ArrayInfo
from ingest.contents.numbered_arrays import HOLE, time_attribute
from ingest.contents.solvers import Solver
from ingest.drafting.blocks import boundary_lines, head_lines, open_coordinate
from ingest.drafting.table import inline_table, line
from ingest.formats.arrays import ArrayFile
from ingest.inferring.fields import draft_fields
from ingest.inferring.inferred_layout import CoordinateLists, InferredLayout, PlacedArray
from ingest.inspecting.folder_contents import FolderContents
from ingest.layout import SINGLE_CELL, TIME
from shards.errors import SourceError


def draft_tiles(
    name: str, arrays: ArrayFile, listed: tuple[ArrayInfo, ...], solver: Solver, folder: FolderContents
) -> str:
    """Drafts the recipe: arrays [x, y, z] of tiles with their positions in attributes."""
    held = arrays.attributes("")
    stated = np.asarray(held["dims"]).reshape(-1)
    if stated.dtype.kind not in "iu":
        raise SourceError(f"{arrays.where}: dims is {held['dims']!r}; expected whole numbers of cells")
    cells = stated.astype(int).tolist()
    axes = [axis for axis, length in zip("xyz", cells, strict=False) if length > 1]
    fields = [each for each in listed if each.fault is None and len(each.lengths) in (len(axes), len(cells))]
    words = tuple(axes)
    if fields and len(fields[0].lengths) == len(cells):
        pairs = zip("xyz", cells, strict=False)
        words = tuple(axis if length > 1 else SINGLE_CELL for axis, length in pairs)
    time = time_attribute(arrays, "")
    lines = [
        *head_lines(name, f"states of {solver.name}: files of {folder.tiles} processes are joined."),
        line("files", folder.pattern),
        inline_table("tiles", {"offsets": "@offset", "cells": "@dims"}),
        line("axes", axes),
        line("layout", " ".join((TIME, *words))),
        "",
        "[time]",
        line("stored", f"@{time}") if time else f"{line('stored', HOLE)}  # CHECK: the number in the names",
        "",
        "[coordinates]",
        *(_coordinate(arrays, axis) for axis in axes),
        *boundary_lines(axes),
    ]
    lengths = {TIME: folder.states}
    lengths |= {axis: cells["xyz".index(axis)] for axis in axes}
    for field in draft_fields(_layout(fields, lengths, words)):
        lines += ["", "[[fields]]", line("name", field.name)]
        lines += [line("rank", field.rank)] if field.rank else []
        lines += [line("stored", list(field.stored))]
    return "\n".join(lines) + "\n"


def _layout(fields: list[ArrayInfo], lengths: dict[str, int], words: tuple[str, ...]) -> InferredLayout:
    axes = tuple(word for word in lengths if word != TIME)
    placed = tuple(PlacedArray(each, words) for each in fields if len(each.lengths) == len(words))
    return InferredLayout(axes, words, lengths, CoordinateLists({}, None), placed, (), ())


def _coordinate(arrays: ArrayFile, axis: str) -> str:
    """The lower and upper end of an axis, if `bounds` and `domain` state them."""
    number = "xyz".index(axis)
    held = arrays.attributes("")
    lower, width = (np.asarray(held.get(name, ())).reshape(-1) for name in ("bounds", "domain"))
    stated = lower.dtype.kind == width.dtype.kind == "f" and min(len(lower), len(width)) > number
    if stated and width[number] > 0:
        upper = float(lower[number] + width[number])
        return inline_table(axis, {"lower": float(lower[number]), "upper": upper})
    return open_coordinate(axis)
