"""Finds the input files of a dataset below a root, in a fixed order, each with a fingerprint."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath

from ingest.building.fingerprint import BLOCK, BLOCKS, digest_with, newest
from ingest.formats.natural_sort import natural
from ingest.formats.run_files import RunFiles, files_of_run, runs_among
from ingest.formats.side_files import find_side_file, split_side_file
from ingest.formats.side_lists import split_list_file
from ingest.formats.walk import FileTree, UnreadablePath, escaped, is_utf8, walk
from ingest.formats.zarr_marker import MARKERS, marker
from ingest.name_pattern import NamePattern, filled, names_parts, with_plain_suffix
from ingest.recipe import Recipe
from ingest.remote.path import RemotePath
from ingest.remote.ranges import FETCH_FIRST
from ingest.source import find
from ingest.split_names import split_in_own_path
from shards.errors import MismatchError, SourceError
from shards.schema import Split, split_called


@dataclass(frozen=True)
class InputFile:
    """A file below the root: its relative path, its split if the path states one, and its fingerprint.

    A run in several files is represented by its first file; `run` is then the name of the run. `modified`
    (nanoseconds) and `digest` cover the file and its companions, `bytes` is the size of the file alone.
    `fault` says why the file, or the folder at this path, cannot be read; then there is no fingerprint.
    """

    root: Path
    path: str
    split: Split | None
    bytes: int
    modified: int
    digest: str
    run: str = ""
    fault: str = ""
    # Whether the digest covers every byte; for a larger file, or several, it covers samples.
    wholly_in_digest: bool = False

    @property
    def place(self) -> Path:
        return self.root / self.path

    @property
    def stem(self) -> str:
        """The name of the run, of the file without its suffix, or of the folder of a zarr store."""
        if self.run:
            return self.run
        return (self.place.parent if self.place.name in MARKERS else self.place).stem


def find_inputs(recipe: Recipe, start: Path) -> tuple[InputFile, ...]:
    """Finds the files of this recipe below `start`, in natural order; raises SourceError if there are none.

    `start` may be one of these files. A zarr store counts as one file, represented by its marker. Folders
    that cannot be read, broken links and names that are not text are returned too, each with its fault.
    """
    if not is_utf8(start.absolute()):
        raise SourceError(f"{escaped(start)}: the name is not UTF-8; rename it")
    if not start.exists():
        raise SourceError(f"{start}: no such file or folder; check --from")

    start = start.absolute().parent if start.name in MARKERS else start
    if isinstance(start, RemotePath):
        _require_readable_behind_a_url(recipe, start)
    if names_parts(recipe.files):
        return _runs(recipe, start)

    source = find(recipe.source)
    patterns = (recipe.files,) if recipe.files else source.PATTERNS
    store = marker(start)
    if start.is_file() or store is not None:
        root, paths = start.parent, [store or start]
        unreadable: tuple[UnreadablePath, ...] = ()
    else:
        tree = walk(start)
        root, paths = start, _matching(tree, start, patterns)
        faults = (*tree.unreadable, *_no_stores(tree, start, patterns))
        unreadable = tuple(item for item in faults if item.path not in paths)

    if not paths and not unreadable:
        raise SourceError(
            f"{start}: holds no file named {' or '.join(patterns)}; is it the folder of {recipe.name}?"
        )

    read_with = {path: _companions(recipe, path) for path in paths}
    # A part of a virtual dataset, as the file of a process of Dedalus, is read with its file.
    parts = {each.absolute() for each in chain.from_iterable(read_with.values())}
    alone = [path for path in paths if path.absolute() not in parts]
    files = [_input(root, path, _split_of(path, recipe, root), read_with[path]) for path in alone]
    return _in_order(root, _with_splits_of_names(recipe, files), unreadable)


def _require_readable_behind_a_url(recipe: Recipe, start: RemotePath) -> None:
    """Raises SourceError for what is not read behind a URL: a run in several files, side files."""
    if names_parts(recipe.files):
        reason = f"a run in several files ({recipe.files}) is not read behind a URL"
    elif any(_next_to_the_data(recipe)):
        reason = "numbers in files next to the data are not read behind a URL"
    else:
        return
    raise SourceError(f"{start}: {reason}; {FETCH_FIRST}")


def _companions(recipe: Recipe, path: Path) -> tuple[Path, ...]:
    """All other files that are read together with a file."""
    return (*find(recipe.source).companions(path), *_side_files(recipe, path))


def _side_files(recipe: Recipe, path: Path, parts: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """The files next to a data file that the recipe takes numbers from; if they change, the data change.

    `parts` are the parts of `files` in its name.
    """
    named = dict.fromkeys(filled(name, parts or {}) for name in _next_to_the_data(recipe))
    found = (find_side_file(path, name, recipe.files) for name in named)
    return tuple(filter(None, found))


def _next_to_the_data(recipe: Recipe) -> Iterator[str]:
    """The names of files next to the data with parameters, times, cell centres or a mask."""
    rules = (recipe.time, recipe.mask, *recipe.coordinates.values())
    lists = [rule.stored for rule in rules if rule is not None]
    places = (*map(split_side_file, recipe.places.values()), *map(split_list_file, lists))
    yield from (name for name, _ in filter(None, places))


def _in_order(
    root: Path, files: list[InputFile], unreadable: tuple[UnreadablePath, ...]
) -> tuple[InputFile, ...]:
    """The files in natural order, followed by the paths that could not be read."""
    cure = "make it readable, or remove it"
    faulty = [_faulty(root, item.path, f"{item.reason}; {cure}") for item in unreadable]
    return tuple(sorted((*files, *faulty), key=lambda file: natural(file.path)))


def _runs(recipe: Recipe, start: Path) -> tuple[InputFile, ...]:
    """The first file of each run that is written in several files; its fingerprint covers all of them."""
    pattern = NamePattern(recipe.files)
    unreadable: tuple[UnreadablePath, ...] = ()
    if start.is_dir() and marker(start) is None:
        tree, root = walk(start), start
        runs, unreadable = runs_among((*tree.files, *tree.folders), pattern), tree.unreadable
    else:
        own = files_of_run(start, pattern)
        runs, root = ([own], own.base) if own else ([], start.parent)

    if not runs and not unreadable:
        raise SourceError(f"{start}: holds no file named {recipe.files}; is it the folder of {recipe.name}?")

    inputs = []
    for run in runs:
        first, *companions = _read_together(recipe, run)
        inputs.append(_input(root, first, _split_of(run.first, recipe, root), tuple(companions), run.name))

    return _in_order(root, _with_splits_of_names(recipe, inputs), unreadable)


def _read_together(recipe: Recipe, run: RunFiles) -> tuple[Path, ...]:
    """The files of a run in order, and those next to the data."""
    own = tuple(marker(file.path) or file.path for file in run.files)
    return (*own, *_side_files(recipe, own[0], run.files[0].parts))


def _with_splits_of_names(recipe: Recipe, files: list[InputFile]) -> list[InputFile]:
    """The files; those without a folder of a split have the split that a word of their path states.

    Words count only where some state train and others another split: a run may be called test.
    """
    if recipe.source != "arrays":
        return files
    said = [file.split or split_in_own_path(file.path) for file in files]
    if "train" not in said or len(set(said) - {None}) < 2:
        return files
    return [replace(file, split=split) for file, split in zip(files, said, strict=True)]


def _split_of(path: Path, recipe: Recipe, root: Path) -> Split | None:
    """The split that the innermost folder states, from a file up to the given folder, which counts too.

    A folder of a split holds runs, or the files of one run; `files` may name it as a part. However the given
    folder is spelled, its own name counts.
    """
    source = find(recipe.source)
    if recipe.source != "arrays":
        return source.split(path)
    first, top = _absolute(path), _absolute(root)
    for place in (first, *first.parents):
        split = None if place == top else source.split(place)
        if split is not None or place == top:
            return split
    return None


def split_of_root(files: Sequence[InputFile]) -> Split | None:
    """The split of all files, if only the given folder itself states it; otherwise None."""
    splits = {file.split for file in files}
    named = {split_called(_absolute(file.root).name) for file in files}
    below = set(chain.from_iterable(Path(file.path).parts[:-1] for file in files))
    if len(splits) > 1 or splits != named or any(map(split_called, below)):
        return None
    return splits.pop()


def _absolute(path: Path) -> Path:
    """The path without `.` and `..`; links are kept, and a URL is as absolute as it can be."""
    return path if isinstance(path, RemotePath) else Path(os.path.abspath(path))


def _matching(tree: FileTree, root: Path, patterns: tuple[str, ...]) -> list[Path]:
    """The files whose paths match a pattern; a folder matches if it is a zarr store."""
    files = (path for path in tree.files if _is_meant(path, root, patterns))
    stores = (marker(folder) for folder in tree.folders if _is_meant(folder, root, patterns))
    # A store may match twice: by its folder and by its marker.
    return list({path: None for path in (*files, *filter(None, stores))})


def _no_stores(tree: FileTree, root: Path, patterns: tuple[str, ...]) -> Iterator[UnreadablePath]:
    """Folders that match a pattern but are no zarr store: the marker was lost, or a file was unpacked."""
    endings = {PurePosixPath(with_plain_suffix(pattern)).suffix for pattern in patterns} - {""}
    for folder in tree.folders:
        if (
            with_plain_suffix(folder.suffix) in endings
            and _is_meant(folder, root, patterns)
            and marker(folder) is None
        ):
            yield UnreadablePath(folder, "a folder that is not a zarr store, expected a file")


def _is_meant(path: Path, root: Path, patterns: tuple[str, ...]) -> bool:
    """Whether the path below `root` matches a pattern; hidden files never do."""
    parts = PurePosixPath(with_plain_suffix(path.relative_to(root).as_posix())).parts
    names = (("**", *PurePosixPath(with_plain_suffix(pattern)).parts) for pattern in patterns)
    return not path.name.startswith(".") and any(_fits(parts, each) for each in names)


def _fits(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether the parts of a path match those of a pattern, in which `**` stands for any number of folders.

    >>> _fits(("all", "data", "a.h5"), ("**", "data", "*.h5"))
    True
    """
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])


