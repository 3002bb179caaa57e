"""Says what arranged files are: states of a run, pieces, variables or runs, and how many of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ingest.contents.parts_of_grid import require_no_tiles
from ingest.formats.natural_sort import natural
from ingest.inspecting.doubts import (
    doubts_of_pieces,
    doubts_of_processes,
    doubts_of_runs,
    doubts_of_signs,
    doubts_of_values,
)
from ingest.inspecting.file_arrangement import FileArrangement
from ingest.inspecting.file_times import kind_of_numbered
from ingest.inspecting.folder_contents import FolderContents, Kind
from ingest.inspecting.named_files import NamedFile
from ingest.inspecting.pattern_of_names import PLAIN_NUMBER, parameters_of, pattern_of
from ingest.inspecting.restarting_times import Restart, restart_of
from ingest.inspecting.variable_files import doubt_of_words
from ingest.name_numbers import is_date, step_number

_DIGIT = re.compile(r"\d")


def contents_of(arranged: FileArrangement) -> FolderContents:
    """The pattern, and the numbers of runs, variables and times."""
    of_moment = (arranged.last_number, *arranged.of_same_moment, *arranged.pieces)
    of_runs = [at for at in arranged.naming if at not in of_moment]
    tiles, one_run = _one_tile(arranged, _largest_run(arranged, of_runs))
    variables = _by_variable(arranged, one_run)
    # The largest file says most: a vector has an axis more.
    one_variable = max(variables.values(), key=lambda files: (len(files), files[0].path.stat().st_size))
    kind, restart = _kind(arranged, [file.path for file in one_variable])
    if kind == "runs" and len(variables) > 1:
        kind = "variables"
    goes_on = kind in ("states", "pieces")
    if not goes_on:
        # The last number tells runs apart as well.
        of_runs = arranged.naming
        variables = _by_variable(arranged, _largest_run(arranged, of_runs))
    members = tuple(files[0].path for files in variables.values()) if len(variables) > 1 else ()
    return FolderContents(
        kind,
        pattern_of(arranged, kind, of_runs),
        members[0] if members else one_variable[0].path,
        files=len(arranged.files),
        runs=len(arranged.grouped(of_runs)),
        members=members,
        variables=tuple(variables) if members else (),
        last=one_variable[-1].path if goes_on else None,
        tiles=tiles,
        series=_moments(arranged, one_run, len(variables)) if kind == "states" else (),
        parameters=parameters_of(arranged, of_runs),
        date_or_step=goes_on and arranged.reading == "either",
        restart=restart,
        doubt="; ".join(_doubts(arranged, kind)),
    )


def _largest_run(arranged: FileArrangement, of_runs: list[int]) -> list[NamedFile]:
    return max(arranged.grouped(of_runs), key=len)


def _one_tile(arranged: FileArrangement, files: list[NamedFile]) -> tuple[int, list[NamedFile]]:
    """The number of tiles of the grid, and the files of one of them."""
    tile = arranged.tile
    if tile is None:
        return 1, files
    texts = {file.text(tile) for file in files}
    return len(texts), [file for file in files if file.text(tile) == min(texts)]


def _by_variable(arranged: FileArrangement, files: list[NamedFile]) -> dict[str, list[NamedFile]]:
    """The files of each variable by its name; all of them by an empty name where no part names one."""
    at = arranged.variable
    found: dict[str, list[NamedFile]] = {}
    for file in files:
        found.setdefault(file.text(at) if at is not None else "", []).append(file)
    return found


def _kind(arranged: FileArrangement, files: list[Path]) -> tuple[Kind, Restart | None]:
    """What the files are that differ only in the last number; of pieces whose times begin again, how they go
    on.
    """
    if arranged.last_number is None or len(files) < 2:
        return "runs", None
    require_no_tiles(files, arranged.first.text(arranged.last_number - 1))
    kind = kind_of_numbered(files[:2], arranged.counted(arranged.last_number))
    if kind != "runs":
        return kind, None
    restart = restart_of(files)
    return ("runs" if restart is None else "pieces"), restart


def _moments(
    arranged: FileArrangement, files: list[NamedFile], variables: int
) -> tuple[tuple[Path, ...], ...]:
    """The files of each time, one per variable; times that lack one are left out."""
    assert arranged.last_number is not None
    moments: dict[tuple[str, ...], list[Path]] = {}
    for file in files:
        moments.setdefault(file.texts([*arranged.pieces, arranged.last_number]), []).append(file.path)
    if all(is_date(text) or PLAIN_NUMBER.fullmatch(text) for *_, text in moments):
        in_order = sorted(moments, key=lambda texts: (*map(natural, texts[:-1]), step_number(texts[-1])))
        moments = {texts: moments[texts] for texts in in_order}
    return tuple(tuple(paths) for paths in moments.values() if len(paths) == variables)


def _may_name_variables(arranged: FileArrangement, at: int) -> bool:
    """Whether a part is a folder that may be called by a field: prey/prey_10.npy, or prey/10.npy, in which no
    array has a name.
    """
    has_no_names = arranged.first.path.suffix.lower() == ".npy"
    is_word = arranged.kinds[at] == "folder" and not any(map(_DIGIT.search, arranged.texts(at)))
    return arranged.names_its_files(at) or (has_no_names and is_word)


def _doubts(arranged: FileArrangement, kind: Kind) -> Iterator[str]:
    """What a person must look at: words that were taken for variables, or for runs, by what they are;
    numbers of pieces and processes.
    """
    words = [at for at in arranged.varying if at == arranged.variable or arranged.kinds[at] == "word"]
    if arranged.variable is None:
        words += [at for at in arranged.varying if _may_name_variables(arranged, at)]
    if words:
        at = words[0]
        is_variable = at == arranged.variable
        doubt = doubt_of_words(arranged.firsts(at), arranged.texts(at), taken_for_variables=is_variable)
        if doubt:
            yield doubt
    yield from doubts_of_signs(arranged.files, arranged.varying)
    if arranged.counted_pieces and kind == "states":
        yield from doubts_of_pieces(arranged.files, *arranged.counted_pieces)
    if kind == "runs" and arranged.last_number is not None:
        has_words = any(arranged.kinds[at] in ("word", "split") for at in arranged.varying)
        is_date = arranged.counted(arranged.last_number) == "dates"
        yield from doubts_of_runs(arranged.files, arranged.last_number, has_words=has_words, is_date=is_date)
    if kind == "runs":
        yield from doubts_of_values(arranged.files, arranged.varying)
    yield from doubts_of_processes(arranged.files, [at for at in arranged.varying if at != arranged.tile])
