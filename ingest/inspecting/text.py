"""Prints the result of an inspection as text, for a terminal with 100 columns."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np

from ingest.contents.listing import UNREAD, ArrayInfo
from ingest.contents.solvers import templates
from ingest.contents.statistics import ArrayStatistics
from ingest.inspecting.identify import SourceMatch
from ingest.inspecting.inspect import SHOWN, Inspection
from ingest.inspecting.text_table import build_command, command_line, explained, table
from shards.counted import counted
from shards.program.byte_size import size_in_words
from shards.program.console import printable


def inspection_lines(found: Inspection, draft: Path | None = None) -> list[str]:
    """The whole report as lines; `draft` is the recipe that was drafted for the file."""
    shown = found.arrays[:SHOWN]
    return [
        *_head_lines(found),
        *_tree_lines(shown, len(found.arrays) - len(shown)),
        *_number_lines(shown),
        *_fault_lines(shown),
        *_note_lines(found),
        "",
        *_likeness_lines(found),
        *(_next(found) if draft is None else _after_draft(found, draft)),
    ]


def _head_lines(found: Inspection) -> list[str]:
    """What the file is, and of a folder, how its files belong together."""
    count = counted(len(found.arrays), "array")
    head = printable(f"{found.file}: {found.kind}, {size_in_words(found.bytes)}, {count}")
    return [head, *(explained("belong", f"{found.belong}; the first of them:") if found.belong else [])]


def _tree_lines(shown: tuple[ArrayInfo, ...], more: int) -> list[str]:
    """A row per array below the name of its group, and how many more arrays there are."""
    rows, before = [], ""
    for each in shown:
        group = each.path.rpartition("/")[0]
        if group and group != before:
            rows.append([_group_cell(group, each)])
        rows.append(_array_row(each))
        before = group
    if not rows:
        return []
    head = ["array", "shape", "type", "chunks", "filters", "in file", "in memory"]
    return ["", *table(head, rows), *([f"... and {more} more; --json names all"] if more else [])]


def _group_cell(group: str, first: ArrayInfo) -> str:
    """The name of the group of an array, and how many groups are like it."""
    if first.groups < 2:
        return f"{group}/"
    return f"{group}/  and {counted(first.groups - 1, 'more group')} like {first.run_group}"


def _array_row(each: ArrayInfo) -> list[str]:
    """Name, shape, type, chunks, filters, size in the file and in memory of an array."""
    group, _, name = each.path.rpartition("/")
    in_file = "" if each.storage.bytes is None else size_in_words(each.storage.bytes)
    in_memory = ""
    if each.shape and each.dtype not in UNREAD:
        in_memory = size_in_words(each.size * np.dtype(each.dtype).itemsize)
    return [
        f"  {name}" if group else name,
        _shape(each.shape),
        each.dtype,
        _shape(each.storage.chunks),
        " ".join(each.storage.filters),
        in_file,
        in_memory,
    ]


def _number_lines(shown: tuple[ArrayInfo, ...]) -> list[str]:
    """A row per array whose values were read: minimum, maximum, mean, RMS."""
    rows = [[each.path, *_measures(each.statistics, each.size)] for each in shown if each.statistics]
    head = ["numbers", "minimum", "maximum", "mean", "RMS", "read", "beware"]
    return ["", *table(head, rows)] if rows else []


def _note_lines(found: Inspection) -> list[str]:
    """The notes, each after an empty line, and the numbers in attributes of the file."""
    lines = []
    for note in found.notes[:SHOWN]:
        lines += ["", *explained("note", note)]
    if found.attributes:
        numbers = ", ".join(f"{name} {value:g}" for name, value in found.attributes.items())
        lines += ["", *explained("attributes", numbers)]
    return lines


def _shape(shape: tuple[int, ...] | None) -> str:
    return "" if shape is None else "×".join(map(str, shape)) or "one number"


def _measures(found: ArrayStatistics, size: int) -> list[str]:
    numbers = (found.minimum, found.maximum, found.mean, found.rms)
    beware = f"{found.not_finite} not finite" if found.not_finite else ""
    if found.read > 1 and found.minimum is not None and found.minimum == found.maximum:
        beware = "the same everywhere"
    read = "all" if found.read == size else f"{found.read / size:.2g}"
    return [*("" if each is None else f"{each:.4g}" for each in numbers), read, beware]


def _fault_lines(listed: tuple[ArrayInfo, ...]) -> list[str]:
    """Each fault once, with all arrays that have it."""
    having: dict[str, list[str]] = {}
    for each in listed:
        if each.fault:
            having.setdefault(each.fault, []).append(each.path)
    warnings = (explained("beware", f"{', '.join(paths)}: {fault}") for fault, paths in having.items())
    return [line for lines in warnings for line in ("", *lines)]


def _likeness_lines(found: Inspection) -> list[str]:
    """Which source, program or template the file resembles."""
    fitting = [each for each in found.looks_like if each.fits]
    if fitting:
        lines = []
        for each in fitting:
            lines += _fitting_lines(each)
        return lines
    lines = explained("looks like", "none of the benchmarks: no source has this layout")
    if found.written_by:
        also = (
            f"; template {found.template}: walrus-ingest ls {found.template}"
            if found.template in templates()
            else ""
        )
        lines = explained("looks like", f"output of {found.written_by}, see docs/solvers.md{also}")
    lines += [line for each in found.looks_like for line in explained(f"  {each.source}", _against(each))]
    return lines


def _against(likeness: SourceMatch) -> str:
    """The first mark that the file has of a source, and the first that it lacks."""
    return ", but ".join((*likeness.reasons_for[:1], likeness.reasons_against[0]))


def _fitting_lines(likeness: SourceMatch) -> list[str]:
    """The source and the recipe that fit the file, with reasons."""
    lines = explained("looks like", f"source {likeness.source}: it " + ", ".join(likeness.reasons_for))
    if likeness.recipes:
        first, *others = likeness.recipes
        also = f"; {', '.join(others)} as well: name and place of the file decide" if others else ""
        lines += explained("recipe", f"{first} opens it without a fault{also}")
    if likeness.nearest:
        lines += explained(
            "recipe", f"none of the catalogue; the nearest is {likeness.nearest.recipe}, which says:"
        )
        lines += explained("", likeness.nearest.reason)
    return lines


def _next(found: Inspection) -> list[str]:
    """What to do next; commands are on their own lines, so that they can be copied."""
    if found.outside:
        return explained(
            "next", f"copy {', '.join(found.outside)} into the file (h5copy, h5repack), then inspect it again"
        )
    fitting = next((each for each in found.looks_like if each.fits), None)
    if fitting and fitting.recipes:
        return [command_line("next", build_command(fitting.recipes[0], found.file))]
    if not found.belong and max((len(each.lengths) for each in found.arrays), default=0) < 3:
        advice = "no array has three axes: if the file is one state of a run, name the folder of its states"
        return explained("next", advice)
    advice = "draft a recipe that describes its arrays, decide what it leaves open, and build:"
    if fitting:
        advice = (
            f'for another system of that kind the draft says source = "{fitting.source}"; otherwise {advice}'
        )
    return [
        *explained("next", advice),
        command_line("", shlex.join(["walrus-ingest", "inspect", found.file, "--recipe", "own.toml"])),
        *_edit_and_build(Path("own.toml"), found.file),
    ]


def _after_draft(found: Inspection, draft: Path) -> list[str]:
    """What to do with the draft of a recipe."""
    return [
        *explained("next", "decide what the draft marks, and build:"),
        *_edit_and_build(draft, found.file),
    ]


def _edit_and_build(draft: Path, file: str) -> list[str]:
    edit = f"$EDITOR {shlex.quote(str(draft))}"
    return [command_line("", edit), command_line("", build_command(str(draft), file))]
