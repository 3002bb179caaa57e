"""What becomes of the files of a folder that are not in its largest family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from ingest.formats.run_files import runs_among
from ingest.inspecting.doubts import doubts_of_odd_names
from ingest.inspecting.folder_contents import FolderContents
from ingest.inspecting.variable_files import STATE_AGAIN, fields_of
from ingest.name_pattern import VARIABLE, NamePattern, names_parts
from shards.errors import SourceError

# How many files are opened to see whether they hold fields.
MANY_OPENED = 20


def with_others(contents: FolderContents, folder: Path, found: Sequence[Path]) -> FolderContents:
    """The contents with all files of the folder counted: those that the pattern takes, and the others.

    Runs in folders of different depth are one family. A restart file that fits the pattern is excluded.
    """
    contents = _of_one_kind(_at_any_depth(contents, folder, found), folder, found)
    names = [path.relative_to(folder).as_posix() for path in found]
    if contents.files == 1 < len(names):
        # A * would take the others as well.
        contents = replace(contents, pattern=contents.first.relative_to(folder).as_posix())

    fitting = _fitting(contents.pattern, names, contents.variables)
    again = [name for name in fitting if STATE_AGAIN.search(Path(name).stem)]
    if len(again) == len(fitting):
        again = []
    if again and names_parts(contents.pattern):
        # A recipe excludes runs, and no files of a run.
        moved = f"{', '.join(again[:5])}: a state again, but the name fits `files`; move it to another folder"
        contents, again = replace(contents, doubt="; ".join(filter(None, (contents.doubt, moved)))), []
    if contents.kind == "runs":
        odd = doubts_of_odd_names(contents.pattern, [name for name in fitting if name not in again])
        contents = replace(contents, doubt="; ".join(filter(None, (contents.doubt, *odd))))
    others = tuple(name for name in names if name not in fitting)
    return replace(
        _counted(contents, folder, [name for name in fitting if name not in again]),
        others=others,
        others_hold_fields=any(_holds_fields(folder / name) for name in others[:MANY_OPENED]),
        excluded=tuple(again),
    )


def _of_one_kind(contents: FolderContents, folder: Path, found: Sequence[Path]) -> FolderContents:
    """The contents with the file of the most fields alone, if the files are different outputs of one run.

    Files of which any two have less than half of their fields in common are no runs: acc.snapshot.nc,
    acc.averages.nc and acc.energy.nc of veros.
    """
    if contents.kind != "runs" or names_parts(contents.pattern):
        return contents
    paths = {path.relative_to(folder).as_posix(): path for path in found}
    files = [paths[name] for name in _fitting(contents.pattern, list(paths))]
    if not 1 < len(files) <= MANY_OPENED:
        return contents
    held = {path: _fields(path) for path in files}
    pairs = combinations(held.values(), 2)
    if any(2 * len(one & other) >= len(one | other) for one, other in pairs):
        return contents
    first = max(files, key=lambda path: len(held[path]))
    pattern = first.relative_to(folder).as_posix()
    return replace(contents, first=first, pattern=pattern, files=1, runs=1, doubt="")


def _at_any_depth(contents: FolderContents, folder: Path, found: Sequence[Path]) -> FolderContents:
    """The contents with the pattern of the names alone, if runs are at several depths: train/1.h5, 2.h5."""
    name = contents.pattern.rpartition("/")[2]
    says_something = not name.startswith("*.") and "*" in contents.pattern
    if contents.kind != "runs" or names_parts(contents.pattern) or not says_something:
        return contents
    names = [path.relative_to(folder).as_posix() for path in found]
    is_more = len(_fitting(name, names)) > len(_fitting(contents.pattern, names))
    return replace(contents, pattern=name) if is_more else contents


def _fitting(pattern: str, names: Sequence[str], variables: Sequence[str] = ()) -> list[str]:
    """The names that the pattern takes, of these variables: it is below any folder, as in a build."""
    named = NamePattern(pattern)
    found = {name: named.match_end(name) for name in names}
    return [
        name
        for name, parts in found.items()
        if parts is not None and (not variables or parts.get(VARIABLE) in variables)
    ]


def _counted(contents: FolderContents, folder: Path, names: Sequence[str]) -> FolderContents:
    """The contents with the numbers of files and runs that the pattern takes."""
    if len(names) == contents.files:
        return contents
    pattern = NamePattern(contents.pattern)
    is_grouped = names_parts(contents.pattern)
    runs = len(runs_among([folder / name for name in names], pattern)) if is_grouped else len(names)
    return replace(contents, files=len(names), runs=runs)


def _holds_fields(path: Path) -> bool:
    return bool(_fields(path))


def _fields(path: Path) -> frozenset[str]:
    """The fields of a file; none if it cannot be read."""
    try:
        return fields_of(path)
    except SourceError:
        return frozenset()
