"""Finds parameters in names of folders that differ, by short symbols: Rm200_Pm0.5, TCV_q3.5."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ingest.contents.numbered_arrays import RUN_WORD, STEP_WORD
from ingest.contents.parameters import PHYSICS, looks_like_physics
from ingest.inspecting.named_files import NamedFile, NamePart
from ingest.inspecting.pieces_of_states import PIECE_WORD
from ingest.name_numbers import parameter_number
from ingest.name_pattern import OF_ONE_RUN

# Letters and a number, with a unit behind or without: q3.5, Pm_0p5, B0.1T. The symbol of Hm0_1.5 is Hm0.
_SYMBOL = re.compile(
    r"(?a:(?<![A-Za-z0-9.])(?P<name>[A-Za-z]+(?:\d(?=[-_]\d))?)[-_]?"
    r"(?P<number>\d{1,7}(?:[.p]\d+)?(?:[eE][-+]?\d+)?)"
    r"(?=[A-Za-z]{0,3}(?![A-Za-z0-9.])))"
)


def with_symbols(files: Sequence[NamedFile], places: Iterable[int]) -> list[NamedFile]:
    """The files with the numbers behind symbols as parts of their folders at these places, where all of the
    folders differ in such numbers alone.
    """
    found = list(files)
    # From the right, so that places on the left stay.
    for at in sorted(places, reverse=True):
        folders = [list(_parts(file.text(at))) for file in found]
        if _differ_in_parameters(folders):
            found = [file.divided(at, parts) for file, parts in zip(found, folders, strict=True)]
    return found


def _differ_in_parameters(folders: Sequence[Sequence[NamePart]]) -> bool:
    """Whether the names of folders differ in the numbers behind symbols alone, and all of these may be
    parameters.
    """
    forms = {tuple(part.name or part.text for part in parts) for parts in folders}
    if len(forms) > 1:
        return False
    of_symbols = [numbers for numbers in zip(*folders, strict=True) if numbers[0].name]
    return bool(of_symbols) and all(map(_are_of_physics, of_symbols))


def _parts(folder: str) -> Iterator[NamePart]:
    """The parts of the name of a folder, each symbol once; a name with nothing behind it is no part."""
    end, names = 0, set[str]()
    for each in _SYMBOL.finditer(folder):
        if each["name"] not in names:
            names.add(each["name"])
            yield NamePart("text", folder[end : each.start("number")])
            yield NamePart("symbol", each["number"], each["name"])
            end = each.end("number")
    yield NamePart("text", folder[end:])


def _are_of_physics(numbers: Sequence[NamePart]) -> bool:
    """Whether the numbers behind one symbol may be a parameter: they count no runs, pieces or states."""
    name = numbers[0].name
    values = sorted({parameter_number(part.text) for part in numbers})
    is_word = any(word.fullmatch(name) for word in (RUN_WORD, STEP_WORD, PIECE_WORD))
    # a0, a1, a2: folders that somebody counted.
    is_count = len(values) > 1 and values in (list(range(len(values))), list(range(1, len(values) + 1)))
    if is_word or name in OF_ONE_RUN or (is_count and name.lower() not in PHYSICS):
        return False
    return any(looks_like_physics(name, value) for value in values)
