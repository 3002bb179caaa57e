"""What a person must look at in the names of files: pieces that may be runs, parts of a grid."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ingest.contents.numbered_arrays import RUN_WORD
from ingest.contents.parameters import PHYSICS
from ingest.inspecting.file_times import frames_of
from ingest.inspecting.named_files import NamedFile
from ingest.inspecting.pieces_of_states import PIECE_WORD, Certainty, piece_word
from ingest.name_pattern import NamePattern

# Numbers behind these words tell processes apart, which may each write a part of the grid.
PROCESS_WORD = re.compile(r"rank|proc(ess(or)?)?|cpu|mpi|pe|core|thread", re.IGNORECASE)
# Numbers behind these words are none of moments.
NO_STEP_WORD = re.compile(rf"{RUN_WORD.pattern}|{PROCESS_WORD.pattern}", re.IGNORECASE)

_NUMBER = re.compile(r"[+-]?\d+([.p]\d+)?(e[+-]?\d+)?", re.IGNORECASE)
_AS_STATES = "write {step} there, and all axes of a file as axes of space"


def doubts_of_pieces(files: Sequence[NamedFile], at: int, are_pieces: Certainty) -> Iterator[str]:
    """What a person must look at where a part of the names of states may count pieces of runs."""
    word = piece_word(files[0], at) or "number"
    if are_pieces == "perhaps":
        yield (
            f"each {word} is taken for a piece of a run, because states go on from one to the next; if each "
            "is a run, write {run} for {piece}"
        )
    elif are_pieces == "no" and PIECE_WORD.fullmatch(word):
        yield f"each {word} is taken for a run; if one run goes on in them, write {{piece}} there"


def doubts_of_runs(files: Sequence[NamedFile], at: int, *, has_words: bool, is_date: bool) -> Iterator[str]:
    """What a person must look at where each number in the names of files is taken for a run.

    It may count pieces of one run: no word says `run`, it has no fraction.
    """
    if is_date:
        yield "files called by dates are taken for runs; if one run goes on in them, write {piece} there"
        return
    word = files[0].word_before(at)
    is_whole = all(file.text(at).lstrip("+-").isdecimal() for file in files)
    if is_whole and not has_words and not NO_STEP_WORD.fullmatch(word):
        yield (
            f"each {word or 'file'} is taken for a run; if one run goes on in them, write {{piece}} there, "
            'and offset = "previous" in [time] if times begin again'
        )
        if _may_be_states(files):
            yield f"if each is a state of one run, {_AS_STATES}"


def doubts_of_signs(files: Sequence[NamedFile], places: Sequence[int]) -> Iterator[str]:
    """What a person must look at where every number of a parameter has a dash before it."""
    for at in places:
        part = files[0].parts[at]
        if part.kind == "parameter" and at and files[0].text(at - 1).endswith("-"):
            form = f"{part.name}{{{part.name}}}"
            said = f"the dash before {part.name} = {part.text} is taken for no sign"
            yield f"{said}; if it is one, write {form}"


def doubts_of_values(files: Sequence[NamedFile], places: Sequence[int]) -> Iterator[str]:
    """What a person must look at where arrays without names differ in a value that may be a time.

    It may be in z=0.5, but not in Re=100, which is a number of the physics.
    """
    first = files[0]
    names = [first.parts[at].name for at in places]
    may_be_times = [name for name in names if name and name.rpartition("_")[2].lower() not in PHYSICS]
    if not may_be_times or not _may_be_states(files):
        return
    for name in may_be_times:
        yield f"each {name} is taken for a run; if it counts the states of one, {_AS_STATES}"


def _may_be_states(files: Sequence[NamedFile]) -> bool:
    """Whether each file is an array without a name or a list of times, which may be a volume."""
    return all(file.path.suffix.lower() == ".npy" for file in files) and frames_of(files[0].path) == 1


def doubts_of_odd_names(pattern: str, names: Sequence[str]) -> Iterator[str]:
    """What a person must look at where some names have a word in the place of a number: run_std next to
    run_1, run_2; a copy, a mean, or an old run.
    """
    named = NamePattern(NamePattern(pattern).told_apart)
    parts = [named.match_end(name) or {} for name in names]
    for part in named.parts:
        texts = {each.get(part, "") for each in parts}
        numbers = {text for text in texts if _NUMBER.fullmatch(text)}
        odd = [name for name, each in zip(names, parts, strict=True) if each.get(part) in texts - numbers]
        if len(numbers) > 1 and odd and len(odd) < len(names):
            yield (
                f"{', '.join(odd[:5])} may be a copy, a mean or an old run: the others have a number alone "
                "there; move it away if so"
            )


def doubts_of_processes(files: Sequence[NamedFile], places: Sequence[int]) -> Iterator[str]:
    """What a person must look at where files may each hold a part of the grid."""
    for at in places:
        word = files[0].word_before(at)
        if files[0].parts[at].kind == "number" and PROCESS_WORD.fullmatch(word):
            yield (
                f"files differ in {word}, and are taken for runs; if each holds a part of the grid, put "
                "them together first"
            )
