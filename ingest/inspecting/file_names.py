"""Splits the path of a file below a folder into its parts: folders, words, numbers and parameters.

See docs/decisions/0093-names-of-files.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ingest.contents.parameters import IN_FILES, IN_FOLDERS
from ingest.inspecting.folder_names import folders_of_date, parts_of_folder
from ingest.inspecting.named_files import NamedFile, NamePart, PartKind
from ingest.inspecting.numbers_in_names import (
    Span,
    numbers_in,
    overlap,
    parameters_in,
    signed_parameters,
    starts_inside,
)
from ingest.name_pattern import with_plain_suffix
from shards.schema import split_called

# The number of a component, u1_0001 or bcc2.0001, is part of the name.
_COMPONENT = re.compile(r"(?<![A-Za-z])(?:vel|mom|bcc|vx|bx|b|v|u|m)[123](?=[-_.][A-Za-z=]*\d+[-_.])")
# So is that of axes: yelmo2D.nc.
_AXES = re.compile(r"(?<!\d)[123][Dd](?![A-Za-z0-9])")
# A word that is a split where others are in its place.
_WORD = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]+(?![A-Za-z0-9])")


@dataclass(frozen=True)
class NameReading:
    """How the names of all files of a folder are read.

    `numbers`: those in names of files are parts. `steps_behind_dates`: a number behind a date is a step and
    not a time of day. `date_folders`: folders are years, months and days. `splits`: words are splits.
    `signed`: parameters whose number may have a sign.
    """

    numbers: bool = True
    steps_behind_dates: bool = False
    date_folders: bool = False
    splits: bool = False
    signed: frozenset[str] = frozenset()


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
        signed=signed_parameters(map("/".join, places), IN_FOLDERS),
    )


def taken_apart(folder: Path, path: Path, reading: NameReading) -> NamedFile:
    """Splits the path of a file below a folder."""
    parts: list[NamePart] = []
    *folders, name = path.relative_to(folder).parts
    name = with_plain_suffix(name)
    dates = folders_of_date(folders) if reading.date_folders else range(0)
    for at, each in enumerate(folders):
        found = [NamePart("date", each)] if at in dates else parts_of_folder(each, reading.signed)
        parts += [*found, NamePart("text", "/")]
    end = 0
    for (start, stop), kind, key in sorted(_spans(folders, name, reading)):
        parts += [NamePart("text", name[end:start]), NamePart(kind, name[start:stop], key)]
        end = stop
    return NamedFile(path, (*parts, NamePart("text", name[end:])))


def _spans(folders: Sequence[str], name: str, reading: NameReading) -> Iterator[tuple[Span, PartKind, str]]:
    """Yields the parts of the name of a file that are no plain text: place, kind, name of a parameter."""
    parameters = parameters_in(name, IN_FILES, reading.signed)
    taken = [span for span, _ in parameters]
    # Of snapshots_Ra100 in both, the parameter says more.
    repeated = [span for span in _repeated(folders, name) if not any(overlap(span, each) for each in taken)]
    taken += repeated
    taken += [each.span() for each in chain(_COMPONENT.finditer(name), _AXES.finditer(name))]
    for span, key in parameters:
        yield span, "parameter", key
    for span in repeated:
        yield span, "folder", ""
    if reading.numbers:
        for span in numbers_in(name, dates_with_steps=reading.steps_behind_dates):
            if not starts_inside(span, taken):
                yield span, "number", ""
    if reading.splits:
        for word in _WORD.finditer(name):
            if split_called(word[0]) and not starts_inside(word.span(), taken):
                yield word.span(), "split", ""


def _repeated(folders: Sequence[str], name: str) -> list[Span]:
    """The places where the name repeats a folder: alpha/density_alpha.nc; a number alone does not count."""
    named = [folder for folder in folders if re.search(r"[A-Za-z]", folder) and "=" not in folder]
    whole_words = (rf"(?<![A-Za-z0-9]){re.escape(folder)}(?![A-Za-z0-9])" for folder in dict.fromkeys(named))
    spans = sorted(found.span() for pattern in whole_words if (found := re.search(pattern, name)))
    return [span for at, span in enumerate(spans) if not starts_inside(span, spans[:at])]
