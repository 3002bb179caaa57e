"""Splits names of files into folders, words, numbers and parameters, and finds similar names.

See docs/decisions/0093, and docs/decisions/0168 for numbers in folders.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from ingest.contents.numbered_arrays import STEP_WORD
from ingest.contents.parameters import IN_FILES, IN_FOLDERS, PHYSICS
from ingest.formats.natural_sort import natural
from ingest.inspecting.dates_and_steps import DATE_AND_NUMBER
from ingest.inspecting.variable_files import common_ends
from ingest.name_pattern import DATE, OF_ONE_RUN
from shards.schema import split_called

# The years of a file: 195001-195912.
_SPAN = r"(?<!\d)(?:1[5-9]|2[0-3])\d{2,10}-(?:1[5-9]|2[0-3])\d{2,10}(?!\d)"
# A date is one number, and so is a fraction: data_0.500000, rho_0.5s. Behind a word a long fraction is one
# of its own: out2.00010 is state 10 of output 2. So is one with 1d, 2d, 3d: out.1.2d.
_NUMBER = re.compile(
    rf"{_SPAN}|{DATE}|(?<!\d)\d{{1,3}}p\d{{1,4}}(?![A-Za-z0-9])"
    rf"|(?:(?<![A-Za-z0-9.])|(?<=[-_.]t)|(?<=time))\d+\.(?!{DATE})\d+(?:[eE][+-]?\d+)?(?=[-_/.A-Za-z])"
    rf"|\d+(?:\.(?!{DATE}|[123][dD])\d{{1,4}}(?=[-_/.A-Za-z]))?"
)
# The number of a component, u1_0001 or bcc2.0001, is part of the name.
_COMPONENT = re.compile(r"(?<![A-Za-z])(?:vel|mom|bcc|vx|bx|b|v|u|m)[123](?=[-_.][A-Za-z=]*\d+[-_.])")
# So is that of axes: yelmo2D.nc.
_AXES = re.compile(r"(?<!\d)[123][Dd](?![A-Za-z0-9])")
# Re, Pr, Ra, nu.
LONGEST_SYMBOL = 3
# A folder of one moment, as 0001, t=0.5, step_10.
STEP_FOLDER = re.compile(rf"(?P<word>(?:{STEP_WORD.pattern})?[-_=]?)(?P<number>\d+(?:\.\d+)?)", re.IGNORECASE)
# A folder with a number at its end, as leg0, restart_1, output001.
NUMBERED_FOLDER = re.compile(r"(?P<word>.*?[A-Za-z][-_]?)(?P<number>\d{1,6})")
# A folder called by a year; in it, others by a month and a day.
_YEAR, _TWO_DIGITS = re.compile(r"(?:1[89]|20)\d\d", re.ASCII), re.compile(r"\d\d", re.ASCII)
# The text of a number that is a span of years or dates.
SPAN = re.compile(_SPAN)
# A word that is a split where others are in its place.
_WORD = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]+(?![A-Za-z0-9])")

# A word that stands alone.
_BEFORE, _BEHIND = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
Kind = Literal["text", "folder", "word", "number", "parameter", "symbol", "date", "split"]


@dataclass(frozen=True)
class NamePiece:
    """A part of a path: its kind, its text, and the name of a parameter."""

    kind: Kind
    text: str
    name: str = ""


@dataclass(frozen=True)
class NamedFile:
    """A file, and the parts of its path below the folder."""

    path: Path
    pieces: tuple[NamePiece, ...]

    @property
    def family(self) -> tuple[str, ...]:
        """The path without folders and numbers; it is the same for all files of one solver."""
        return tuple(piece.text if piece.kind == "text" else piece.kind for piece in self.pieces)

    def text(self, at: int) -> str:
        return self.pieces[at].text

    def word_before(self, at: int) -> str:
        """The letters before a number: `step` in run1/step_0010.h5."""
        before = self.text(at - 1) if at else ""
        if at > 1 and self.pieces[at - 2].kind == "split":
            before = self.text(at - 2) + before
        found = re.search(rf"{_BEFORE}([A-Za-z]+)[-_=.#]*$", before)
        return found[1] if found else ""

    def texts(self, places: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.text(at) for at in places)

    def cut(self, at: int, start: int, end: int) -> NamedFile:
        """The same file with a text cut in three: a variable word between `start` and `end` letters."""
        text = self.text(at)
        stop = len(text) - end
        parts = (
            NamePiece("text", text[:start]),
            NamePiece("word", text[start:stop]),
            NamePiece("text", text[stop:]),
        )
        return NamedFile(self.path, (*self.pieces[:at], *parts, *self.pieces[at + 1 :]))


@dataclass(frozen=True)
class NameReading:
    """How the names of all files of a folder are read.

    `numbers`: those in names of files do. `steps_behind_dates`: a number behind a date is a step and not a
    time of day. `date_folders`: folders are years, months and days. `splits`: words are splits.
    """

    numbers: bool = True
    steps_behind_dates: bool = False
    date_folders: bool = False
    splits: bool = False


def taken_apart(folder: Path, path: Path, reading: NameReading) -> NamedFile:
    """Splits the path of a file below a folder."""
    pieces: list[NamePiece] = []
    folders = path.relative_to(folder).parts[:-1]
    dates = folders_of_date(folders) if reading.date_folders else range(0)
    for at, name in enumerate(folders):
        found = [NamePiece("date", name)] if at in dates else pieces_of_folder(name)
        pieces += [*found, NamePiece("text", "/")]
    name, end = path.name, 0
    for (start, stop), kind, key in sorted(_spans(folders, name, reading)):
        pieces += [NamePiece("text", name[end:start]), NamePiece(kind, name[start:stop], key)]
        end = stop
    return NamedFile(path, (*pieces, NamePiece("text", name[end:])))


def _spans(
    folders: Sequence[str], name: str, reading: NameReading
) -> Iterator[tuple[tuple[int, int], Kind, str]]:
    """Yields the parts of the name of a file that are no plain text: place, kind, name of a parameter."""
    named = [_span_and_name(each) for each in _parameters(name, IN_FILES)]
    kept = [each.span() for each in chain(_COMPONENT.finditer(name), _AXES.finditer(name))]
    kept += [span for span, _ in named]
    # Of snapshots_Ra100 in both, the parameter says more.
    repeated = [span for span in _repeated(folders, name) if not any(_overlap(span, each) for each in kept)]
    for span, key in named:
        yield span, "parameter", key
    for span in repeated:
        yield span, "folder", ""
    kept += repeated
    if reading.numbers:
        for span in _spans_of_numbers(name, dates_with_steps=reading.steps_behind_dates):
            if not _is_inside(span, kept):
                yield span, "number", ""
    if reading.splits:
        for word in _WORD.finditer(name):
            if split_called(word[0]) and not _is_inside(word.span(), kept):
                yield word.span(), "split", ""


def folders_of_date(folders: Sequence[str]) -> range:
    """The places of the folders that are a year, and in it a month and a day.

    >>> folders_of_date(["era5", "2020", "01"]), folders_of_date(["run_2020"])
    (range(1, 3), range(0, 0))
    """
    start = next((at for at, name in enumerate(folders) if _YEAR.fullmatch(name)), None)
    if start is None:
        return range(0)
    end = start + 1
    # A month and a day.
    while end < min(len(folders), start + 3) and _TWO_DIGITS.fullmatch(folders[end]):
        end += 1
    return range(start, end)


def reading_of_names(folder: Path, found: Sequence[Path], *, steps_behind_dates: bool) -> NameReading:
    """How the names of these files are read: all are in folders of dates; their words are several splits."""
    places = [path.relative_to(folder).parts for path in found]
    words: set[str] = set()
    for *_, name in places:
        words.update(split for word in _WORD.findall(name) if (split := split_called(word)))
    return NameReading(
        steps_behind_dates=steps_behind_dates,
        date_folders=all(folders_of_date(parts[:-1]) for parts in places),
        splits=len(words) > 1,
    )


def _spans_of_numbers(name: str, *, dates_with_steps: bool) -> Iterator[tuple[int, int]]:
    """The places of numbers; where a number behind a date is a step, date and step are two."""
    pairs = list(DATE_AND_NUMBER.finditer(name)) if dates_with_steps else []
    for pair in pairs:
        yield pair.span("date")
        yield pair.span("number")
    for number in _NUMBER.finditer(name):
        if not _is_inside(number.span(), [pair.span() for pair in pairs]):
            yield number.span()


def _repeated(folders: Sequence[str], name: str) -> list[tuple[int, int]]:
    """The places where the name repeats a folder: alpha/density_alpha.nc; a number alone does not count."""
    named = [folder for folder in folders if re.search(r"[A-Za-z]", folder) and "=" not in folder]
    found = [re.search(rf"{_BEFORE}{re.escape(folder)}{_BEHIND}", name) for folder in dict.fromkeys(named)]
    spans = sorted(each.span() for each in found if each)
    return [span for at, span in enumerate(spans) if not _is_inside(span, spans[:at])]


def _is_inside(span: tuple[int, int], others: Iterable[tuple[int, int]]) -> bool:
    return any(start <= span[0] < stop for start, stop in others)


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def pieces_of_folder(name: str) -> Iterator[NamePiece]:
    """The parts of a folder: the whole name, or its parameters and other numbers, as in Re=100_seed3."""
    found = [_span_and_name(each) for each in _parameters(name, IN_FOLDERS)]
    if not found:
        yield NamePiece("folder", name)
        return
    kept = [span for span, _ in found]
    numbers = [each.span() for each in _NUMBER.finditer(f"{name}/") if not _is_inside(each.span(), kept)]
    end = 0
    for (start, stop), key in sorted([*found, *((span, "") for span in numbers)]):
        yield NamePiece("text", name[end:start])
        yield NamePiece("parameter" if key else "number", name[start:stop], key)
        end = stop
    yield NamePiece("text", name[end:])


def _span_and_name(found: re.Match[str]) -> tuple[tuple[int, int], str]:
    """The place of the number of a parameter, and its name."""
    return found.span("value" if found["name"] else "number"), _parameter_name(found)


def _parameter_name(found: re.Match[str]) -> str:
    """The name of a parameter: of flow_Re=100 the symbol Re, of inlet_temperature=300 the whole."""
    name: str = found["name"] or found["plain"]
    last = name.rpartition("_")[2]
    return last if len(last) <= LONGEST_SYMBOL and last.lower() in PHYSICS else name


def _parameters(name: str, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    """The parameters in a name, each key once; times and steps do not count."""
    found: dict[str, re.Match[str]] = {}
    for each in pattern.finditer(name):
        key = _parameter_name(each)
        # In field_t=0.5 the last word says what the number is; {piece} has a meaning of its own.
        is_parameter = not STEP_WORD.fullmatch(key.rpartition("_")[2]) and key not in OF_ONE_RUN
        if is_parameter and key not in found:
            found[key] = each
    return list(found.values())


def with_numbered_folders(files: list[NamedFile], form: re.Pattern[str]) -> list[NamedFile]:
    """The files with the number of the last folder that differs as a part, if its name has this form:
    step_10/rho.npy, leg0/out.h5.
    """
    folders = [at for at, piece in enumerate(files[0].pieces) if piece.kind == "folder"]
    differ = [at for at in folders if len({file.text(at) for file in files}) > 1]
    if not differ:
        return files
    last = differ[-1]
    found = [form.fullmatch(file.text(last)) for file in files]
    if not all(found) or len({each["word"] for each in found if each}) > 1:
        return files
    return [
        NamedFile(
            file.path,
            (
                *file.pieces[:last],
                NamePiece("text", each["word"]),
                NamePiece("number", each["number"]),
                *file.pieces[last + 1 :],
            ),
        )
        for file, each in zip(files, found, strict=True)
        if each
    ]


def largest_family(files: Iterable[NamedFile]) -> list[NamedFile]:
    """The largest family of similar files, with families that differ from it in one word."""
    families: dict[tuple[str, ...], list[NamedFile]] = {}
    for file in files:
        families.setdefault(file.family, []).append(file)
    # Of families of equal numbers, the larger files are rather the data: u.npz next to times.npy.
    chosen = max(families.values(), key=lambda held: (len(held), _bytes(held[0].path)))
    at, alike = _differing_in_a_word(chosen, families.values())
    if at is None:
        return _in_order(chosen)
    start, end = common_ends([each[0].text(at) for each in alike])
    files = [file.cut(at, start, end) for file in chain.from_iterable(alike)]
    return _in_order(_with_two_words(files, at + 1))


def _with_two_words(files: list[NamedFile], at: int) -> list[NamedFile]:
    """The files with a word as two, if each beginning of it is there with each end: alfa_u, alfa_v, beta_u,
    beta_v.
    """
    halves = [re.fullmatch(r"(.+)([-_.])([^-_.]+)", file.text(at)) for file in files]
    found = [
        (NamePiece("word", each[1]), NamePiece("text", each[2]), NamePiece("word", each[3]))
        for each in halves
        if each
    ]
    begins, ends = {begin for begin, _, _ in found}, {end for _, _, end in found}
    is_product = len(begins) * len(ends) == len({file.text(at) for file in files})
    if len(found) < len(files) or min(len(begins), len(ends)) < 2 or not is_product:
        return files
    return [
        NamedFile(file.path, (*file.pieces[:at], *each, *file.pieces[at + 1 :]))
        for file, each in zip(files, found, strict=True)
    ]


def _bytes(path: Path) -> float:
    """The size of a file; a zarr store, which is a folder, counts as large."""
    return math.inf if path.is_dir() else path.stat().st_size


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
    """Whether most numbers of one family are in the other too; a few files may be missing."""
    common = len(_numbers(first) & _numbers(second))
    return 2 * common > max(len(_numbers(first)), len(_numbers(second)))


def _numbers(files: list[NamedFile]) -> set[tuple[str, ...]]:
    """The numbers in the name of each file."""
    places = [at for at, piece in enumerate(files[0].pieces) if piece.kind == "number"]
    return {file.texts(places) for file in files}
