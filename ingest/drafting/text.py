"""Writes the text of a draft, with a comment wherever a person must check or decide."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ingest.contents.axis_names import TIME_NAME
from ingest.contents.listing import ArrayInfo
from ingest.contents.numbered_arrays import HOLE
from ingest.contents.solvers import Solver
from ingest.drafting.axes import AxisLines
from ingest.drafting.dataset_name import dataset_name
from ingest.drafting.grid_kind import kind_lines
from ingest.drafting.layout_lines import layout_lines
from ingest.drafting.mask_lines import mask_lines
from ingest.drafting.other_runs import OtherRuns, other_runs
from ingest.drafting.scalars import scalar_lines
from ingest.drafting.side_numbers import SideNumbers
from ingest.drafting.splits import split_lines
from ingest.drafting.stated_values import doubts_of_attributes, most_central
from ingest.drafting.table import inline_table, line
from ingest.drafting.times import TimeLines
from ingest.formats.arrays import ArrayFile, absent_chunks
from ingest.formats.run_files import RunFiles
from ingest.formats.zarr_marker import MARKERS
from ingest.inferring.fields import DraftField, draft_fields
from ingest.inferring.fill_values import filled_cells
from ingest.inferring.frames import FrameReader, MissingCells
from ingest.inferring.ghost_cells import GhostCells
from ingest.inferring.inferred_layout import InferredLayout, PlacedArray
from ingest.inferring.masks import is_mask
from ingest.inferring.means import doubt_of_statistic
from ingest.inferring.padding import filled_up
from ingest.inspecting.folder_contents import FolderContents
from ingest.inspecting.unreadable_files import MANY_OPENED
from ingest.layout import TIME, split_channel, swept_axis
from ingest.source import find
from shards.counted import counted
from shards.program.console import printable

# Lists that say which trajectories are for training and which for tests.
INDICES = re.compile(
    r"(tr(ain)?|te(st)?|val(id(ation)?)?)(ing)?[-_]?(idx|ids?|ind(ex|exes|ices)?|mask|split)"
    r"|(idx|ids?|ind(ex|exes|ices)?)[-_]?(tr(ain)?|te(st)?|val(id(ation)?)?)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class DraftText:
    """A recipe for the arrays of a file, or of the files of a folder."""

    path: Path
    arrays: ArrayFile
    layout: InferredLayout
    solver: Solver | None = None
    folder: FolderContents | None = None
    ghosts: GhostCells = field(default_factory=GhostCells)
    # What the files next to the data hold.
    side: SideNumbers = field(default_factory=SideNumbers)
    runs: list[RunFiles] = field(default_factory=list)

    def text(self) -> str:
        """The TOML text."""
        fields = draft_fields(self.layout)
        axes = AxisLines(self._reader, self.ghosts, self.side.numbers, self.runs)
        times = TimeLines(self._reader, self.folder, self.side.numbers, self.runs)
        of_times = times.lines()
        lines = [*self._head(), *axes.crop(), *axes.domain(), *of_times]
        lines += [*axes.coordinates(), *axes.boundaries()]
        lines += scalar_lines(
            self.arrays,
            self.layout,
            self.folder.parameters if self.folder else (),
            self.folder.last if self.folder else None,
            self.side.numbers,
            times.used,
            self.runs,
        )
        lines += self._others.lines_on_numbers()
        lines += self._unused(of_times)
        lines += self._excluded()
        lines += mask_lines(self._reader, self.layout.fields, self._variable, self._holes)
        lines += [] if self.layout.split_names else split_lines(self.runs, self.path)
        for each in fields:
            lines += self._field(each)
        lines += self._left_out(fields)
        return "\n".join(lines) + "\n"

    @cached_property
    def _reader(self) -> FrameReader:
        if self.folder is None:
            return FrameReader(self.arrays, self.layout)
        return FrameReader(self.arrays, self.layout, self.folder.series, self.folder.variables)

    @cached_property
    def _others(self) -> OtherRuns:
        return other_runs(self.arrays, self.layout, self.runs)

    def _head(self) -> Iterator[str]:
        """The first lines: how to read the draft, and name, source, title and licence."""
        name = dataset_name(self.path)
        yield "#:schema ./recipe.schema.json"
        yield (
            f"# Drafted from {printable(self.path.name)}. Read every line: DECIDE marks what it does not "
            "state, CHECK marks a guess."
        )
        yield "# All keys: docs/recipe.md. Completion in editors: walrus-ingest schema > recipe.schema.json"
        if self.solver is not None and self.solver.template:
            yield (
                f"# It looks like output of {self.solver.name}: compare with its template "
                f"(walrus-ingest ls {self.solver.template}, docs/solvers.md)."
            )
        yield line("name", name)
        yield line("source", "arrays")
        yield f"{line('title', f'{name}: say what system this is')}  # DECIDE"
        yield f"{line('licence', 'unknown')}  # DECIDE: may others use the data?"
        yield from self._files()
        yield from self._others.lines()
        yield line("axes", list(self.layout.axes))
        yield from kind_lines(self.arrays, self.layout)
        if self.layout.split_names:
            yield "# An array per split: {split} in a name below stands for one of these words."
            words: dict[str, object] = {split: word for split, word in self.layout.split_names.items()}
            yield inline_table("split_names", words)
        yield from layout_lines(self.layout)
        filled = filled_up(self._reader)
        if filled:
            yield f"# CHECK: {filled}."
        if any(field.array.dtype == "float64" for field in self.layout.fields):
            yield '# Fields are float64. To store half the size, add the line dtype = "float32" here.'
        thinning = self._reader.thinning()
        if thinning is not None:
            gain = f"{thinning.gain:.0f} times better"
            yield f"# Frames hardly differ: linear extrapolation predicts the next frame {gain}"
            yield "# than persistence, so a model would learn little. Uncomment to keep fewer frames."
            yield f"# {line('stride', thinning.stride)}"

    def _files(self) -> Iterator[str]:
        """The pattern of file names, if it must be stated, and the files that it does not match."""
        if self.folder is None:
            own = self._pattern_of_one_file()
            if own:
                yield line("files", own)
            return
        yield f"# {printable(self.folder.words)}"
        if self.folder.doubt:
            yield f"# CHECK: {printable(self.folder.doubt)}"
        yield line("files", self.folder.pattern)
        if self.folder.unread:
            unread = self.folder.unread
            named = f"{', '.join(unread[:5])}{', ...' if len(unread) > 5 else ''}"
            said = f"{counted(len(unread), 'file')} cannot be read, and not taken: {printable(named)}"
            yield f"# CHECK: {said}; fetch again, or move away"
        if self.folder.files > 2 * MANY_OPENED:
            said = f"Only the first and the last {MANY_OPENED} files were opened to see which are damaged"
            yield f"# {said}: a build names the others."
        if self.folder.others:
            count, more = len(self.folder.others), ", ..." if len(self.folder.others) > 9 else ""
            said = "CHECK: not taken, with fields in them" if self.folder.others_hold_fields else "Not taken"
            yield f"# {said}, {counted(count, 'file')}: {printable(', '.join(self.folder.others[:9]))}{more}"
        alike = self.folder.others_in_suffix
        if alike:
            suffix = Path(self.folder.pattern).suffix
            said = f"{len(alike)} of these, such as {alike[0]}, would fit if they ended with {suffix}"
            yield f"# CHECK: {printable(said)}: rename them if they belong to the others."

    def _pattern_of_one_file(self) -> str:
        """The pattern for a file that is drafted alone; empty where the usual patterns take it."""
        suffix = self.path.suffix
        if self.side.need_parts:
            return f"{{run}}{suffix}"
        if any(each.place and each.place.endswith(suffix) for each in self.layout.lists.all):
            # A pattern would take the lists as well.
            return self.path.name
        is_usual = any(map(self.path.match, find("arrays").PATTERNS)) or self.path.name in MARKERS
        if is_usual or not self.path.is_file():
            return ""
        return f"*{suffix}" if suffix else self.path.name

    def _excluded(self) -> Iterator[str]:
        """The tables of files that fit the pattern, but hold a state of the others again."""
        for name in self.folder.excluded if self.folder is not None else ():
            yield from ("", "[[exclude]]", line("files", name), line("reason", "one state, to continue from"))

    def _unused(self, of_times: list[str]) -> list[str]:
        """A comment with the text files next to the data that the draft does not use: logs may hold times."""
        if not self.side.unused:
            return []
        names, more = self.side.unused[:9], ", ..." if len(self.side.unused) > 9 else ""
        said = f"# Text files next to the data, not used: {printable(', '.join(names))}{more}"
        lines = ["", said, "# If they hold parameters, see docs/own-files.md, section Parameters."]
        if any(each.startswith(line("stored", HOLE)) for each in of_times):
            lines.append("# If they hold the times, write these to times.txt, one per line, and draft again.")
        return lines

    @cached_property
    def _variable(self) -> list[PlacedArray]:
        """The fields that change in time, without masks."""
        return [each for each in self.layout.variable if not is_mask(each)]

    @cached_property
    def _holes(self) -> dict[str, MissingCells]:
        """The cells without a value of each field; absent chunks do not mark a moving body."""
        missing = {each.array.stored: self._reader.missing(each) for each in self._variable}
        return {
            stored: each
            for stored, each in missing.items()
            if each.cells or (each.moves and stored not in self._absent)
        }

    def _field(self, field: DraftField) -> Iterator[str]:
        """The table of a field."""
        at_rest = not field.constant and not field.faces and self._rests(field)
        is_constant = field.constant or at_rest
        doubt = self._doubt_of(field, at_rest=at_rest)
        yield ""
        yield "[[fields]]"
        yield line("name", field.name) + (f"  # CHECK: {printable(doubt)}" if doubt else "")
        if field.rank:
            yield line("rank", field.rank)
        if is_constant:
            yield line("constant", True)
        if field.unit:
            yield line("unit", field.unit)
        if field.stored != (field.name,):
            yield line("stored", list(field.stored))
        if field.faces:
            yield from self._face_lines(field)
        yield from self._layout_of_field(field, is_constant=is_constant)

    def _doubt_of(self, field: DraftField, *, at_rest: bool) -> str:
        """What a person must look at in the arrays of a field."""
        doubts = [field.doubt, "the same in all frames that were checked" if at_rest else ""]
        doubts += [doubt_of_statistic(field.stored)] if at_rest or field.constant else []
        doubts += [self._absent[path] for path in field.stored if path in self._absent]
        parts = [each for path in field.stored if (each := self._part(path)) is not None]
        doubts += doubts_of_attributes(self.arrays, parts, self._model)
        arrays = dict.fromkeys(split_channel(path)[0] for path in field.stored)
        doubts += [self._filled[path] for path in arrays if path in self._filled]
        return "; ".join(filter(None, doubts))

    def _face_lines(self, field: DraftField) -> Iterator[str]:
        """The keys of values on cell faces."""
        yield f"{line('faces', list(field.faces))}  # a cell gets the mean of its two faces"
        if field.faces_side == "upper":
            yield f"{line('faces_side', field.faces_side)}  # as the file says"
        if field.rests_at_walls and (field.lacks_a_face or self._holes):
            said = "CHECK: right if walls and land are at rest; a periodic axis has no walls"
            yield f"{line('absent_faces', 'zero')}  # {said}"

    def _layout_of_field(self, field: DraftField, *, is_constant: bool) -> Iterator[str]:
        """The layout of a field, if it is not that of the recipe."""
        if is_constant:
            # With t, a build compares the values in all files.
            in_each = self.folder is not None and self.folder.kind == "states" and TIME not in field.layout
            said = "  # CHECK: with another layout above, another one here" if self.layout.is_open else ""
            # Axes n1, n2 of a sweep mean nothing without those of the layout, which a person must decide.
            comment = "# " if self.layout.is_open and any(map(swept_axis, field.layout)) else ""
            words = (TIME, *field.layout) if in_each else field.layout
            yield comment + line("layout", " ".join(words)) + said
        elif field.layout != self.layout.words:
            # The layout is a comment if a person must decide it.
            comment = "# " if self.layout.is_open else ""
            yield comment + line("layout", " ".join(field.layout))

    def _rests(self, field: DraftField) -> bool:
        """Whether a field never changes while other fields do."""
        if self.layout.is_open or all(self._is_at_rest.values()):
            return False
        parts = map(self._part, field.stored)
        return all(part is not None and self._is_at_rest[part.array.stored] for part in parts)

    def _part(self, path: str) -> PlacedArray | None:
        """The array of a component in the cells; None for one on their faces."""
        return self._placed.get(path) or self._placed.get(split_channel(path)[0])

    @cached_property
    def _placed(self) -> dict[str, PlacedArray]:
        return {each.array.stored: each for each in self.layout.fields}

    @cached_property
    def _model(self) -> PlacedArray:
        """The field with which positions in a cell are compared."""
        return most_central(self.arrays, self.layout.variable)

    @cached_property
    def _absent(self) -> dict[str, str]:
        """Path to the note on absent chunks, which must be fetched again."""
        return absent_chunks(self.arrays)

    @cached_property
    def _filled(self) -> dict[str, str]:
        """Path to the note on cells with a number that may stand for no value."""
        found = {each.array.stored: filled_cells(self._reader, each) for each in self._variable}
        return {stored: each.words for stored, each in found.items() if each is not None}

    @cached_property
    def _is_at_rest(self) -> dict[str, bool]:
        return {each.array.stored: self._reader.rests(each) for each in self.layout.variable}

    def _left_out(self, fields: list[DraftField]) -> list[str]:
        """A comment on each array that is not part of the recipe."""
        taken = {split_channel(path)[0] for field in fields for path in field.stored}
        elsewhere = {path for paths in self.layout.other_grids.values() for path in paths}
        rest: list[ArrayInfo] = [each for each in self.layout.rest if each.path not in elsewhere]
        rest += [
            each.array for each in self.layout.fields if each.array.stored not in taken and not is_mask(each)
        ]
        of_splits = [each.path for each in rest if INDICES.fullmatch(each.name)]
        others = [each for each in rest if each.path not in of_splits]
        held = [
            f"#   {printable(each.path)}: {printable(each.fault or self._what_is_no_field(each))}"
            for each in others
        ]
        if of_splits:
            held.append(
                f"#   {printable(', '.join(of_splits))}: the trajectories of a split; to keep it, save each "
                "split to a folder train, valid or test"
            )
        if self.layout.particles:
            held.append(f"#   {printable(self.layout.particles)}")
        return ["", "# Left out, because they are not fields on this grid:", *held] if held else []

    def _what_is_no_field(self, each: ArrayInfo) -> str:
        if TIME_NAME.fullmatch(each.name) and len(each.values) == 1 and each.size > 1:
            return f"lists {each.size} times; expected one for each of {self.layout.lengths[TIME]} frames"
        return f"shape {each.lengths}"
