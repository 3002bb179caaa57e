"""The input files of a dataset: found below a root, in a fixed order, each with a fingerprint."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from ingest.formats.natural_sort import natural
from ingest.formats.run_files import files_of_run, runs_below
from ingest.formats.zarr_marker import MARKERS, marker
from ingest.name_pattern import NamePattern, names_parts
from ingest.recipe import Recipe
from ingest.source import find
from shards.errors import SourceError
from shards.schema import Split

BLOCK = 64 * 1024
BLOCKS = 64


@dataclass(frozen=True)
class InputFile:
    """A file below the root: relative path, split if its place says one, and its fingerprint.

    Of a run that is written in several files, it is the first one; `run` is the name of such a run. `modified`
    and `digest` are of the file and of those that it is read with, `bytes` of the file alone.
    """

    root: Path
    path: str
    split: Split | None
    bytes: int
    modified: int
    digest: str
    run: str = ""

    @property
    def place(self) -> Path:
        return self.root / self.path

    @property
    def stem(self) -> str:
        """The name of its run, or its own without what tells its kind; a zarr store has that of its folder."""
        if self.run:
            return self.run
        return (self.place.parent if self.place.name in MARKERS else self.place).stem


def find_inputs(recipe: Recipe, start: Path) -> tuple[InputFile, ...]:
    """The files of this recipe below `start` (or that one), in natural order; raises SourceError for none.

    A folder that is a zarr store is one file, known by what stands for it.
    """
    if not start.exists():
        raise SourceError(f"{start}: no such file or folder")
    start = start.absolute().parent if start.name in MARKERS else start
    one = start.is_file() or marker(start) is not None
    root = start.parent if one else start
    if names_parts(recipe.files):
        return _runs(recipe, start, root)
    patterns = (recipe.files,) if recipe.files else find(recipe.source).PATTERNS
    found = (
        {start}
        if one
        else {p for pattern in patterns for p in root.rglob(pattern) if not p.name.startswith(".")}
    )
    stores = {p: marker(p) for p in found if p.is_dir()}
    files = sorted({file for p in found if (file := stores.get(p, p))}, key=lambda p: natural(p.as_posix()))
    if not files:
        raise SourceError(
            f"{start}: holds no file named {' or '.join(patterns)}; is it the folder of {recipe.name}?"
        )
    source = find(recipe.source)
    return tuple(_input(root, path, source.split(path), source.companions(path)) for path in files)


def _runs(recipe: Recipe, start: Path, root: Path) -> tuple[InputFile, ...]:
    """The first file of each run that is written in several, fingerprinted with the others."""
    pattern = NamePattern(recipe.files)
    own = None if start.is_dir() and marker(start) is None else files_of_run(start, pattern)
    runs = [own] if own else runs_below(root, pattern)
    if not runs:
        raise SourceError(f"{start}: holds no file named {recipe.files}; is it the folder of {recipe.name}?")
    source = find(recipe.source)
    inputs = []
    for run in runs:
        root = run.base if own else root
        first, *others = (marker(file.path) or file.path for file in run.files)
        # A split is a folder of runs, or of the files of one.
        split = source.split(run.base / "file") or source.split(run.base)
        inputs.append(_input(root, first, split, tuple(others), run.name))
    return tuple(inputs)


def _input(
    root: Path, path: Path, split: Split | None, companions: tuple[Path, ...], run: str = ""
) -> InputFile:
    relative = path.relative_to(root).as_posix()
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError("a pipe or a device, which may have no end")
        modified = max(place.stat().st_mtime_ns for place in (path, *companions))
        digest_of_all = _digest_with(path, companions)
        return InputFile(root, relative, split, status.st_size, modified, digest_of_all, run)
    except OSError:
        # A link to nowhere, a pipe, or no permission: its source will say so, and leave out this file alone.
        return InputFile(root, relative, split, 0, 0, "", run)


def _digest_with(path: Path, companions: tuple[Path, ...]) -> str:
    """Of the file alone where it has no companions; they share the blocks that are read of one file."""
    if not companions:
        return digest(path)
    result = hashlib.sha256(digest(path).encode())
    for place in companions:
        name = os.path.relpath(place, path.parent)
        result.update(f"{name} {digest(place, max(1, BLOCKS // len(companions)))} ".encode())
    return result.hexdigest()


def digest(path: Path, blocks: int = BLOCKS) -> str:
    """SHA-256 of the size and of up to 64 evenly spaced blocks: bounded work for a file of any size."""
    size = path.stat().st_size
    result = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for number in range(blocks):
            file.seek(max(0, size - BLOCK) * number // max(1, blocks - 1))
            result.update(file.read(BLOCK))
    return result.hexdigest()
