"""Finds the files that belong to one run, by a pattern of their names with named parts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ingest.formats.natural_sort import natural
from ingest.formats.zarr_marker import MARKERS
from ingest.name_numbers import step_number
from ingest.name_pattern import OF_ONE_RUN, PIECES, STEP, VARIABLE, NamePattern
from shards.errors import SourceError

# Files with these suffixes may be virtual: their values are in other files.
VIRTUAL = (".h5", ".hdf5", ".hdf")


@dataclass(frozen=True)
class RunFile:
    """A file (for a zarr store, its folder), and the text of each named part of its name."""

    path: Path
    parts: dict[str, str]

    @property
    def step(self) -> str | None:
        return self.parts.get(STEP)

    @property
    def moment(self) -> tuple[str, ...]:
        """The parts of the name that all files of one time share, each with another variable."""
        return tuple(self.parts.get(name, "") for name in (*PIECES, STEP))

    @property
    def variable(self) -> str:
        return self.parts.get(VARIABLE, "")


@dataclass(frozen=True)
class RunFiles:
    """The files of one run in order of time; `name` is unique among the runs of the folder."""

    base: Path
    name: str
    files: tuple[RunFile, ...]

    @property
    def first(self) -> Path:
        return self.files[0].path


def runs_among(paths: Iterable[Path], pattern: NamePattern) -> list[RunFiles]:
    """Groups these paths of files and stores into runs, in natural order of their first files."""
    runs: dict[tuple[Path, tuple[str, ...]], list[RunFile]] = {}
    for path in without_parts(paths):
        file = _fitting(path, pattern)
        if file is not None:
            runs.setdefault(_run_of(file, pattern), []).append(file)
    found = [_ordered(key, files) for key, files in runs.items()]
    return sorted(found, key=lambda run: natural(run.first.as_posix()))


def without_parts(paths: Iterable[Path]) -> list[Path]:
    """The paths without those in a folder that has the name of a file next to it.

    Example: snapshots_s1/*_p0.h5 hold the values of the virtual file snapshots_s1.h5, one per process.
    """
    found = list(paths)
    whole_files = {path.with_suffix("") for path in found if path.suffix.lower() in VIRTUAL}
    return [path for path in found if whole_files.isdisjoint(path.parents)]


def files_of_run(path: Path, pattern: NamePattern) -> RunFiles | None:
    """The run to which a file belongs; None if its name does not match the pattern."""
    place = path.parent if path.name in MARKERS else path
    own = _fitting(place, pattern)
    if own is None:
        return None
    key = _run_of(own, pattern)
    found = [_fitting(other, pattern) for other in key[0].glob(pattern.glob)]
    return _ordered(key, [file for file in found if file is not None and _run_of(file, pattern) == key])


def require_told_apart(run: RunFiles, pattern: NamePattern) -> None:
    """Raises SourceError if two files have the same named parts, and a `*` alone tells them apart: only
    one of them could be read. docs/decisions/0148
    """
    alike: dict[tuple[str, ...], list[Path]] = {}
    for file in run.files:
        alike.setdefault(tuple(file.parts.values()), []).append(file.path)
    for texts, paths in alike.items():
        if len(paths) > 1:
            held = ", ".join(f"{part} = {text}" for part, text in zip(pattern.parts, texts, strict=True))
            names = ", ".join(path.relative_to(run.base).as_posix() for path in paths[:3])
            raise SourceError(
                f"{run.first}: {len(paths)} files fit {pattern.text} with {held}: {names}"
                f"{', ...' if len(paths) > 3 else ''}; expected one; name what differs between them, such as "
                f'files = "{pattern.told_apart}"'
            )


def _fitting(path: Path, pattern: NamePattern) -> RunFile | None:
    names = path.parts[-1 - pattern.depth :]
    if any(name.startswith(".") for name in names):
        return None
    parts = pattern.match("/".join(names))
    return None if parts is None else RunFile(path, parts)


def _run_of(file: RunFile, pattern: NamePattern) -> tuple[Path, tuple[str, ...]]:
    """The folder below which the pattern matches, and the parts of the name that identify the run."""
    named = tuple(file.parts[name] for name in pattern.parts if name not in OF_ONE_RUN)
    return file.path.parents[pattern.depth], named


def _ordered(key: tuple[Path, tuple[str, ...]], files: list[RunFile]) -> RunFiles:
    """The run with its files in order of time: pieces by their names, states by their numbers."""
    base, named = key
    ordered = sorted(files, key=_place_in_time)
    return RunFiles(base, "-".join(named) or base.name, tuple(ordered))


def _place_in_time(file: RunFile) -> tuple[object, ...]:
    pieces = tuple(natural(file.parts.get(name, "")) for name in PIECES)
    return pieces, step_number(file.step or "0"), natural(file.variable), natural(file.path.as_posix())
