"""Drafts the ghost cells, coordinates and boundaries of a recipe."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ingest.contents.listing import ArrayInfo
from ingest.contents.number_lists import NEXT_TO_IT, Values, even, one_way, span, values_of
from ingest.drafting.other_files import differing_numbers
from ingest.drafting.side_numbers import SideNumber
from ingest.drafting.stated_values import most_central, position_in_cell
from ingest.drafting.table import DECIDE_SIDES, FileLines, inline_table, line
from ingest.fields.numbers_at import find_arrays
from ingest.formats.arrays import readable_attributes, whole
from ingest.formats.run_files import RunFiles
from ingest.inferring.ghost_cells import GhostCells
from ingest.inferring.inferred_layout import PlacedArray
from ingest.inferring.mesh_order import meshgrid
from ingest.inferring.periodicity import EndComparison, axis_ends
from ingest.inferring.stated_ends import Held, numbers_of_grid, stated_ends
from shards.errors import SourceError
from shards.program.console import printable


@dataclass(frozen=True)
class AxisLines(FileLines):
    """The lines of the tables [coordinates] and [boundaries], and of the cells to cut."""

    ghosts: GhostCells
    side_numbers: tuple[SideNumber, ...] = ()
    runs: Sequence[RunFiles] = ()

    def coordinates(self) -> list[str]:
        """A rule per axis; a comment if the file does not state the cells."""
        rules = [self._coordinate(axis) for axis in self.layout.axes]
        said = "# DECIDE: the lower and upper end of the grid (cell edges); uncomment and correct."
        open_rules = any(rule.startswith("#") for rule in rules)
        return ["", "[coordinates]", *([said] if open_rules else []), *rules]

    def crop(self) -> Iterator[str]:
        """The ghost cells to cut off, or a periodic end that is stored twice."""
        axes = [axis for axis, ends in self._ends.items() if ends.repeated]
        if self.ghosts.cells:
            yield f"{_crop(self.ghosts.cells)}  # CHECK: ghost cells: {printable(self.ghosts.words)}"
        elif self.ghosts.offered:
            said = printable(self.ghosts.words)
            yield f"# DECIDE: the file says {said}: if ghost cells are stored, uncomment to cut them off."
            yield f"# {_crop(self.ghosts.offered)}"
        elif axes:
            repeated = ", ".join(axes)
            yield f"# DECIDE: the last cells of {repeated} repeat the first: uncomment to cut them off."
            yield f"# {_crop(dict.fromkeys(axes, (0, 1)))}"

    def _coordinate(self, axis: str) -> str:
        """The line for the cells of an axis; a comment if the file does not state them."""
        listed = self.layout.lists.space.get(axis)
        if listed is None:
            by_lists = self._by_faces(axis) or self._by_edges(axis)
            rule = self._by_spacing(axis) or by_lists or self._by_ends(axis)
        elif self._is_meshgrid(listed):
            rule = self._by_meshgrid(axis, listed)
        else:
            rule = self._by_list(axis, listed)
        unknown = f"# {inline_table(axis, {'lower': 0.0, 'upper': 1.0})}  # {self._cells(axis)} cells"
        return rule or unknown + self._why_no_centres(listed)

    def _why_no_centres(self, listed: ArrayInfo | None) -> str:
        """Why a list is not taken: longitudes that begin at 350 and go on at 0."""
        values = values_of(self.arrays, listed)
        if listed is None or values is None or len(values) < 2 or one_way(values):
            return ""
        return f"; {printable(listed.path)} neither increases nor decreases throughout"

    def _cells(self, axis: str) -> int:
        """How many cells of an axis are left without ghost cells."""
        return self.layout.lengths[axis] - sum(self.ghosts.cells.get(axis, (0, 0)))

    def _is_meshgrid(self, listed: ArrayInfo) -> bool:
        # MATLAB stores lists as one row.
        is_list = max(listed.lengths, default=1) == listed.size
        return not is_list and len(listed.values) > 1 and not self._is_of_trajectories(listed)

    def _by_list(self, axis: str, listed: ArrayInfo) -> str:
        """The rule for a list of cell centres, or for one list per trajectory; empty if it does not fit."""
        cells = self._cells(axis)
        centres = values_of(self.arrays, listed)
        if centres is not None and len(centres) == self.layout.lengths[axis]:
            # The recipe cuts a list that is as long as the stored axis.
            ghosts_below, _ = self.ghosts.cells.get(axis, (0, 0))
            centres = centres[ghosts_below : ghosts_below + cells]
        if centres is None or len(centres) != cells or not one_way(centres):
            return self._by_edges(axis)
        if not self._is_of_trajectories(listed):
            note = f"{NEXT_TO_IT if listed.place else ''}{span(centres, 'cell', listed.unit)}"
            others = self._other_lists(listed)
            note = f"CHECK: {note}; {others}" if others else note
            return f"{inline_table(axis, _with_unit({'stored': listed.stored}, listed))}  # {note}"
        if not even(centres) or centres[0] > centres[-1]:
            return ""
        half = float(centres[-1] - centres[0]) / (cells - 1) / 2
        ends: dict[str, object] = {"lower": float(centres[0]) - half, "upper": float(centres[-1]) + half}
        note = f"CHECK: the first list of {printable(listed.path)}, read as evenly spaced cell centres"
        note = "; ".join(filter(None, (note, self._other_lists(listed))))
        return f"{inline_table(axis, _with_unit(ends, listed))}  # {note}"

    def _other_lists(self, listed: ArrayInfo) -> str:
        """What a person must know if lists of other trajectories have other positions; empty if none has."""
        try:
            if self._is_of_trajectories(listed):
                first, *others = whole(self.arrays.array(listed.path))
            elif "*" in listed.stored and not listed.place:
                first, *others = map(whole, find_arrays(self.arrays, listed.stored))
            else:
                return ""
        except SourceError:
            # The list of arrays says what is wrong with it.
            return ""
        count = sum(not np.array_equal(first, each, equal_nan=True) for each in others)
        if not count:
            return ""
        said = f"{count} of the {len(others) + 1} lists differ from the first"
        return f"{said}, but a dataset has one grid: save the trajectories of each grid to files of their own"

    def _by_faces(self, axis: str) -> str:
        """The rule for cells of equal width between the faces that the file lists; empty if it lists none."""
        count = self.layout.lengths[axis] + 1
        for each in self.layout.on_faces:
            if each.faces != axis or each.lengths[axis] != count or each.array.pattern:
                continue
            dimension = each.array.dimensions[each.words.index(axis)] if any(each.array.dimensions) else ""
            listed = next((one for one in self.layout.rest if one.path == dimension), None)
            faces = values_of(self.arrays, listed)
            if faces is None or len(faces) != count or not one_way(faces) or not even(faces):
                continue
            if faces[0] < faces[-1]:
                ends: dict[str, object] = {"lower": float(faces[0]), "upper": float(faces[-1])}
                note = f"{count - 1} cells, between the faces {printable(dimension)}"
                return f"{inline_table(axis, ends)}  # {note}"
        return ""

    def _edges(self, axis: str) -> tuple[str, Values] | None:
        """The list of the edges of all cells of an axis, as numpy.histogram gives it, and its name."""
        word = "(?:edges?|bounds?|faces?|bins?|walls?)"
        name = re.compile(rf"{word}[-_]?{re.escape(axis)}|{re.escape(axis)}[-_]?{word}", re.IGNORECASE)
        listed = self.layout.lists.space.get(axis)
        called = [each for each in self.layout.rest if name.fullmatch(each.name)]
        for each in (*called, *([listed] if listed else [])):
            edges = values_of(self.arrays, each)
            if edges is not None and len(edges) == self.layout.lengths[axis] + 1 and one_way(edges):
                return printable(each.path), edges
        return None

    def _by_edges(self, axis: str) -> str:
        """The rule for cells of equal width between listed edges; a comment if the cells differ."""
        found = self._edges(axis)
        if found is None:
            return ""
        name, edges = found
        ends = inline_table(axis, {"lower": float(edges.min()), "upper": float(edges.max())})
        if even(edges) and edges[0] < edges[-1]:
            cells = len(edges) - 1
            if self.layout.lists.space.get(axis) is None:
                return f"{ends}  # {cells} cells, between the edges {name}"
            return f"{ends}  # CHECK: {name} has one value more than the {cells} cells: taken for their edges"
        return f"# {ends}  # {name} are edges of unequal cells: save a list of centres {axis} next to them"

    def domain(self) -> Iterator[str]:
        """The ends of axes with unequal cells, if the file lists the edges of all cells too."""
        ends = {}
        for axis, listed in self.layout.lists.space.items():
            centres, found = values_of(self.arrays, listed), self._edges(axis)
            if found is None or centres is None or len(centres) != self.layout.lengths[axis]:
                continue
            if one_way(centres) and not even(centres):
                ends[axis] = [float(found[1].min()), float(found[1].max())]
        if ends and not self.ghosts.cells:
            yield inline_table("domain", dict(ends)) + "  # the first and the last edge of the cells"

    def _by_ends(self, axis: str) -> str:
        """The rule for cells of equal width between ends that attributes state; empty if none do."""
        ends = stated_ends(self._numbers_of_grid, axis, self._cells(axis))
        if ends is None:
            return ""
        rule = inline_table(axis, {"lower": ends.lower, "upper": ends.upper})
        if differing_numbers(ends.places, self.runs, self.side_numbers):
            said = "runs differ in it, and a dataset has one grid: write a recipe for each"
            return f"# {rule}  # CHECK: from {printable(ends.words)}; {said}"
        axes = self.layout.axes
        others = [stated_ends(self._numbers_of_grid, each, self._cells(each)) for each in axes]
        alike = sum(other is not None and other.places == ends.places for other in others)
        order = "; a list counts x before y" if alike > 1 and axes != tuple(sorted(axes)) else ""
        return f"{rule}  # CHECK: the ends of the cells, from {printable(ends.words)}{order}"

    @cached_property
    def _numbers_of_grid(self) -> list[Held]:
        """The numbers that may describe the grid: in the file, then next to it."""
        beside = {each.name.lower(): (each.place, each.value) for each in self.side_numbers if not each.lacks}
        first, axes = self.layout.variable[0].array, len(self.layout.axes)
        of_file = numbers_of_grid(self.arrays, first, self.layout.scalars, axes)
        return [*of_file, beside]

    def _is_of_trajectories(self, listed: ArrayInfo) -> bool:
        """Whether a list has one row per trajectory."""
        return len(listed.lengths) == 2 and listed.lengths[0] in self.layout.runs.values()

    def _by_meshgrid(self, axis: str, listed: ArrayInfo) -> str:
        """The rule for a meshgrid; empty if it changes along another axis too."""
        order = [word for word in self.layout.words if word in self.layout.axes]
        cells = meshgrid(self.arrays, listed, tuple(self.layout.lengths[word] for word in order))
        if cells is None:
            return ""
        along = np.moveaxis(cells, order.index(axis), 0).reshape(self.layout.lengths[axis], -1)
        if not (along == along[:, :1]).all() or not one_way(along[:, 0]):
            return ""
        note = span(along[:, 0], "cell", listed.unit)
        return f"{inline_table(axis, _with_unit({'stored': listed.stored}, listed))}  # {note}"

    def _by_spacing(self, axis: str) -> str:
        """The lower and upper end from offset and spacing of an openPMD mesh, in SI units."""
        array = self._model.array
        held: dict[str, Any] = {}
        for path in (array.path.rpartition("/")[0], array.path):
            held |= readable_attributes(self.arrays, path)
        spacing = np.asarray(held.get("gridSpacing", ())).reshape(-1)
        number = self.layout.axes.index(axis)
        if spacing.dtype.kind not in "iuf" or len(spacing) != len(self.layout.axes):
            return ""
        offset = np.asarray(held.get("gridGlobalOffset", np.zeros(len(spacing)))).reshape(-1)
        units = np.asarray(held.get("gridUnitSI", 1.0)).reshape(-1)
        if offset.dtype.kind not in "iuf" or units.dtype.kind not in "iuf" or not units.size:
            return ""
        unit = float(units[0])
        position = position_in_cell(held) or (0.5,) * len(spacing)
        if len(position) != len(spacing):
            return ""
        begin = float(offset[number]) if len(offset) == len(spacing) else 0.0
        # The offset is where the first cell begins; a position of 0 there is half a cell below its centre.
        lower = (begin + (position[number] - 0.5) * float(spacing[number])) * unit
        upper = lower + float(spacing[number]) * unit * self.layout.lengths[axis]
        if not lower < upper < np.inf:
            return ""
        rule = inline_table(axis, {"lower": lower, "upper": upper, "unit": "m"})
        return f"{rule}  # CHECK: gridSpacing and gridGlobalOffset, in m"

    @cached_property
    def _model(self) -> PlacedArray:
        """The field from which the grid is taken."""
        return most_central(self.arrays, self.layout.variable)

    @cached_property
    def _ends(self) -> dict[str, EndComparison]:
        return axis_ends(self.reader, self.ghosts.cells)

    def boundaries(self) -> list[str]:
        """The boundaries as comments, with what the values suggest."""
        lines = [
            "",
            "[boundaries]",
            DECIDE_SIDES,
        ]
        for axis, ends in self._ends.items():
            lines.append(
                f"# {line(axis, [ends.side, ends.side])}" + (f"  # {ends.words}" if ends.words else "")
            )
        return lines


def _crop(cells: Mapping[str, tuple[int, int]]) -> str:
    return inline_table("crop", {axis: list(pair) for axis, pair in cells.items()})


def _with_unit(rule: dict[str, object], listed: ArrayInfo) -> dict[str, object]:
    return rule | ({"unit": listed.unit} if listed.unit else {})