def _input(
    root: Path, path: Path, split: Split | None, companions: tuple[Path, ...], run: str = ""
) -> InputFile:
    if not is_utf8(path):
        return _faulty(root, path, "the name is not UTF-8; rename the file, or its folder")

    # The source reports later why it cannot be read, and only this file is left out.
    unread = InputFile(root, path.relative_to(root).as_posix(), split, 0, 0, "", run)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            # A pipe or a device may never end.
            return unread
        return replace(
            unread,
            bytes=status.st_size,
            modified=newest(path, companions),
            digest=digest_with(path, companions),
            wholly_in_digest=not companions and status.st_size <= BLOCKS * BLOCK,
        )
    except OSError:
        # A broken link, or no permission.
        return unread


def _faulty(root: Path, path: Path, fault: str) -> InputFile:
    return InputFile(root, escaped(path.relative_to(root)) or ".", None, 0, 0, "", fault=fault)


def require_unchanged(recipe: Recipe, file: InputFile) -> None:
    """Raises MismatchError if the size or the time of a file differs from the plan."""
    if not file.digest:
        return

    run = files_of_run(file.place, NamePattern(recipe.files)) if file.run else None
    companions = _read_together(recipe, run)[1:] if run else _companions(recipe, file.place)

    try:
        size, modified = file.place.stat().st_size, newest(file.place, companions)
    except FileNotFoundError:
        size, modified = -1, 0

    if (size, modified) != (file.bytes, file.modified):
        raise MismatchError(
            f"{file.place}: has changed while it was read; run the same command again when no process writes "
            "to it"
        )
