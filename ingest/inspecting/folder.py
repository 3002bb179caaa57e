"""How the files of a folder belong together: states of a run, restart pieces, one variable a file, or
runs.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import combinations
from pathlib import Path
from typing import Literal

from ingest.formats.arrays import ArrayFile, whole
from ingest.formats.natural_sort import natural
from ingest.formats.open_any import located, open_arrays
from ingest.formats.walk import walk
from ingest.formats.zarr_marker import MARKERS
from ingest.inspecting.axis_names import TIME_NAME
from ingest.inspecting.contents import ArrayInfo, list_arrays
from ingest.inspecting.infer import infer_layout
from ingest.inspecting.state_time import time_of_state
from ingest.layout import TIME
from ingest.name_pattern import DATE, STEP, NamePattern, is_date
from shards.errors import SourceError

Kind = Literal["states", "pieces", "variables", "runs"]
SUFFIXES = (
    ".h5",
    ".hdf5",
    ".hdf",
    ".nc",
    ".nc4",
    ".cdf",
    ".npz",
    ".npy",
    ".zarr",
    ".zip",
    ".athdf",
    ".jld2",
    ".mat",
)
# How files without a known suffix begin: HDF5, and NetCDF classic.
BEGINNINGS = (b"\x89HDF", b"CDF")
# A date is one number, and so is a fraction: data_0.500000 is at half a second. Behind a word a long fraction
# is a number of its own: out2.00010 is state 10 of output 2.
_NUMBER = re.compile(
    rf"{DATE}|(?:(?<![A-Za-z0-9.])|(?<=[-_.]t)|(?<=time))\d+\.(?!{DATE})\d+(?:[eE][+-]?\d+)?(?=[-_/.])"
    rf"|\d+(?:\.(?!{DATE})\d{{1,4}}(?=[-_/.]))?"
)
# Names that a recipe takes without being told.
_USUAL = (".h5", ".hdf5", ".nc", ".npz", ".zarr")
# How files of one grid are marked: MITgcm, FV3, NEMO.
TILE_ATTRIBUTES = {"tile_number", "grid_tile", "DOMAIN_number"}
TILE_NAME = re.compile(r"(tile|subdomain)[-_.]?$", re.IGNORECASE)
# What is in the folder of a program whose files are not read, what it is, and what to do.
FOREIGN_FOLDERS = (
    ("*Level_0/Cell_H", "a plotfile of AMReX", "bring it to a grid with yt (covering_grid), numpy.savez it"),
    ("*system/controlDict", "a case of OpenFOAM", "bring it to a grid (foamToVTK, pyvista), numpy.savez it"),
    ("*md.idx", "an ADIOS2 file", "write its arrays to HDF5 or npz with adios2, or openpmd-pipe"),
    ("*.vt[iurskp]", "files of VTK", "read them with pyvista or meshio, numpy.savez their arrays"),
    ("*.vtk", "files of VTK", "read them with pyvista or meshio, numpy.savez their arrays"),
    ("*.f0000[0-9]", "field files of Nek5000", "bring them to a grid with pymech, numpy.savez their arrays"),
    ("*.grib*", "GRIB files", "convert them with cdo -f nc4 copy, or with cfgrib"),
    ("*.csv", "tables of text", "read them with numpy.loadtxt, numpy.savez them"),
)
# Names that are looked at to know such a folder.
MANY_FILES = 10_000
_WORDS: dict[Kind, str] = {
    "states": "one state of a run a file",
    "pieces": "pieces of one run, whose times go on from file to file",
    "variables": "one variable a file, on one grid",
    "runs": "a run a file",
}


@dataclass(frozen=True)
class FolderContents:
    """The files of a folder as one pattern; `first` stands for them all, `runs` counts the patterns' runs."""

    kind: Kind
    pattern: str
    first: Path
    files: int
    runs: int
    # Files of other names, which the pattern does not take.
    others: tuple[str, ...] = ()
    # Of one variable a file, all of them.
    members: tuple[Path, ...] = ()
    # Of one state a file, those of one run in the order of time.
    series: tuple[Path, ...] = ()

    @property
    def states(self) -> int:
        """Frames that a run gets from its files where each holds a state; otherwise 1."""
        return self.files // self.runs if self.kind == "states" else 1

    @property
    def dated(self) -> bool:
        """Whether the states are told apart by dates."""
        parts = NamePattern(self.pattern.rpartition("/")[2]).match(self.first.name) or {}
        return is_date(parts.get(STEP, ""))

    @property
    def words(self) -> str:
        """What was found, in a sentence."""
        runs = f" of {self.runs} runs" if self.runs > 1 else ""
        return f'{self.files} files{runs}, {_WORDS[self.kind]}: files = "{self.pattern}"'


