"""Finds what differs between the names of files of one family: runs, variables, times, tiles of a grid."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path

from ingest.contents.numbered_arrays import RUN_WORD, STEP_WORD, SURE_STEP_WORD
from ingest.contents.parts_of_grid import require_no_tiles
from ingest.formats.natural_sort import natural
from ingest.formats.open_any import located, open_arrays
from ingest.inspecting.dates_and_steps import Reading, go_up_together
from ingest.inspecting.doubts import (
    NO_STEP_WORD,
    doubts_of_pieces,
    doubts_of_processes,
    doubts_of_runs,
)
from ingest.inspecting.file_names import SPAN, NamedFile
from ingest.inspecting.file_times import Counted, kind_of_numbered
from ingest.inspecting.folder_contents import FolderContents, Kind, NamedParameter
from ingest.inspecting.pieces_of_states import PIECE_WORD, Pieces, piece_word, pieces_of_states
from ingest.inspecting.restarting_times import restart_of
from ingest.inspecting.variable_files import FIELD_NAME, are_variables, doubt_of_words
from ingest.name_pattern import OF_ONE_RUN, PIECE, PIECES, STEP, TILE, VARIABLE, is_date, step_number
from shards.schema import split_called

# Attributes of a file that holds a tile and says where that is (Cholla).
OFFSET_ATTRIBUTES = {"dims", "dims_local", "offset"}
IS_NUMBER = re.compile(r"\d{1,7}([.p]\d+)?([eE][-+]?\d+)?")
LAST_NUMBER: dict[Kind, str] = {"states": STEP, "pieces": PIECE, "variables": "run", "runs": "run"}


@dataclass(frozen=True)
class FileArrangement:
    """Files of one family in order; the parts of their names that differ name runs, variables and times."""

    files: list[NamedFile]
    # What numbers behind dates are.
    reading: Reading = ""

    @cached_property
    def varying(self) -> list[int]:
        """The parts of the path that differ."""
        places = range(len(self.files[0].pieces))
        return [at for at in places if len({file.text(at) for file in self.files}) > 1]

    @cached_property
    def last_number(self) -> int | None:
        """The number that counts times, if one does: the last that differs, except that of a tile.

        One that looks so comes before others: t0010_seed2.h5 is moment 10 of run 2.
        """
        numbers = [at for at in self.varying if self._is(at, "number") and at != self.tile]
        dates = [at for at in self.varying if self._is(at, "date")]
        return max(numbers or dates, key=lambda at: (self._looks_like_a_step(at), at), default=None)

    @cached_property
    def _dates(self) -> list[int]:
        """The folders called by years, months and days, but for one that the last number repeats."""
        dates = [at for at in self.varying if self._is(at, "date")]
        return [at for at in dates if at != self.last_number and not self._repeats_number(at)]

    @cached_property
    def _counted_pieces(self) -> tuple[int, Pieces] | None:
        """The last number, or folder with one, that tells runs of states apart, and whether it counts pieces
        of them instead: restart0/out_0001.h5.
        """
        last = self.last_number
        rest = [at for at in self._naming if at not in (last, *self._of_same_moment, *self._dates)]
        numbered = [at for at in rest if self._is(at, "number") or piece_word(self.files[0], at)]
        # A span of years, 2015-2019, is that of a file with many states.
        if last is None or not numbered or any(SPAN.fullmatch(file.text(last)) for file in self.files):
            return None
        others = [other for other in rest if other != numbered[-1]]
        return numbered[-1], pieces_of_states(self.files, others, numbered[-1], last)

    @cached_property
    def _pieces(self) -> list[int]:
        """The folders of dates, and the part that counts pieces of runs of states."""
        found = self._counted_pieces
        return sorted([*self._dates, found[0]]) if found and found[1] != "no" else self._dates

    def _looks_like_a_step(self, at: int) -> int:
        """How likely a number counts times: 3 after `step`, 0 after `run`."""
        word = self.files[0].word_before(at)
        if NO_STEP_WORD.fullmatch(word) or self._is_date_before_number(at):
            return 0
        if SURE_STEP_WORD.fullmatch(word):
            return 3
        is_padded = any(re.match(r"0\d\d", file.text(at)) for file in self.files)
        is_usual = not word or STEP_WORD.fullmatch(word) or PIECE_WORD.fullmatch(word)
        return 2 if is_padded or is_usual else 1

    def _is_date_before_number(self, at: int) -> bool:
        """Whether a number is a date, and a number of its own is behind it: the step, as in 20240115_0100."""
        is_pair = self._kinds[at : at + 3] == ["number", "text", "number"]
        return is_pair and self.files[0].text(at + 1) in ("-", "_", ".") and is_date(self.files[0].text(at))

    @cached_property
    def _kinds(self) -> list[str]:
        return [piece.kind for piece in self.files[0].pieces]

    @cached_property
    def _of_same_moment(self) -> list[int]:
        """Numbers that go up with the one that counts times: the date of a step. They name no run."""
        last = self.last_number
        if last is None:
            return []
        others = [at for at in self.varying if at != last]
        found = []
        for at in others:
            if not self._is(at, "number") or NO_STEP_WORD.fullmatch(self.files[0].word_before(at)):
                continue
            runs = self._grouped([other for other in others if other != at]).values()
            pairs = [[(file.text(last), file.text(at)) for file in files] for files in runs]
            if all(map(go_up_together, pairs)) and any(len(run) > 1 for run in pairs):
                found.append(at)
        return found

    @cached_property
    def tile(self) -> int | None:
        """The last number, if files are tiles of a grid that state their positions."""
        numbers = [at for at, piece in enumerate(self.files[0].pieces) if piece.kind == "number"]
        if not numbers or not self.varying:
            return None
        with open_arrays(located(self.files[0].path)) as arrays:
            return numbers[-1] if set(arrays.attributes("")) >= OFFSET_ATTRIBUTES else None

    @property
    def _depth(self) -> int:
        """The number of folders in the paths; a name that repeats its folder is none."""
        return sum(piece.text == "/" for piece in self.files[0].pieces)

    def _is(self, at: int, kind: str) -> bool:
        return self.files[0].pieces[at].kind == kind

    @cached_property
    def variable(self) -> int | None:
        """The part that names variables: a word, or a folder with the name of a field."""
        for at in self.varying:
            words = sorted({file.text(at) for file in self.files})
            fields = self._is(at, "folder") and all(FIELD_NAME.fullmatch(word) for word in words)
            if (self._is(at, "word") or fields) and are_variables(self.firsts(at), words):
                return at
        return None

    def firsts(self, at: int) -> list[Path]:
        """One file for each text of a part."""
        firsts: dict[str, Path] = {}
        for file in sorted(self.files, key=lambda file: file.text(at)):
            firsts.setdefault(file.text(at), file.path)
        return list(firsts.values())

    def contents(self) -> FolderContents:
        """The pattern, and the numbers of runs, variables and times."""
        of_moment = (self.last_number, *self._of_same_moment, *self._pieces)
        apart = [at for at in self._naming if at not in of_moment]
        largest = max(self._grouped(apart).values(), key=len)
        tiles = 1
        if self.tile is not None:
            texts = {file.text(self.tile) for file in largest}
            tiles, largest = len(texts), [file for file in largest if file.text(self.tile) == min(texts)]
        variables = self._by_variable(largest)
        # The largest file says most: a vector has an axis more.
        one = max(variables.values(), key=lambda files: (len(files), files[0].path.stat().st_size))
        kind = self._kind(one, len(variables))
        restart = None
        if kind in ("runs", "variables") and self.last_number is not None and len(one) > 1:
            restart = restart_of([file.path for file in one])
        if restart is not None:
            kind = "pieces"
        if kind in ("runs", "variables"):
            apart = self._naming
            variables = self._by_variable(max(self._grouped(apart).values(), key=len))
        count = len(self._grouped(apart))
        members = tuple(files[0].path for files in variables.values()) if len(variables) > 1 else ()
        return FolderContents(
            kind,
            self._pattern(kind, apart),
            members[0] if members else one[0].path,
            len(self.files),
            count,
            members=members,
            variables=tuple(variables) if members else (),
            last=one[-1].path if kind in ("states", "pieces") else None,
            tiles=tiles,
            series=self._moments(largest, len(variables)) if kind == "states" else (),
            parameters=self._parameters(apart),
            date_or_step=kind in ("states", "pieces") and self.reading == "either",
            restart=restart,
            doubt="; ".join(self._doubts(kind)),
        )

    @property
    def _naming(self) -> list[int]:
        """The pieces that differ and name neither a variable nor a tile: runs, or moments by the last number.

        A folder that is called by that number, 10/10.h5.0, names what it names.
        """
        pieces = [at for at in self.varying if at not in (self.variable, self.tile)]
        return [at for at in pieces if not self._repeats_number(at) and self._first_like(at) == at]

    def _repeats_number(self, at: int) -> bool:
        last = self.last_number
        same = last is not None and all(file.text(at) == file.text(last) for file in self.files)
        return at != last and same and not self.files[0].pieces[at].name

    def _first_like(self, at: int) -> int:
        """The first part with the same text in every file: in alpha/density_alpha.nc, the folder."""
        same = (one for one in self.varying if all(file.text(one) == file.text(at) for file in self.files))
        return at if at == self.last_number else min(same)

    def _grouped(self, pieces: Sequence[int]) -> dict[tuple[str, ...], list[NamedFile]]:
        """The files grouped by these parts of their paths."""
        found: dict[tuple[str, ...], list[NamedFile]] = {}
        for file in self.files:
            found.setdefault(file.texts(pieces), []).append(file)
        return found

    def _by_variable(self, files: list[NamedFile]) -> dict[str, list[NamedFile]]:
        found: dict[str, list[NamedFile]] = {}
        for file in files:
            found.setdefault(file.text(self.variable) if self.variable is not None else "", []).append(file)
        return found

    def _kind(self, files: list[NamedFile], variables: int) -> Kind:
        """What the files are that differ only in the last number."""
        found: Kind = "runs"
        if self.last_number is not None and len(files) > 1:
            require_no_tiles([file.path for file in files], files[0].text(self.last_number - 1))
            found = kind_of_numbered([file.path for file in files[:2]], self._counted(self.last_number))
        return "variables" if found == "runs" and variables > 1 else found

    def _counted(self, at: int) -> Counted:
        """What a number counts: moments behind a word such as step, and where it is a folder and a fraction,
        as 0.3/fields.h5.
        """
        word = self.files[0].word_before(at)
        in_folder = any(piece.text == "/" for piece in self.files[0].pieces[at:])
        is_fraction = in_folder and any("." in file.text(at) for file in self.files)
        if all(is_date(file.text(at)) for file in self.files):
            return "dates"
        if is_fraction or SURE_STEP_WORD.fullmatch(word):
            return "moments"
        if NO_STEP_WORD.fullmatch(word):
            return "runs"
        return "dates" if self._is(at, "date") or self._dates else "unknown"

    def _pattern(self, kind: Kind, apart: list[int]) -> str:
        """The names of all files, with a named part, or a *, for each piece that differs.

        A * is written only where each file is a run, and for the date of a step: in other places it hides
        files next to a named part. Decision 0148.
        """
        first = self.files[0]
        if not self.varying and not any(piece.name for piece in first.pieces):
            return f"{'*/' * self._depth}*{first.path.suffix}"
        parts = {at: f"{{{name}}}" for at, name in self._part_names(apart).items()}
        is_plain = all(part.startswith(("{run", "{split")) for part in parts.values())
        is_plain = is_plain and set(parts) == set(apart)
        if kind == "runs" and is_plain and self.variable is None and self.tile is None:
            parts = dict.fromkeys(parts, "*")
        if self.variable is not None:
            parts[self.variable] = f"{{{VARIABLE}}}"
        if self.last_number is not None and self.last_number not in parts:
            parts |= self._holes_of_moment(kind)
        if self.tile is not None:
            parts[self.tile] = f"{{{TILE}}}"
        parts |= {at: "*" for at in self._of_same_moment if at not in parts}
        like = {at: self._first_like(at) for at in self.varying if at not in parts}
        parts |= {at: parts[other] for at, other in like.items() if other in parts}
        return "".join(parts.get(at, piece.text) for at, piece in enumerate(first.pieces))

    def _holes_of_moment(self, kind: Kind) -> dict[int, str]:
        """The named parts for the last number and for pieces, in the order in which they count."""
        *before, last = PIECES[: len(self._pieces) + 1]
        own = last if kind == "pieces" else LAST_NUMBER[kind]
        holes = {at: f"{{{name}}}" for at, name in zip(self._pieces, before, strict=True)}
        counting = [at for at in self.varying if at == self.last_number or self._repeats_number(at)]
        return holes | {at: f"{{{own}}}" for at in counting}

    def _part_names(self, apart: list[int]) -> dict[int, str]:
        """What the pattern calls the pieces that name a run, each differently: a parameter by its name, a
        number by the word before it, others `run`.
        """
        first, names = self.files[0], dict[int, str]()
        for at, piece in enumerate(first.pieces):
            if at in self._pieces or (not piece.name and at not in apart):
                continue
            name = piece.name or self._word_of(at)
            same = [other for other, known in names.items() if known == name]
            if same and all(file.text(at) == file.text(same[0]) for file in self.files):
                names[at] = name
            else:
                numbers = (f"{name}{number if number > 1 else ''}" for number in count(1))
                names[at] = next(each for each in numbers if each not in names.values())
        return names

    def _word_of(self, at: int) -> str:
        """A name for a part that tells runs apart: `seed` for seed2, `split`, `run` if no word names it."""
        if not self._is(at, "number"):
            return "split" if self._is(at, "split") else "run"
        word = self.files[0].word_before(at)
        is_plain = not word or RUN_WORD.fullmatch(word) or STEP_WORD.fullmatch(word) or split_called(word)
        return "run" if (is_plain and word.lower() != "seed") or word in OF_ONE_RUN else word

    def _parameters(self, apart: list[int]) -> tuple[NamedParameter, ...]:
        """The numbers in the names that may be parameters, each once."""
        first, found = self.files[0], dict[str, NamedParameter]()
        for at, name in self._part_names(apart).items():
            is_number = first.pieces[at].kind == "number" and IS_NUMBER.fullmatch(first.text(at))
            if first.pieces[at].name or (is_number and name.rstrip("0123456789") != "run"):
                found[name] = NamedParameter(name, first.text(at), self._is(at, "parameter"))
        return tuple(found.values())

    def _moments(self, files: list[NamedFile], variables: int) -> tuple[tuple[Path, ...], ...]:
        """The files of each time, one per variable; times that lack one are left out."""
        assert self.last_number is not None
        moments: dict[tuple[str, ...], list[Path]] = {}
        for file in files:
            moments.setdefault(file.texts([*self._pieces, self.last_number]), []).append(file.path)
        if all(is_date(text) or IS_NUMBER.fullmatch(text) for *_, text in moments):
            in_order = sorted(moments, key=lambda texts: (*map(natural, texts[:-1]), step_number(texts[-1])))
            moments = {texts: moments[texts] for texts in in_order}
        return tuple(tuple(paths) for paths in moments.values() if len(paths) == variables)

    def _doubts(self, kind: Kind) -> Iterator[str]:
        """What a person must look at: words that were taken for variables, or for runs, by what they are;
        numbers of pieces and processes.
        """
        for at in self.varying:
            if at == self.variable or self._is(at, "word"):
                words = sorted({file.text(at) for file in self.files})
                doubt = doubt_of_words(self.firsts(at), words, taken_for_variables=at == self.variable)
                if doubt:
                    yield doubt
                break
        if self._counted_pieces and kind == "states":
            yield from doubts_of_pieces(self.files, *self._counted_pieces)
        if kind == "runs" and self.last_number is not None:
            has_words = any(self._is(at, "word") or self._is(at, "split") for at in self.varying)
            is_date = self._counted(self.last_number) == "dates"
            yield from doubts_of_runs(self.files, self.last_number, has_words=has_words, is_date=is_date)
        yield from doubts_of_processes(self.files, [at for at in self.varying if at != self.tile])
