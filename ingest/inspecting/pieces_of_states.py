"""Finds whether states in several folders are pieces of one run, as restart0/out_1.h5, restart1/out_5.h5.

The reasons are in docs/decisions/0183-pieces-of-states.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from ingest.fields.overlaps import SAME_TIME
from ingest.fields.reference_dates import in_unit
from ingest.formats.natural_sort import natural
from ingest.inspecting.file_times import times_of
from ingest.inspecting.folder_names import NUMBERED_FOLDER
from ingest.inspecting.named_files import NamedFile
from ingest.name_numbers import step_number
from shards.errors import SourceError

# Numbers behind these words count pieces of a run.
PIECE_WORD = re.compile(
    r"s|parts?|pieces?|seg(ment)?s?|legs?|re?starts?|chunks?|hist?(ory)?|files?|outputs?|stages?",
    re.IGNORECASE,
)
# The most runs, and the most pieces of each, whose times are read.
MOST_RUNS, MOST_PIECES = 4, 8

# Whether the times of files say that they are pieces: for sure, or perhaps.
Certainty = Literal["no", "perhaps", "yes"]


@dataclass(frozen=True)
class _PieceTimes:
    """The first and the last time of a piece, its mean step, and whether its files state them."""

    first: float
    last: float
    step: float
    stated: bool


def piece_word(file: NamedFile, at: int) -> str:
    """The word that may say that a part of a path counts pieces: `restart` of the folder restart0; empty
    for none.
    """
    found = NUMBERED_FOLDER.fullmatch(file.text(at))
    return found["word"].rstrip("-_") if found else file.word_before(at)


def are_pieces(files: Sequence[NamedFile], rest: Sequence[int], at: int, step: int) -> Certainty:
    """Whether the times of each run go on from one text of a part of its names to the next.

    The parts `rest` tell runs apart, the number `step` counts states. A restart may write some times again;
    behind other words than those of pieces each must begin where the one before ends.
    """
    runs: dict[tuple[str, ...], dict[str, list[NamedFile]]] = {}
    for file in files:
        runs.setdefault(file.texts(rest), {}).setdefault(file.text(at), []).append(file)
    several = [pieces for pieces in runs.values() if len(pieces) > 1]
    is_word = PIECE_WORD.fullmatch(piece_word(files[0], at)) is not None
    is_stated = True
    for pieces in several[:MOST_RUNS]:
        in_order = [pieces[text] for text in sorted(pieces, key=natural)[:MOST_PIECES]]
        times = _times_of_pieces(in_order, step)
        if not times or not all(_goes_on(*pair, may_repeat=is_word) for pair in pairwise(times)):
            return "no"
        is_stated = is_stated and times[0].stated
    if not several:
        return "no"
    return "yes" if is_word and is_stated else "perhaps"


def _times_of_pieces(pieces: Sequence[Sequence[NamedFile]], step: int) -> list[_PieceTimes]:
    """The times of the pieces of a run, those in its files or else the numbers of its states; none if some
    are unknown.
    """
    ends = []
    for files in pieces:
        in_order = sorted(files, key=lambda file: step_number(file.text(step)))
        ends.append((in_order[0], in_order[-1], len({file.text(step) for file in files})))
    unit = times_of(ends[0][0].path).unit
    found = []
    for first, last, count in ends:
        times = [*_times(first.path, unit), *_times(last.path, unit)]
        stated = bool(times)
        numbers = times or [step_number(file.text(step)) for file in (first, last)]
        mean = (numbers[-1] - numbers[0]) / max(1, count - 1)
        found.append(_PieceTimes(numbers[0], numbers[-1], mean, stated))
    return found if len({each.stated for each in found}) == 1 else []


def _times(path: Path, unit: str) -> tuple[float, ...]:
    """The times of a file in this unit; none that nobody can compare."""
    found = times_of(path)
    try:
        return in_unit(found.times, found.unit, unit, str(path))
    except SourceError:
        return ()


def _goes_on(before: _PieceTimes, after: _PieceTimes, *, may_repeat: bool) -> bool:
    """Whether a piece begins where the one before ends, at its last time or a step later."""
    step = max(before.step, after.step)
    earliest = before.first if may_repeat else before.last
    begins = earliest - SAME_TIME * step <= after.first <= before.last + 1.5 * step
    return step > 0 and begins and after.first > before.first and after.last > before.last