def look_through(folder: Path) -> FolderContents:
    """How the files below a folder belong together; raises SourceError where there is none that can be read.

    Names of all files are read, and what three of them hold.
    """
    found = _data_files(folder)
    if not found:
        _refuse_known(folder)
        raise SourceError(
            f"{folder}: no file that can be read below it ({', '.join(SUFFIXES)}, or HDF5 by content); "
            "name a file, or the folder of the files"
        )
    families: dict[str, list[Path]] = {}
    for path in found:
        families.setdefault(_skeleton(path.relative_to(folder)), []).append(path)
    skeleton = max(families, key=lambda each: len(families[each]))
    members = sorted(families[skeleton], key=lambda path: natural(path.as_posix()))
    others = tuple(path.relative_to(folder).as_posix() for path in found if path not in set(members))
    if len(members) > 1 and "{}" in skeleton:
        return _numbered_files(folder, members, others)
    return _named_files(folder, found)


def _refuse_known(folder: Path) -> None:
    """Raises SourceError for the folder of a program whose files are not read, with what to do."""
    files = walk(folder).files[:MANY_FILES]
    names = {path.relative_to(folder).as_posix() for path in files}
    for pattern, what, remedy in FOREIGN_FOLDERS:
        if any(fnmatchcase(name, pattern) for name in names):
            raise SourceError(f"{folder}: {what}; expected HDF5, NetCDF, npz or zarr; {remedy}")


def _data_files(folder: Path) -> list[Path]:
    """Files that may hold arrays, of a zarr store its folder; hidden ones are left out."""
    found = []
    for place, folders, files in os.walk(folder):
        here = Path(place)
        stores = [name for name in folders if any((here / name / marker).exists() for marker in MARKERS)]
        folders[:] = sorted(name for name in folders if name not in stores and not name.startswith("."))
        found += [here / name for name in stores]
        found += [here / name for name in files if not name.startswith(".") and _may_hold_arrays(here / name)]
    return _without_parts(sorted(found))


def _without_parts(found: list[Path]) -> list[Path]:
    """Files but those of a folder that is called as a file next to it: snapshots_s1/*_p0.h5 are what each
    process wrote of the virtual file snapshots_s1.h5.
    """
    whole_files = {path.with_suffix("") for path in found}
    return [path for path in found if whole_files.isdisjoint(path.parents)]


def _may_hold_arrays(path: Path) -> bool:
    if path.suffix.lower() in SUFFIXES:
        return True
    if path.suffix.lower() in (".py", ".toml", ".txt", ".md", ".json", ".log", ".csv", ".png"):
        return False
    try:
        with path.open("rb") as file:
            return file.read(4).startswith(BEGINNINGS)
    except OSError:
        return False


def _skeleton(relative: Path) -> str:
    """The name with a hole for each number, the folders above by their number: all of one solver look
    alike.
    """
    name = _NUMBER.sub("{}", relative.name)
    return "/".join([*("*" for _ in relative.parts[:-1]), name])


def _numbered_files(folder: Path, members: list[Path], others: tuple[str, ...]) -> FolderContents:
    """Files whose names differ in numbers, and in the folders above them."""
    relative = [path.relative_to(folder) for path in members]
    names = [each.name for each in relative]
    places = list(_NUMBER.finditer(names[0]))
    texts = [[found[0] for found in _NUMBER.finditer(name)] for name in names]
    varying = [number for number in range(len(places)) if len({text[number] for text in texts}) > 1]
    above = "".join(f"{_part(level)}/" for level in range(len(relative[0].parts) - 1))
    if not varying:
        # The same name in each folder: a run a folder.
        pattern = f"{above.replace('{run}', '*')}{names[0]}"
        return FolderContents("runs", pattern, members[0], len(members), len(members), others)

    last = varying[-1]
    runs: dict[tuple[object, ...], list[Path]] = {}
    for path, each, text in zip(members, relative, texts, strict=True):
        key = (each.parts[:-1], *(text[number] for number in varying[:-1]))
        runs.setdefault(key, []).append(path)
    largest = max(runs.values(), key=len)
    _refuse_tiles(names[0][: places[last].start()], largest)
    kind = _kind(largest) if len(largest) > 1 else "runs"
    words = {"states": "step", "pieces": "piece", "variables": "variable", "runs": ""}
    hole = words[kind]
    pieces, end = [], 0
    for number, found in enumerate(places):
        pieces.append(names[0][end : found.start()])
        end = found.end()
        if number == last:
            pieces.append(f"{{{hole}}}" if hole else "*")
        elif number in varying:
            pieces.append(
                f"{{run{'' if number == varying[0] and not above else number + 2}}}" if hole else "*"
            )
        else:
            pieces.append(found[0])
    pattern = above + "".join([*pieces, names[0][end:]])
    count = len(members) if kind == "runs" else len(runs)
    if kind == "runs":
        pattern = re.sub(r"{run\d*}", "*", pattern)
    series = tuple(largest) if kind == "states" else ()
    return FolderContents(kind, pattern, largest[0], len(members), count, others, series=series)


