"""Files whose names differ in folders, words and numbers: what of that names runs, variables and moments.

See docs/decisions/0093.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Literal

from ingest.formats.natural_sort import natural
from ingest.formats.open_any import located, open_arrays
from ingest.inspecting.file_times import kind_of_numbered
from ingest.inspecting.folder_contents import FolderContents, Kind
from ingest.inspecting.numbered import STEP_WORD
from ingest.inspecting.parameters import IN_FOLDERS, IN_NAMES
from ingest.inspecting.variable_files import FIELD_NAME, are_variables, common_ends, doubt_of_runs
from ingest.name_pattern import DATE, PIECE, STEP, VARIABLE
from shards.errors import SourceError

# The years of a file: 195001-195912.
_SPAN = r"(?<!\d)(?:1[5-9]|2[0-3])\d{2,10}-(?:1[5-9]|2[0-3])\d{2,10}(?!\d)"
# A date is one number, and so is a fraction: data_0.500000 is at half a second. Behind a word a long fraction
# is a number of its own: out2.00010 is state 10 of output 2.
_NUMBER = re.compile(
    rf"{_SPAN}|{DATE}|(?:(?<![A-Za-z0-9.])|(?<=[-_.]t)|(?<=time))\d+\.(?!{DATE})\d+(?:[eE][+-]?\d+)?(?=[-_/.])"
    rf"|\d+(?:\.(?!{DATE})\d{{1,4}}(?=[-_/.]))?"
)
# The number of a component, u1_0001 or bcc2.0001, is part of the name.
_COMPONENT = re.compile(r"(?<![A-Za-z])(?:vel|mom|bcc|vx|bx|b|v|u|m)[123](?=[-_.][A-Za-z=]*\d+[-_.])")
# A folder of one moment, as 0001, t=0.5, step_10.
_STEP_FOLDER = re.compile(
    rf"(?P<word>(?:{STEP_WORD.pattern})?[-_=]?)(?P<number>\d+(?:\.\d+)?)", re.IGNORECASE
)
# How files of one grid are marked: MITgcm, FV3, NEMO.
TILE_ATTRIBUTES = {"tile_number", "grid_tile", "DOMAIN_number"}
TILE_NAME = re.compile(r"(tile|subdomain)[-_.]?$", re.IGNORECASE)
LAST_NUMBER: dict[Kind, str] = {"states": STEP, "pieces": PIECE, "variables": "run", "runs": "run"}


@dataclass(frozen=True)
class Piece:
    """A part of a path: what it is, its text, and of a parameter its name."""

    kind: Literal["text", "folder", "word", "number", "parameter"]
    text: str
    name: str = ""


@dataclass(frozen=True)
class NamedFile:
    """A file, and its path below the folder taken apart."""

    path: Path
    pieces: tuple[Piece, ...]

    @property
    def family(self) -> tuple[str, ...]:
        """The path without folders and numbers: all files of one solver look alike."""
        return tuple(piece.text if piece.kind == "text" else piece.kind for piece in self.pieces)

    def text(self, at: int) -> str:
        return self.pieces[at].text

    def texts(self, places: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.text(at) for at in places)

    def cut(self, at: int, start: int, end: int) -> NamedFile:
        """The same, with a text cut in three: `start` and `end` letters stay, a word is between them."""
        text = self.text(at)
        stop = len(text) - end
        parts = Piece("text", text[:start]), Piece("word", text[start:stop]), Piece("text", text[stop:])
        return NamedFile(self.path, (*self.pieces[:at], *parts, *self.pieces[at + 1 :]))


def taken_apart(folder: Path, path: Path, numbers: bool = True) -> NamedFile:
    """The path of a file below a folder; `numbers` says whether those in its name count."""
    pieces: list[Piece] = []
    for name in path.relative_to(folder).parts[:-1]:
        pieces += [*_folder_pieces(name), Piece("text", "/")]
    name, end = path.name, 0
    found = [(each.span("value"), each["name"]) for each in _parameters(name, IN_NAMES)]
    kept = [each.span() for each in _COMPONENT.finditer(name)] + [span for span, _ in found]
    if numbers:
        spans = (each.span() for each in _NUMBER.finditer(name))
        found += [(span, "") for span in spans if not _is_inside(span, kept)]
    for (start, stop), key in sorted(found):
        pieces += [
            Piece("text", name[end:start]),
            Piece("parameter" if key else "number", name[start:stop], key),
        ]
        end = stop
    return NamedFile(path, (*pieces, Piece("text", name[end:])))


def _is_inside(span: tuple[int, int], others: Iterable[tuple[int, int]]) -> bool:
    return any(start <= span[0] < stop for start, stop in others)


def _folder_pieces(name: str) -> Iterator[Piece]:
    """A folder as a whole, or the parameters in its name apart: Re=100_nu=0.01."""
    end = 0
    for found in _parameters(name, IN_FOLDERS):
        key = found["name"] or found["plain"]
        start, stop = found.span("value" if found["name"] else "number")
        yield Piece("text", name[end:start])
        yield Piece("parameter", name[start:stop], key)
        end = stop
    yield Piece("text" if end else "folder", name[end:])


def _parameters(name: str, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    """The parameters in a name, each key once; times and steps are none."""
    found: dict[str, re.Match[str]] = {}
    for each in pattern.finditer(name):
        key = each["name"] or each.groupdict().get("plain") or ""
        # In field_t=0.5 the last word says what the number is.
        if not STEP_WORD.fullmatch(key.rpartition("_")[2]) and key not in found:
            found[key] = each
    return list(found.values())


def with_step_folders(files: list[NamedFile]) -> list[NamedFile]:
    """The files, with the number of the last folder apart where that is a moment: step_10/rho.npy."""
    folders = [at for at, piece in enumerate(files[0].pieces) if piece.kind == "folder"]
    if not folders:
        return files
    last = folders[-1]
    found = [_STEP_FOLDER.fullmatch(file.text(last)) for file in files]
    if not all(found) or len({each["word"] for each in found if each}) > 1:
        return files
    return [
        NamedFile(
            file.path,
            (
                *file.pieces[:last],
                Piece("text", each["word"]),
                Piece("number", each["number"]),
                *file.pieces[last + 1 :],
            ),
        )
        for file, each in zip(files, found, strict=True)
        if each
    ]


def largest_family(files: Iterable[NamedFile]) -> list[NamedFile]:
    """The files that look most alike, with those that differ from them in one word; that word is cut out."""
    families: dict[tuple[str, ...], list[NamedFile]] = {}
    for file in files:
        families.setdefault(file.family, []).append(file)
    chosen = max(families.values(), key=len)
    at, alike = _differing_in_a_word(chosen, families.values())
    if at is None:
        return _in_order(chosen)
    start, end = common_ends([each[0].text(at) for each in alike])
    return _in_order([file.cut(at, start, end) for file in chain.from_iterable(alike)])


def _in_order(files: list[NamedFile]) -> list[NamedFile]:
    return sorted(files, key=lambda file: natural(file.path.as_posix()))


def _differing_in_a_word(
    chosen: list[NamedFile], families: Iterable[list[NamedFile]]
) -> tuple[int | None, list[list[NamedFile]]]:
    """Where most families differ from the chosen one in a text alone, and these families: with mostly the
    same numbers, and as many folders.
    """
    own = chosen[0].family
    found: dict[int, list[list[NamedFile]]] = {}
    for each in families:
        other = each[0].family
        differ = [at for at, (a, b) in enumerate(zip(own, other, strict=False)) if a != b]
        same_suffix = each[0].path.suffix == chosen[0].path.suffix
        if len(own) == len(other) and len(differ) == 1 and same_suffix and _are_as_many(chosen, each):
            found.setdefault(differ[0], []).append(each)
    at = max(found, key=lambda place: len(found[place]), default=None)
    return at, [chosen, *(found[at] if at is not None else [])]


def _are_as_many(first: list[NamedFile], second: list[NamedFile]) -> bool:
    """Whether most numbers of one family are in the other: a lost file makes them no strangers."""

    common = len(_numbers(first) & _numbers(second))
    return 2 * common > max(len(_numbers(first)), len(_numbers(second)))


def _numbers(files: list[NamedFile]) -> set[tuple[str, ...]]:
    """The numbers in the name of each file."""
    places = [at for at, piece in enumerate(files[0].pieces) if piece.kind == "number"]
    return {file.texts(places) for file in files}


@dataclass(frozen=True)
class Arrangement:
    """Files of one family, in order; what differs between them names runs, variables and moments."""

    files: list[NamedFile]

    @cached_property
    def varying(self) -> list[int]:
        """The pieces of the path that differ."""
        places = range(len(self.files[0].pieces))
        return [at for at in places if len({file.text(at) for file in self.files}) > 1]

    @property
    def last_number(self) -> int | None:
        """The last number that differs."""
        return max((at for at in self.varying if self._is(at, "number")), default=None)

    @property
    def _folders(self) -> list[int]:
        return [at for at, piece in enumerate(self.files[0].pieces) if piece.kind == "folder"]

    def _is(self, at: int, kind: str) -> bool:
        return self.files[0].pieces[at].kind == kind

    @cached_property
    def variable(self) -> int | None:
        """The piece that names variables: a word, or a folder that is called by a field."""
        for at in self.varying:
            words = sorted({file.text(at) for file in self.files})
            fields = self._is(at, "folder") and all(FIELD_NAME.fullmatch(word) for word in words)
            if (self._is(at, "word") or fields) and are_variables(self._firsts(at), words):
                return at
        return None

    def _firsts(self, at: int) -> list[Path]:
        """A file for each text of a piece."""
        firsts: dict[str, Path] = {}
        for file in sorted(self.files, key=lambda file: file.text(at)):
            firsts.setdefault(file.text(at), file.path)
        return list(firsts.values())

    def contents(self) -> FolderContents:
        """The pattern, and how many runs, variables and moments there are."""
        apart = [at for at in self.varying if at not in (self.variable, self.last_number)]
        largest = max(self._grouped(apart).values(), key=len)
        variables = self._by_variable(largest)
        one = max(variables.values(), key=len)
        kind = self._kind(one, len(variables))
        if kind in ("runs", "variables"):
            apart = [at for at in self.varying if at != self.variable]
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
            series=self._moments(largest, len(variables)) if kind == "states" else (),
            parameters=tuple((each.name, each.text) for each in self.files[0].pieces if each.name),
            doubt=self._doubt(),
        )

    def _grouped(self, pieces: Sequence[int]) -> dict[tuple[str, ...], list[NamedFile]]:
        """The files by these pieces of their paths."""
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
        """What the files are that differ in the last number alone."""
        found: Kind = "runs"
        if self.last_number is not None and len(files) > 1:
            _refuse_tiles(files, self.last_number)
            found = kind_of_numbered([file.path for file in files[:2]])
        return "variables" if found == "runs" and variables > 1 else found

    def _pattern(self, kind: Kind, apart: list[int]) -> str:
        """The names of all files, with a named part, or a *, for each piece that differs."""
        if not self.varying and not any(piece.name for piece in self.files[0].pieces):
            return f"{'*/' * len(self._folders)}*{self.files[0].path.suffix}"
        parts: dict[int, str] = {}
        for number, at in enumerate(apart):
            parts[at] = "*" if kind == "runs" else f"{{run{number + 1 if number else ''}}}"
        if self.variable is not None:
            parts[self.variable] = f"{{{VARIABLE}}}"
        if self.last_number is not None and self.last_number not in parts:
            parts[self.last_number] = f"{{{LAST_NUMBER[kind]}}}"
        parts |= {at: f"{{{piece.name}}}" for at, piece in enumerate(self.files[0].pieces) if piece.name}
        return "".join(parts.get(at, piece.text) for at, piece in enumerate(self.files[0].pieces))

    def _moments(self, files: list[NamedFile], variables: int) -> tuple[tuple[Path, ...], ...]:
        """The files of each moment, one for each variable; moments that lack one are left out."""
        assert self.last_number is not None
        moments: dict[str, list[Path]] = {}
        for file in files:
            moments.setdefault(file.text(self.last_number), []).append(file.path)
        return tuple(tuple(paths) for paths in moments.values() if len(paths) == variables)

    def _doubt(self) -> str:
        """What a person must look at: words that were taken for runs."""
        for at in self.varying:
            if self._is(at, "word") and at != self.variable:
                return doubt_of_runs(self._firsts(at), sorted({file.text(at) for file in self.files}))
        return ""


def _refuse_tiles(files: list[NamedFile], number: int) -> None:
    """Raises SourceError where numbered files are tiles of one grid: a model would learn their edges."""
    first = files[0].path
    with open_arrays(located(first)) as arrays:
        marks = TILE_ATTRIBUTES & set(arrays.attributes(""))
    if marks or TILE_NAME.search(files[0].text(number - 1)):
        raise SourceError(
            f"{first.parent}: {first.name} and {len(files) - 1} more are tiles of one grid; expected "
            "the whole grid in a file; put them together first (mppnccombine, gluemncbig, xarray)"
        )
