"""Drafts the layout of a recipe: the order of the axes, or what a person must decide about it."""

from __future__ import annotations

from collections.abc import Iterator

from ingest.drafting.table import line
from ingest.inferring.inferred_layout import InferredLayout
from ingest.inferring.rival_orders import meaning
from ingest.layout import CHANNEL
from shards.program.console import printable


def layout_lines(layout: InferredLayout) -> Iterator[str]:
    """The line of the layout, with comments on guesses and on fields of other grids."""
    for axes, paths in layout.other_grids.items():
        yield f"# CHECK: fields on another grid, [{printable(axes)}], are not taken:"
        yield f"# {printable(', '.join(paths[:9]))};"
        yield "# write another recipe for them, or interpolate them to the cells of this grid."
    yield from _groups_of_words(layout)
    if layout.rivals:
        yield from _open_layouts(layout)
    elif layout.time_from:
        yield from _known_layout(layout)
    else:
        yield (
            "# DECIDE: no list of times, no name and no attribute says which axis is time. "
            f"If it is that of {layout.lengths['t']},"
        )
        yield "# uncomment; otherwise write the axes in the order in which they are stored."
        yield from _other_orders(layout)
        yield f"# {_line(layout.words)}"


def _groups_of_words(layout: InferredLayout) -> Iterator[str]:
    """A comment where groups are taken for runs, although no number counts them: electrons, ions."""
    arrays = [each.array for each in layout.fields if each.array.groups > 1 and not each.array.pattern]
    named = next((each for each in arrays if not any(map(str.isdigit, each.run_group))), None)
    if named is not None:
        group = printable(named.run_group.rpartition("/")[2])
        yield f"# CHECK: {named.groups} groups, such as {group}, are taken for runs. If they are species"
        yield f"# or parts of one run, write a field for each array: {line('stored', [named.path])}."


def _known_layout(layout: InferredLayout) -> Iterator[str]:
    """The layout with the reason for its time; a comment if a volume may be a plane."""
    grid = ", ".join(f"{axis} {layout.lengths[axis]}" for axis in layout.axes)
    yield f"# {layout.axes_from or _doubt_of_axes(layout)}"
    yield f"# The time comes from {printable(layout.time_from)}."
    if layout.may_be_plane:
        yield f"# DECIDE: if {grid} are the cells of a volume, uncomment. If one of these"
        yield '# numbers counts trajectories (n) or channels (c), write axes = ["x", "y"], and'
        yield "# that letter in its place."
    yield from _other_orders(layout)
    comment = "# " if layout.may_be_plane else ""
    yield f"{comment}{_line(layout.words)}  # n trajectory, t time, c component or channel; {grid}"


def _open_layouts(layout: InferredLayout) -> Iterator[str]:
    """The layouts between which nothing decides, as comments: the fields are those of the first."""
    model = next(each.array for each in layout.fields if each.words == layout.words)
    yield "# DECIDE: the file allows each of these layouts alike; uncomment the right one."
    for words in (layout.words, *layout.rivals):
        yield f"# {_line(words)}  # {meaning(words, model.lengths)}"
    if not all({*layout.axes} <= {*words} for words in layout.rivals):
        yield "# With fewer axes of space, remove the others from axes, [coordinates] and [boundaries]."
    if any(CHANNEL in words for words in layout.rivals) and CHANNEL not in layout.words:
        name = printable(model.stored)
        yield f'# With c, write a field for each channel: stored = ["{name}[0]"], stored = ["{name}[1]"] ...'


def _other_orders(layout: InferredLayout) -> Iterator[str]:
    """Comments with other layouts that the lengths allow, and how to write a file with only one."""
    if layout.other_orders:
        yield "# CHECK: the lengths allow other layouts too; the fields below change with them:"
        yield from (f"#   {each}" for each in layout.other_orders)
        yield "# To leave no choice, save a list of times t and of positions x, y next to the array"
        yield "# (numpy.savez), or name the dimensions (xarray)."


def _doubt_of_axes(layout: InferredLayout) -> str:
    cells = [layout.lengths[axis] for axis in layout.axes]
    if len(cells) > 1 and len(set(cells)) < len(cells):
        return "CHECK: axes of equal length; the file does not say which is which."
    return "CHECK: guessed from lengths alone; the axes may be in another order."


def _line(words: tuple[str, ...]) -> str:
    return line("layout", " ".join(words))