def _refuse_tiles(before: str, files: list[Path]) -> None:
    """Raises SourceError where numbered files are tiles of one grid: a model would learn their edges."""
    if len(files) == 1:
        return
    with open_arrays(located(files[0])) as arrays:
        marks = TILE_ATTRIBUTES & set(arrays.attributes(""))
    if marks or TILE_NAME.search(before):
        raise SourceError(
            f"{files[0].parent}: {files[0].name} and {len(files) - 1} more are tiles of one grid; expected "
            "the whole grid in a file; put them together first (mppnccombine, gluemncbig, xarray)"
        )


def _part(level: int) -> str:
    return "{run}" if level == 0 else f"{{run{level + 1}}}"


def _kind(files: list[Path]) -> Kind:
    """What numbered files of one folder are, from the first two."""
    first, second = (_times(path) for path in files[:2])
    if first.state or second.state:
        return "states"
    if len(first.times) > 1 and len(second.times) > 0:
        return "pieces" if second.times[0] > first.times[0] and second.times[-1] > first.times[-1] else "runs"
    return "runs"


@dataclass(frozen=True)
class _Times:
    """Whether a file is one state of a run, or the times that it lists."""

    state: bool
    times: tuple[float, ...] = ()


def _times(path: Path) -> _Times:
    """The times of a file, or that it is one state."""
    """What one file says of time: whether it holds a single state, and its stored times."""
    place = located(path)
    with open_arrays(place) as arrays:
        listed = list_arrays(arrays, place)
        try:
            layout = infer_layout(arrays, listed, str(path))
        except SourceError:
            return _Times(_has_planes(listed) or bool(time_of_state(arrays, listed)))
        if not layout.time_told_by and time_of_state(arrays, listed):
            return _Times(True)
        if layout.lists.time is None or layout.lists.time.pattern:
            return _Times(False)
        values = whole(arrays.array(layout.lists.time.path)).reshape(-1)
        return _Times(layout.lengths[TIME] == 1, tuple(values.tolist()))


def _has_planes(listed: tuple[ArrayInfo, ...]) -> bool:
    return any(len(each.values) >= 2 for each in listed if each.fault is None)


def _named_files(folder: Path, found: list[Path]) -> FolderContents:
    """Files without numbers: variables of one run where they hold different arrays, otherwise runs."""
    above = len(found[0].relative_to(folder).parts) - 1
    alike = [path for path in found if len(path.relative_to(folder).parts) - 1 == above]
    suffix = found[0].suffix
    siblings = [path for path in alike if path.suffix == suffix]
    prefix = "".join(f"{_part(level)}/" for level in range(above))
    same_folder = [path for path in siblings if path.parent == siblings[0].parent]
    others = tuple(path.relative_to(folder).as_posix() for path in found if path not in set(siblings))
    if len(same_folder) > 1 and _hold_different_arrays(same_folder[:3]):
        runs = len(siblings) // len(same_folder)
        pattern = f"{prefix}{_common(same_folder)}{suffix}"
        return FolderContents(
            "variables", pattern, same_folder[0], len(siblings), max(1, runs), others, tuple(same_folder)
        )
    pattern = "*/" * above + f"*{suffix}"
    return FolderContents("runs", pattern, siblings[0], len(siblings), len(siblings), others)


def _common(files: list[Path]) -> str:
    """The stems with a hole where they differ: `u`, `v` or `flow_u`, `flow_v`."""
    stems = [path.stem for path in files]
    shortest = min(map(len, stems))
    start = 0
    while start < shortest and len({stem[start] for stem in stems}) == 1:
        start += 1
    end = 0
    while end < shortest - start and len({stem[len(stem) - 1 - end] for stem in stems}) == 1:
        end += 1
    return f"{stems[0][:start]}{{variable}}{stems[0][len(stems[0]) - end :]}"


def _hold_different_arrays(files: list[Path]) -> bool:
    """Whether no field is in two of them; lists of times and coordinates may be."""
    fields = []
    for path in files:
        place = located(path)
        with open_arrays(place) as arrays:
            fields.append({each.path for each in list_arrays(arrays, place) if _is_field(arrays, each)})
    return all(one.isdisjoint(other) for one, other in combinations(fields, 2))


def _is_field(arrays: ArrayFile, each: ArrayInfo) -> bool:
    return len(each.values) >= 2 and not TIME_NAME.fullmatch(each.name) and each.fault is None
