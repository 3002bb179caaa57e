"""Finds what each part of the names of files says that differs: runs, variables, times, tiles of a grid."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ingest.contents.numbered_arrays import STEP_WORD, SURE_STEP_WORD
from ingest.formats.open_any import located, open_arrays
from ingest.inspecting.dates_and_steps import DateReading, go_up_together
from ingest.inspecting.doubts import NO_STEP_WORD
from ingest.inspecting.file_times import Counted
from ingest.inspecting.named_files import NamedFile, PartKind
from ingest.inspecting.numbers_in_names import YEARS
from ingest.inspecting.pieces_of_states import PIECE_WORD, Certainty, are_pieces, piece_word
from ingest.inspecting.variable_files import FIELD_NAME, are_variables
from ingest.name_numbers import is_date

# Attributes of a file that holds a tile and says where that is (Cholla).
OFFSET_ATTRIBUTES = {"dims", "dims_local", "offset"}


@dataclass(frozen=True)
class FileArrangement:
    """Files of one family in order; the parts of their names that differ name runs, variables and times.

    A part is known by its place in the path, which is the same in all files.
    """

    files: list[NamedFile]
    # What numbers behind dates are.
    reading: DateReading = ""

    @property
    def first(self) -> NamedFile:
        return self.files[0]

    @cached_property
    def paths(self) -> frozenset[Path]:
        return frozenset(file.path for file in self.files)

    @cached_property
    def kinds(self) -> list[PartKind]:
        """The kind of each part."""
        return [part.kind for part in self.first.parts]

    def texts(self, at: int) -> list[str]:
        """The texts of a part, each once, in alphabetical order."""
        return sorted({file.text(at) for file in self.files})

    def firsts(self, at: int) -> list[Path]:
        """One file for each of the texts of a part."""
        firsts: dict[str, Path] = {}
        for file in self.files:
            firsts.setdefault(file.text(at), file.path)
        return [firsts[text] for text in self.texts(at)]

    def is_same(self, one: int, other: int) -> bool:
        """Whether two parts have the same text in every file."""
        return all(file.text(one) == file.text(other) for file in self.files)

    def grouped(self, places: Sequence[int]) -> list[list[NamedFile]]:
        """The files that have the same texts at these places, group by group."""
        found: dict[tuple[str, ...], list[NamedFile]] = {}
        for file in self.files:
            found.setdefault(file.texts(places), []).append(file)
        return list(found.values())

    @cached_property
    def varying(self) -> list[int]:
        """The parts that differ."""
        return [at for at in range(len(self.first.parts)) if len(self.texts(at)) > 1]

    @cached_property
    def tile(self) -> int | None:
        """The last number, if files are tiles of a grid that state their positions."""
        numbers = [at for at, kind in enumerate(self.kinds) if kind == "number"]
        if not numbers or not self.varying:
            return None
        with open_arrays(located(self.first.path)) as arrays:
            return numbers[-1] if set(arrays.attributes("")) >= OFFSET_ATTRIBUTES else None

    @cached_property
    def variable(self) -> int | None:
        """The part that names variables: a word, or a folder with the name of a field or of its files."""
        for at in self.varying:
            words = self.texts(at)
            is_field = self.kinds[at] == "folder" and all(map(FIELD_NAME.fullmatch, words))
            is_field = is_field or self.names_its_files(at)
            if (self.kinds[at] == "word" or is_field) and are_variables(self.firsts(at), words):
                return at
        return None

    @cached_property
    def last_number(self) -> int | None:
        """The number that counts times, if one does: the last that differs, except that of a tile.

        One that looks so comes before others: t0010_seed2.h5 is moment 10 of run 2.
        """
        numbers = [at for at in self.varying if self.kinds[at] == "number" and at != self.tile]
        dates = [at for at in self.varying if self.kinds[at] == "date"]
        return max(numbers or dates, key=lambda at: (self._looks_like_a_step(at), at), default=None)

    def _looks_like_a_step(self, at: int) -> int:
        """How likely a number counts times: 3 after `step`, 0 after `run`."""
        word = self.first.word_before(at)
        if NO_STEP_WORD.fullmatch(word) or self._is_date_before_number(at):
            return 0
        if SURE_STEP_WORD.fullmatch(word):
            return 3
        is_padded = any(re.match(r"[+-]?0\d\d", text) for text in self.texts(at))
        is_usual = not word or STEP_WORD.fullmatch(word) or PIECE_WORD.fullmatch(word)
        return 2 if is_padded or is_usual else 1

    def _is_date_before_number(self, at: int) -> bool:
        """Whether a number is a date, and a number of its own is behind it: the step, as in 20240115_0100."""
        is_pair = self.kinds[at : at + 3] == ["number", "text", "number"]
        return is_pair and self.first.text(at + 1) in ("-", "_", ".") and is_date(self.first.text(at))

    @cached_property
    def naming(self) -> list[int]:
        """The parts that differ and name neither a variable nor a tile: runs, or moments by the last number.

        A folder that is called by that number, 10/10.h5.0, names what it names.
        """
        others = [at for at in self.varying if at not in (self.variable, self.tile)]
        return [at for at in others if not self.repeats_number(at) and self.first_like(at) == at]

    def repeats_number(self, at: int) -> bool:
        """Whether a part that is no parameter is the last number once more."""
        last = self.last_number
        if last is None or at == last or self.first.parts[at].name:
            return False
        return self.is_same(at, last)

    def first_like(self, at: int) -> int:
        """The first part with the same text in every file: in alpha/density_alpha.nc, the folder."""
        same = (other for other in self.varying if self.is_same(other, at))
        return at if at == self.last_number else min(same)

    def names_its_files(self, at: int) -> bool:
        """Whether a part is a folder that the names of its files repeat: e1/e1-000010.h5."""
        repeats = (other for other in self.varying if other > at and self.first_like(other) == at)
        return self.kinds[at] == "folder" and any(repeats)

    @cached_property
    def of_same_moment(self) -> list[int]:
        """Numbers that go up with the one that counts times: the date of a step. They name no run."""
        last = self.last_number
        if last is None:
            return []
        others = [at for at in self.varying if at != last]
        found = []
        for at in others:
            if self.kinds[at] != "number" or NO_STEP_WORD.fullmatch(self.first.word_before(at)):
                continue
            runs = self.grouped([other for other in others if other != at])
            pairs = [[(file.text(last), file.text(at)) for file in files] for files in runs]
            if all(map(go_up_together, pairs)) and any(len(run) > 1 for run in pairs):
                found.append(at)
        return found

    @cached_property
    def dates(self) -> list[int]:
        """The folders called by years, months and days, but for one that the last number repeats."""
        dates = [at for at in self.varying if self.kinds[at] == "date"]
        return [at for at in dates if at != self.last_number and not self.repeats_number(at)]

    @cached_property
    def counted_pieces(self) -> tuple[int, Certainty] | None:
        """The last number, or folder with one, that tells runs of states apart, and whether it counts pieces
        of them instead: restart0/out_0001.h5.
        """
        last = self.last_number
        rest = [at for at in self.naming if at not in (last, *self.of_same_moment, *self.dates)]
        numbered = [at for at in rest if self.kinds[at] == "number" or piece_word(self.first, at)]
        # A span of years, 2015-2019, is that of a file with many states.
        if last is None or not numbered or any(map(YEARS.fullmatch, self.texts(last))):
            return None
        others = [other for other in rest if other != numbered[-1]]
        return numbered[-1], are_pieces(self.files, others, numbered[-1], last)

    @cached_property
    def pieces(self) -> list[int]:
        """The folders of dates, and the part that counts pieces of runs of states."""
        found = self.counted_pieces
        return sorted([*self.dates, found[0]]) if found and found[1] != "no" else self.dates

    def counted(self, at: int) -> Counted:
        """What a number counts: moments behind a word such as step, and where it is a folder and a fraction,
        as 0.3/fields.h5.
        """
        word = self.first.word_before(at)
        in_folder = any(part.text == "/" for part in self.first.parts[at:])
        is_fraction = in_folder and any("." in text for text in self.texts(at))
        if all(map(is_date, self.texts(at))):
            return "dates"
        if is_fraction or SURE_STEP_WORD.fullmatch(word):
            return "moments"
        if NO_STEP_WORD.fullmatch(word):
            return "runs"
        return "dates" if self.kinds[at] == "date" or self.dates else "unknown"
