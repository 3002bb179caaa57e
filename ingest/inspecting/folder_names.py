"""Splits names of folders into parameters, dates, and numbers that count moments or pieces of a run.

See docs/decisions/0168-pieces-in-folders.md for numbers in folders.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from ingest.contents.numbered_arrays import STEP_WORD
from ingest.contents.parameters import IN_FOLDERS
from ingest.inspecting.named_files import NamedFile, NamePart
from ingest.inspecting.numbers_in_names import NUMBER, parameters_in, starts_inside

# A folder of one moment, as 0001, t=0.5, step_10.
STEP_FOLDER = re.compile(rf"(?P<word>(?:{STEP_WORD.pattern})?[-_=]?)(?P<number>\d+(?:\.\d+)?)", re.IGNORECASE)
# A folder with a number at its end, as leg0, restart_1, output001.
NUMBERED_FOLDER = re.compile(r"(?P<word>.*?[A-Za-z][-_]?)(?P<number>\d{1,6})")
# A folder called by a year; in it, others by a month and a day.
_YEAR, _TWO_DIGITS = re.compile(r"(?:1[89]|20)\d\d", re.ASCII), re.compile(r"\d\d", re.ASCII)


def parts_of_folder(name: str, signed: Collection[str] = ()) -> Iterator[NamePart]:
    """The parts of a folder: the whole name, or its parameters and other numbers, as in Re=100_seed3."""
    parameters = parameters_in(name, IN_FOLDERS, signed)
    if not parameters:
        yield NamePart("folder", name)
        return
    taken = [span for span, _ in parameters]
    numbers = [each.span() for each in NUMBER.finditer(f"{name}/") if not starts_inside(each.span(), taken)]
    end = 0
    for (start, stop), key in sorted([*parameters, *((span, "") for span in numbers)]):
        yield NamePart("text", name[end:start])
        yield NamePart("parameter" if key else "number", name[start:stop], key)
        end = stop
    yield NamePart("text", name[end:])


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


def with_numbered_folders(files: list[NamedFile], form: re.Pattern[str]) -> list[NamedFile]:
    """The files with the number of the last folder that differs as a part, if its name has this form:
    step_10/rho.npy, leg0/out.h5.
    """
    folders = [at for at, part in enumerate(files[0].parts) if part.kind == "folder"]
    differ = [at for at in folders if len({file.text(at) for file in files}) > 1]
    if not differ:
        return files
    last = differ[-1]
    found = [each for file in files if (each := form.fullmatch(file.text(last)))]
    if len(found) < len(files) or len({each["word"] for each in found}) > 1:
        return files
    return [
        file.divided(last, (NamePart("text", each["word"]), NamePart("number", each["number"])))
        for file, each in zip(files, found, strict=True)
    ]
