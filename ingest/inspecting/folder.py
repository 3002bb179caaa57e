"""How the files of a folder belong together: as states of a run, restart pieces, variables, or runs."""

from __future__ import annotations

import os
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from ingest.formats.hdf5 import virtual_sources
from ingest.formats.open_any import is_hdf5
from ingest.formats.run_files import without_parts
from ingest.formats.walk import walk
from ingest.formats.zarr_marker import MARKERS
from ingest.inspecting.file_arrangement import Arrangement
from ingest.inspecting.file_names import largest_family, taken_apart, with_step_folders
from ingest.inspecting.folder_contents import FolderContents
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
# What to do with files of several suffixes.
OF_VTK = "read them with pyvista or meshio, numpy.savez their arrays"
OF_TORCH = "torch.load(FILE, weights_only=True), then numpy.save"
OF_TABLES = "read them with pyarrow, bring them to a grid, numpy.savez their arrays"
OF_XDMF = "name the folder of the HDF5 files that they point to"
# Formats that we do not read: a pattern of their file names, their name for the message, and what to do.
FOREIGN_FOLDERS = (
    ("*Level_0/Cell_H", "a plotfile of AMReX", "bring it to a grid with yt (covering_grid), numpy.savez it"),
    ("*system/controlDict", "a case of OpenFOAM", "bring it to a grid (foamToVTK, pyvista), numpy.savez it"),
    ("*md.idx", "an ADIOS2 file", "write its arrays to HDF5 or npz with adios2, or openpmd-pipe"),
    ("*.vt[iurskp]", "files of VTK", OF_VTK),
    ("*.vtk", "files of VTK", OF_VTK),
    ("*.f0000[0-9]", "field files of Nek5000", "bring them to a grid with pymech, numpy.savez their arrays"),
    ("*.meta", "binary files of MITgcm", "read them with xmitgcm.open_mdsdataset, write them by to_netcdf"),
    ("*.silo", "files of Silo", "read them with VisIt or yt, numpy.savez their arrays"),
    ("*.pt", "files of torch, which are pickles", OF_TORCH),
    ("*.pth", "files of torch, which are pickles", OF_TORCH),
    (
        "*.pkl",
        "pickles, which may run any program",
        "load them where they were made, numpy.savez their arrays",
    ),
    ("*.su2", "a case of SU2", "bring it to a grid with pyvista (its .vtu files), numpy.savez it"),
    ("*.plt", "files of Tecplot", "read them with pyvista, numpy.savez their arrays"),
    ("*.mat", "files of MATLAB 5", "read them with scipy.io.loadmat, numpy.savez their arrays"),
    ("*.grib*", "GRIB files", "convert them with cdo -f nc4 copy, or with cfgrib"),
    ("*.parquet", "tables of Parquet", OF_TABLES),
    ("*.feather", "tables of Feather", OF_TABLES),
    ("*.arrow", "tables of Arrow", OF_TABLES),
    ("*.xdmf", "files of XDMF, which describe others", OF_XDMF),
    ("*.xmf", "files of XDMF, which describe others", OF_XDMF),
    ("*.csv", "tables of text", "read them with numpy.loadtxt, numpy.savez them"),
)
# How many files of a folder are opened to see whether they show values of others.
MANY_MASTERS = 20
# How many file names of a folder are compared with these patterns.
MANY_FILES = 10_000


def look_through(folder: Path) -> FolderContents:
    """How the files below a folder belong together; raises SourceError where there is none that can be read.

    Names of all files are read, and what a few of them hold.
    """
    found = _data_files(folder)
    if not found:
        _refuse_known(folder)
        raise SourceError(
            f"{folder}: no file that can be read below it ({', '.join(SUFFIXES)}, or HDF5 by content); "
            "name a file, or the folder of the files"
        )
    arranged = _arranged(folder, found)
    alone = _without_sources(found, arranged)
    if len(alone) < len(found):
        arranged = _arranged(folder, alone)
    taken = {file.path for file in arranged.files}
    others = tuple(path.relative_to(folder).as_posix() for path in found if path not in taken)
    contents = replace(arranged.contents(), others=others)
    if len(taken) == 1 and others:
        # A * would take the others as well.
        return replace(contents, pattern=contents.first.relative_to(folder).as_posix())
    return contents


def _arranged(folder: Path, found: list[Path]) -> Arrangement:
    """The files that look most alike, by the numbers in their names, or in those of their folders; where none
    differs, by their names as a whole.
    """
    numbered = Arrangement(largest_family(taken_apart(folder, path) for path in found))
    if numbered.last_number is not None:
        return numbered
    named = largest_family(taken_apart(folder, path, numbers=False) for path in found)
    by_folder = Arrangement(with_step_folders(named))
    if by_folder.last_number is not None and by_folder.contents().kind == "states":
        return by_folder
    return Arrangement(named)


def _without_sources(found: list[Path], arranged: Arrangement) -> list[Path]:
    """The files without those whose values a virtual dataset of another shows: these are not runs.

    Only files that stand apart from the largest family are opened: a master is rarely named as its sources.
    """
    family = {file.path for file in arranged.files}
    apart = [path for path in found if path not in family and path.is_file()][:MANY_MASTERS]
    sources: set[Path] = set()
    for path in filter(is_hdf5, apart):
        sources.update(source.resolve() for source in virtual_sources(path))
    return [path for path in found if not sources or path.resolve() not in sources] or found


def _refuse_known(folder: Path) -> None:
    """Raises SourceError, with what to do, if the folder holds files of a format that we do not read."""
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
