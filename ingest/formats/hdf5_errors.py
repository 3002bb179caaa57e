"""Turns errors of h5py into a SourceError: where it was, what was found, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from shards.errors import SourceError

# What h5py raises where metadata or data are damaged, or of a type it does not know.
_DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError)

PICKLE = "it may run code when it is opened: ask its author for arrays in npz or HDF5"
TABLE = "bring its rows to a grid, and numpy.savez the arrays"
# How a file that is not HDF5 begins, what it is, and what to do about it.
_OTHER_KINDS = (
    (b"version https://git-lfs", "a git-LFS pointer", "fetch the data behind it with git lfs pull"),
    (b"<!doctype html", "an HTML page", "the download failed: fetch the file again"),
    (b"<html", "an HTML page", "the download failed: fetch the file again"),
    (
        b"cdf",
        "a classic NetCDF file",
        'read it with source = "arrays", or convert it with nccopy -k netCDF-4',
    ),
    (b"grib", "a GRIB file", "convert it with cdo -f nc4 copy, or with cfgrib"),
    (
        b"matlab 5.0 mat-file",
        "a MATLAB 5 file",
        "save it in MATLAB with -v7.3, or read it with scipy.io.loadmat and numpy.savez it",
    ),
    (b"\x0e\x03\x13\x01", "an HDF4 file", "convert it with h4toh5"),
    (b"# vtk datafile", "a VTK file", "read it with pyvista or meshio and numpy.savez its arrays"),
    (b"<vtkfile", "a VTK file", "read it with pyvista or meshio and numpy.savez its arrays"),
    (b"<?xml", "an XML page", "the download failed: fetch the file again"),
    (b"simple  =", "a FITS file", "read it with astropy and numpy.savez its arrays"),
    (b"\x80\x02", "a pickle", PICKLE),
    (b"\x80\x03", "a pickle", PICKLE),
    (b"\x80\x04", "a pickle", PICKLE),
    (b"\x80\x05", "a pickle", PICKLE),
    (b"par1", "a Parquet file", f"read it with pyarrow.parquet.read_table, {TABLE}"),
    (b"arrow1", "an Arrow or Feather file", f"read it with pyarrow.feather.read_table, {TABLE}"),
    (b"fea1", "a Feather file", f"read it with pyarrow.feather.read_table, {TABLE}"),
    (b"<xdmf", "an XDMF file, which describes others", "name the HDF5 file that it points to"),
    (b"#std", "a field file of Nek5000", "bring it to a grid with pymech, and numpy.savez its arrays"),
    (
        b"foamfile",
        "a file of OpenFOAM",
        "bring it to a grid (foamToVTK, pyvista), and numpy.savez its arrays",
    ),
    (b"pk\x03\x04", "a zip archive", "unpack it, or name a source that reads npz"),
    (b"\x1f\x8b", "a gzip archive", "unpack it"),
)


def where(item: h5py.HLObject) -> str:
    """`file:/dataset`, the first words of an error."""
    return f"{item.file.filename}:{item.name}"


@contextmanager
def reading(item: h5py.HLObject) -> Iterator[None]:
    """Turns errors of h5py into SourceError; put nothing but calls of h5py inside."""
    try:
        yield
    except _DAMAGE as error:
        raise SourceError(
            f"{where(item)}: damaged, or of a type that h5py does not read ({_one_line(error)}); fetch the "
            "file again"
        ) from error


def why_not_hdf5(path: Path, error: OSError) -> str:
    """One line for a file that h5py refused: what it is by its size and first bytes, and what to do."""
    size = path.stat().st_size
    if size == 0:
        return f"{path}: found an empty file; expected HDF5; fetch the file again"
    truncated = re.search(r"eof = (\d+).*stored_eof = (\d+)", str(error))
    if truncated:
        held, declared = truncated.groups()
        return f"{path}: truncated: {held} of {declared} bytes; expected a whole HDF5 file; fetch it again"
    if "signature not found" not in str(error):
        return f"{path}: cannot be opened as HDF5: {_one_line(error)}"
    with path.open("rb") as file:
        start = _without_declaration(file.read(256).lstrip().lower())
    for beginning, kind, remedy in _OTHER_KINDS:
        if start.startswith(beginning):
            return f"{path}: found {kind} of {size} bytes; expected HDF5; {remedy}"
    if path.suffix.lower() in (".csv", ".dat", ".txt", ".tsv"):
        return f"{path}: found a table of text; expected HDF5; read it with numpy.loadtxt and numpy.savez it"
    return f"{path}: found {size} bytes that are not HDF5; fetch it again, or name the source that reads it"


def _without_declaration(start: bytes) -> bytes:
    """What XML begins with, behind its declaration, type and comments: the name of its first element."""
    is_xml = start.startswith(b"<?xml")
    while is_xml and start.startswith((b"<?", b"<!--", b"<!doctype xdmf")) and b">" in start:
        start = start.partition(b">")[2].lstrip()
    return start if start.startswith((b"<vtkfile", b"<xdmf")) or not is_xml else b"<?xml"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
