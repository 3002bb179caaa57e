"""How the files of a folder belong together: as states of a run, restart pieces, variables, or runs."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from ingest.formats.foreign_formats import foreign_file, foreign_names
from ingest.formats.hdf5 import virtual_sources
from ingest.formats.open_any import is_hdf5
from ingest.formats.run_files import without_parts
from ingest.formats.walk import walk
from ingest.formats.zarr_marker import MARKERS
from ingest.inspecting.arranged_contents import contents_of
from ingest.inspecting.dates_and_steps import reading_of_dates
from ingest.inspecting.file_arrangement import FileArrangement
from ingest.inspecting.file_names import reading_of_names, taken_apart
from ingest.inspecting.file_times import frames_of, hold_more_frames
from ingest.inspecting.folder_contents import FolderContents
from ingest.inspecting.folder_names import NUMBERED_FOLDER, STEP_FOLDER, with_numbered_folders
from ingest.inspecting.other_files import with_others
from ingest.inspecting.similar_names import largest_family
from ingest.inspecting.streams import files_of_other_streams
from ingest.inspecting.symbols_in_folders import with_symbols
from ingest.inspecting.unreadable_files import unreadable_files
from ingest.inspecting.variable_files import CHECKPOINT_FOLDER, STATE_AGAIN, is_list
from shards.errors import SourceError

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
# How many files of a folder are opened to see whether they show values of others, or what format they have.
MANY_OPENED = 20
# How many file names of a folder are compared with these patterns.
MANY_FILES = 10_000


def look_through(folder: Path) -> FolderContents:
    """Finds how the files below a folder belong together; raises SourceError if none can be read.

    Names of all files are read, and what a few of them hold. Files that cannot be read are left out.
    """
    found = data_files(folder)
    if not found:
        raise _nothing_to_read(folder)
    unreadable = unreadable_files(found)
    if 2 * len(unreadable) > len(found):
        # These are no few that are damaged: what is wrong with them says more than the rest.
        unreadable = {}
    contents = _belonging(folder, [path for path in found if path not in unreadable])
    return replace(contents, unreadable=unreadable)


def _belonging(folder: Path, found: list[Path]) -> FolderContents:
    """How files below a folder that can be read belong together."""
    once = [path for path in found if not _holds_a_state_again(path, folder)]
    arranged = _arranged_alone(folder, once or found)
    if len(once) < len(found) and not _holds_runs(contents_of(arranged)):
        # Grids and masks alone are next to the restart files that are the run.
        arranged = _arranged_alone(folder, found)
    return with_others(contents_of(arranged), folder, _without_sources(found, arranged))


def _holds_a_state_again(path: Path, folder: Path) -> bool:
    """Whether a file, or a folder above it, is called as a program calls what it writes to continue."""
    above = path.relative_to(folder).parts[:-1]
    return bool(STATE_AGAIN.search(path.stem)) or any(map(CHECKPOINT_FOLDER.fullmatch, above))


def _arranged_alone(folder: Path, found: list[Path]) -> FileArrangement:
    """The files that look most alike, without those whose values others show or hold as a series, and
    without those that hold other fields.
    """
    arranged = _arranged(folder, found)
    alone = _without_sources(found, arranged)
    if len(alone) < len(found):
        arranged = _arranged(folder, alone)
    lists = [path for path in alone if is_list(path)]
    if lists and len(lists) < len(alone) and contents_of(arranged).kind == "runs":
        # Runs next to a list of their times: the list is no run.
        arranged = _arranged(folder, [path for path in alone if path not in lists])
    streams = files_of_other_streams(arranged)
    if streams:
        alone = [path for path in alone if path not in streams]
        arranged = _arranged(folder, [file.path for file in arranged.files if file.path not in streams])
    others = [path for path in alone if path not in arranged.paths]
    if others and contents_of(arranged).kind == "states":
        series = _arranged(folder, others)
        if hold_more_frames(contents_of(series), contents_of(arranged)):
            return series
    return arranged


def _holds_runs(contents: FolderContents) -> bool:
    return contents.kind in ("states", "pieces") or frames_of(contents.first) > 1


def _arranged(folder: Path, found: list[Path]) -> FileArrangement:
    """The files that look most alike, by the numbers in their names, or in those of their folders; where none
    differs, by their names as a whole.
    """
    dates = reading_of_dates(path.relative_to(folder).as_posix() for path in found)
    reading = reading_of_names(folder, found, steps_behind_dates=dates == "step")
    numbered = FileArrangement(largest_family(taken_apart(folder, path, reading) for path in found), dates)
    if numbered.last_number is not None:
        return _with_symbols(numbered)
    plain = replace(reading, numbers=False)
    named = largest_family(taken_apart(folder, path, plain) for path in found)
    for form, kind in ((STEP_FOLDER, "states"), (NUMBERED_FOLDER, "pieces")):
        by_folder = FileArrangement(with_numbered_folders(named, form))
        if by_folder.last_number is not None and contents_of(by_folder).kind == kind:
            return by_folder
    return _with_symbols(FileArrangement(named))


def _with_symbols(arranged: FileArrangement) -> FileArrangement:
    """The same files with the parameters in their folders as parts: Rm200/out.npz."""
    folders = [at for at in arranged.varying if arranged.kinds[at] == "folder"]
    places = [at for at in folders if at != arranged.variable]
    return replace(arranged, files=with_symbols(arranged.files, places)) if places else arranged


def _without_sources(found: list[Path], arranged: FileArrangement) -> list[Path]:
    """The files without those whose values a virtual dataset of another shows: these are not runs.

    Only files that stand apart from the largest family are opened: a master is rarely named as its sources.
    """
    apart = [path for path in found if path not in arranged.paths and path.is_file()][:MANY_OPENED]
    sources: set[Path] = set()
    for path in filter(is_hdf5, apart):
        sources.update(source.resolve() for source in virtual_sources(path))
    if not sources:
        return found
    return [path for path in found if path.resolve() not in sources] or found


def _nothing_to_read(folder: Path) -> SourceError:
    """Why no file of a folder can be read: its format and what to do, or what was found."""
    expected = "expected HDF5, NetCDF, npz or zarr"
    files = walk(folder).files[:MANY_FILES]
    if not files:
        return SourceError(f"{folder}: found no file; {expected}; name a file, or the folder of the files")
    named = foreign_names([path.relative_to(folder).as_posix() for path in files])
    if named is not None:
        foreign, names = named
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        return SourceError(
            f"{folder}: found {foreign.title} ({names[0]}{more}); {expected}; {foreign.advice}"
        )
    for path in filter(Path.is_file, files[:MANY_OPENED]):
        by_content = foreign_file(path)
        if by_content is not None:
            name = path.relative_to(folder).as_posix()
            return SourceError(
                f"{folder}: found {by_content.title} ({name}); {expected}; {by_content.advice}"
            )
    kinds = sorted({path.suffix or path.name for path in files})
    return SourceError(
        f"{folder}: found only files of other kinds ({', '.join(kinds[:5])}); {expected}; name a file, or "
        "the folder of the files"
    )


def data_files(folder: Path) -> list[Path]:
    """The files that may hold arrays, for a zarr store its folder; hidden files are left out."""
    found = []
    for place, folders, files in os.walk(folder):
        here = Path(place)
        stores = [name for name in folders if any((here / name / marker).exists() for marker in MARKERS)]
        folders[:] = sorted(name for name in folders if name not in stores and not name.startswith("."))
        found += [here / name for name in stores]
        found += [here / name for name in files if not name.startswith(".") and _may_hold_arrays(here / name)]
    return without_parts(sorted(found))


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
