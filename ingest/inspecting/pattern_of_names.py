"""Writes the names of arranged files as one pattern, with a named part for what differs."""

from __future__ import annotations

import re
from itertools import count

from ingest.contents.numbered_arrays import RUN_WORD, STEP_WORD
from ingest.inspecting.file_arrangement import FileArrangement
from ingest.inspecting.folder_contents import Kind, NamedParameter
from ingest.name_pattern import OF_ONE_RUN, PIECE, PIECES, STEP, TILE, VARIABLE, with_plain_suffix
from shards.schema import split_called

# What a parameter in a name may be.
PLAIN_NUMBER = re.compile(r"\d{1,7}([.p]\d+)?([eE][-+]?\d+)?")
LAST_NUMBER: dict[Kind, str] = {"states": STEP, "pieces": PIECE, "variables": "run", "runs": "run"}


def pattern_of(arranged: FileArrangement, kind: Kind, of_runs: list[int]) -> str:
    """The names of all files, with a named part, or a *, for each part that differs.

    The parts `of_runs` tell runs apart. A * is written only where each file is a run, and for the date of a
    step: in other places it hides files next to a named part. Decision 0148.
    """
    first = arranged.first
    if not arranged.varying and not any(part.name for part in first.parts):
        depth = sum(part.text == "/" for part in first.parts)
        return f"{'*/' * depth}*{with_plain_suffix(first.path.suffix)}"
    holes = _holes_of_runs(arranged, kind, of_runs)
    if arranged.variable is not None:
        holes[arranged.variable] = f"{{{VARIABLE}}}"
    if arranged.last_number is not None and arranged.last_number not in holes:
        holes |= _holes_of_moment(arranged, kind)
    if arranged.tile is not None:
        holes[arranged.tile] = f"{{{TILE}}}"
    for at in arranged.of_same_moment:
        holes.setdefault(at, "*")
    for at in arranged.varying:
        repeated = arranged.first_like(at)
        if repeated in holes:
            holes.setdefault(at, holes[repeated])
    return "".join(holes.get(at, part.text) for at, part in enumerate(first.parts))


def parameters_of(arranged: FileArrangement, of_runs: list[int]) -> tuple[NamedParameter, ...]:
    """The numbers in the names that may be parameters, each once."""
    found: dict[str, NamedParameter] = {}
    for at, name in _names(arranged, of_runs).items():
        part = arranged.first.parts[at]
        is_number = part.kind == "number" and PLAIN_NUMBER.fullmatch(part.text)
        if part.name or (is_number and name.rstrip("0123456789") != "run"):
            found[name] = NamedParameter(name, part.text, part.kind == "parameter")
    return tuple(found.values())


def _holes_of_runs(arranged: FileArrangement, kind: Kind, of_runs: list[int]) -> dict[int, str]:
    """The named parts that tell runs apart; a * for each if each file is a run and no name says more."""
    names = _names(arranged, of_runs)
    each_is_a_run = kind == "runs" and arranged.variable is None and arranged.tile is None
    name_no_more = set(names) == set(of_runs) and all(
        name.startswith(("run", "split")) for name in names.values()
    )
    if each_is_a_run and name_no_more:
        return dict.fromkeys(names, "*")
    return {at: f"{{{name}}}" for at, name in names.items()}


def _holes_of_moment(arranged: FileArrangement, kind: Kind) -> dict[int, str]:
    """The named parts for the last number and for pieces, in the order in which they count."""
    *before, last = PIECES[: len(arranged.pieces) + 1]
    own = last if kind == "pieces" else LAST_NUMBER[kind]
    holes = {at: f"{{{name}}}" for at, name in zip(arranged.pieces, before, strict=True)}
    counting = [at for at in arranged.varying if at == arranged.last_number or arranged.repeats_number(at)]
    return holes | {at: f"{{{own}}}" for at in counting}


def _names(arranged: FileArrangement, of_runs: list[int]) -> dict[int, str]:
    """What the pattern calls the parts that name a run, each differently: a parameter by its name, a number
    by the word before it, others `run`.
    """
    names: dict[int, str] = {}
    for at, part in enumerate(arranged.first.parts):
        if at in arranged.pieces or (not part.name and at not in of_runs):
            continue
        name = part.name or _word_of(arranged, at)
        same = [other for other, known in names.items() if known == name]
        if same and arranged.is_same(at, same[0]):
            names[at] = name
        else:
            numbered = (f"{name}{number if number > 1 else ''}" for number in count(1))
            names[at] = next(each for each in numbered if each not in names.values())
    return names


def _word_of(arranged: FileArrangement, at: int) -> str:
    """A name for a part that tells runs apart: `seed` for seed2, `split`, `run` if no word names it."""
    if arranged.kinds[at] != "number":
        return "split" if arranged.kinds[at] == "split" else "run"
    word = arranged.first.word_before(at)
    is_plain = not word or RUN_WORD.fullmatch(word) or STEP_WORD.fullmatch(word) or split_called(word)
    return "run" if (is_plain and word.lower() != "seed") or word in OF_ONE_RUN else word
