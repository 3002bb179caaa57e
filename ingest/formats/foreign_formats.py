"""Formats that we cannot read: how their files are recognised, and what to do with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path


@dataclass(frozen=True)
class ForeignFormat:
    """A title, advice, the first bytes of such files (in lower case), and patterns of their paths."""

    title: str
    advice: str
    beginnings: tuple[bytes, ...] = ()
    names: tuple[str, ...] = ()
    # Numbers without a header, which memmaps and Fortran write.
    may_be_raw: bool = False


_AGAIN = "the download failed: fetch the file again"
_TO_GRID = "bring it to a grid with pyvista, and numpy.savez the arrays"
_TABLE = "bring its rows to a grid, and numpy.savez the arrays"
_PARTICLES = "deposit them on a grid, and numpy.savez the arrays"
_RAW = "read it with numpy.fromfile (its program documents type and shape), and numpy.savez the arrays"

# The first match counts: the first bytes are compared with all formats before the name is.
FOREIGN_FORMATS = (
    ForeignFormat(
        "a git-LFS pointer", "fetch the data behind it with git lfs pull", (b"version https://git-lfs",)
    ),
    ForeignFormat("an HTML page", _AGAIN, (b"<!doctype html", b"<html"), ("*.html",)),
    ForeignFormat("an XML page", _AGAIN, (b"<?xml",)),
    ForeignFormat(
        "a classic NetCDF file",
        'read it with source = "arrays", or convert it with nccopy -k netCDF-4',
        (b"cdf\x01", b"cdf\x02", b"cdf\x05"),
    ),
    ForeignFormat(
        "a GRIB file", "convert it with cdo -f nc4 copy, or with cfgrib", (b"grib",), ("*.grib*", "*.grb*")
    ),
    ForeignFormat(
        "a MATLAB 5 file",
        "save it in MATLAB with -v7.3, or read it with scipy.io.loadmat and numpy.savez it",
        (b"matlab 5.0 mat-file",),
        ("*.mat",),
    ),
    # Next to these lie pickles.
    ForeignFormat(
        "output of Clawpack as text",
        'write HDF5 (output_format = "hdf5" of the controller of PyClaw), or convert each frame: '
        'pyclaw.Solution(frame, path=FOLDER, file_format="ascii").write(frame, OUT, file_format="hdf5")',
        names=("*fort.q[0-9][0-9][0-9][0-9]", "*claw.q[0-9][0-9][0-9][0-9]"),
    ),
    ForeignFormat("an HDF4 file", "convert it with h4toh5", (b"\x0e\x03\x13\x01",)),
    ForeignFormat(
        "a VTK file",
        "read it with pyvista or meshio, and numpy.savez its arrays",
        (b"# vtk datafile", b"<vtkfile"),
        ("*.vt[iurskpm]", "*.vtk", "*.pvt[iurs]", "*.pvd"),
    ),
    ForeignFormat(
        "an XDMF file, which describes others",
        "name the HDF5 file that it points to, or the folder of these",
        (b"<xdmf",),
        ("*.xdmf", "*.xmf"),
    ),
    ForeignFormat(
        "a FITS file",
        "read it with astropy, and numpy.savez its arrays",
        (b"simple  =",),
        ("*.fits", "*.fit"),
    ),
    ForeignFormat(
        "a torch file, which is a pickle",
        "load it with torch.load(FILE, weights_only=True), and numpy.savez its tensors",
        names=("*.pt", "*.pth"),
    ),
    ForeignFormat(
        "a pickle",
        "it may run code when it is opened: ask its author for arrays in npz or HDF5",
        (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"),
        ("*.pkl", "*.pickle"),
    ),
    ForeignFormat(
        "a Parquet file", f"read it with pyarrow.parquet.read_table, {_TABLE}", (b"par1",), ("*.parquet",)
    ),
    ForeignFormat(
        "an Arrow or Feather file",
        f"read it with pyarrow.feather.read_table, {_TABLE}",
        (b"arrow1", b"fea1"),
        ("*.arrow", "*.feather"),
    ),
    ForeignFormat(
        "a TFRecord file", "read it with tensorflow.data, and numpy.savez its arrays", names=("*.tfrecord*",)
    ),
    ForeignFormat(
        "a safetensors file",
        "read it with safetensors.numpy.load_file, and numpy.savez its arrays",
        names=("*.safetensors",),
    ),
    ForeignFormat(
        "a field file of Nek5000",
        "bring it to a grid with pymech, and numpy.savez its arrays",
        (b"#std",),
        ("*.f[0-9][0-9][0-9][0-9][0-9]", "*.nek5000"),
    ),
    ForeignFormat(
        "a plotfile of AMReX",
        "bring it to a grid with yt (covering_grid), and numpy.savez it",
        (b"hypercleansrc", b"hyperclaw-v1", b"navierstokes-v1"),
        ("*level_0/cell_h",),
    ),
    ForeignFormat(
        "a case of OpenFOAM",
        "bring it to a grid (foamToVTK, pyvista), and numpy.savez the arrays",
        (b"foamfile",),
        ("*system/controldict",),
    ),
    ForeignFormat(
        "an ADIOS2 file", "write its arrays to HDF5 or npz with adios2, or openpmd-pipe", names=("*md.idx",)
    ),
    ForeignFormat(
        "a binary file of MITgcm",
        "read it with xmitgcm.open_mdsdataset, and write it by to_netcdf",
        names=("*.meta", "*.[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9].data"),
    ),
    ForeignFormat("a Silo file", "read it with VisIt or yt, and numpy.savez its arrays", names=("*.silo",)),
    ForeignFormat(
        "an SDF file of EPOCH",
        "read it with sdf_xarray, and write it by to_netcdf",
        (b"sdf1",),
        ("*.sdf",),
    ),
    ForeignFormat(
        "a binary file of ParFlow",
        "read it with parflow.tools.io.read_pfb, and numpy.savez the arrays",
        names=("*.pfb",),
    ),
    ForeignFormat("a Selafin file of TELEMAC", _TO_GRID, names=("*.slf",)),
    ForeignFormat("a PP file of the Met Office", "convert it with iris.load and iris.save", names=("*.pp",)),
    ForeignFormat("a NIfTI image", "read it with nibabel, and numpy.savez the arrays", names=("*.nii",)),
    ForeignFormat(
        "an NRRD image", "read it with nrrd.read, and numpy.savez the arrays", (b"nrrd000",), ("*.nrrd",)
    ),
    ForeignFormat(
        "a MetaImage", "read it with SimpleITK, and numpy.savez the arrays", names=("*.mhd", "*.mha")
    ),
    ForeignFormat("an OpenVDB file", "read it with openvdb, and numpy.savez the grids", names=("*.vdb",)),
    ForeignFormat("an SQLite database", f"read it with sqlite3, {_TABLE}", (b"sqlite format 3",)),
    ForeignFormat("a case of SU2", _TO_GRID, names=("*.su2",)),
    ForeignFormat("a case of EnSight", _TO_GRID, names=("*.case", "*.encas")),
    ForeignFormat(
        "a Tecplot file",
        _TO_GRID,
        (b"title =", b"title=", b"variables =", b"variables=", b"#!tdv"),
        ("*.plt", "*.szplt"),
    ),
    ForeignFormat("a mesh of Gmsh", "name the files of the fields, on a grid", (b"$meshformat",), ("*.msh",)),
    ForeignFormat(
        "a snapshot of Gerris", "write it with its GfsOutputGrid, and numpy.savez the arrays", (b"# gerris",)
    ),
    ForeignFormat("particles of LAMMPS", _PARTICLES, (b"item: timestep",), ("*.lammpstrj",)),
    ForeignFormat("particles of HOOMD", _PARTICLES, names=("*.gsd",)),
    ForeignFormat(
        "a raw file of PLUTO",
        "write HDF5 (.dbl.h5 in pluto.ini), or read it with pyPLUTO and numpy.savez the arrays",
        names=("*dbl.out", "*flt.out"),
        may_be_raw=True,
    ),
    ForeignFormat(
        "a picture or a film",
        "its colours are not values: name the arrays it was drawn from",
        (b"\x89png", b"gif8", b"\xff\xd8\xff", b"\x00\x00\x00\x18ftyp", b"\x00\x00\x00\x20ftyp"),
        ("*.mp4", "*.avi", "*.mov", "*.jpg", "*.gif", "*.png"),
    ),
    ForeignFormat(
        "a TIFF image",
        "read it with tifffile, and numpy.savez the arrays",
        (b"ii*\x00", b"mm\x00*"),
        ("*.tif", "*.tiff"),
    ),
    ForeignFormat("a zip archive", "unpack it, or name a source that reads npz", (b"pk\x03\x04",)),
    ForeignFormat(
        "a compressed file or an archive",
        "unpack it",
        (b"\x1f\x8b", b"bzh", b"\xfd7zxz", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"rar!"),
        ("*.gz", "*.bz2", "*.xz", "*.zst", "*.7z", "*.tar", "*.tgz"),
    ),
    ForeignFormat(
        "a raw file",
        _RAW,
        names=("*.bin", "*.raw", "*.dbl", "*.flt", "*.data", "*.f32", "*.f64"),
        may_be_raw=True,
    ),
    ForeignFormat(
        "a table of text, or a raw file",
        "read it with numpy.loadtxt, or numpy.fromfile, and numpy.savez the arrays",
        names=("*.dat",),
        may_be_raw=True,
    ),
    ForeignFormat(
        "a table of text", "read it with numpy.loadtxt, and numpy.savez it", names=("*.csv", "*.tsv", "*.txt")
    ),
)

RAW = tuple(each for each in FOREIGN_FORMATS if each.may_be_raw)


def foreign_file(path: Path) -> ForeignFormat | None:
    """The foreign format of a file by its first bytes, otherwise by its name; None if it is unknown."""
    with path.open("rb") as file:
        beginning = _without_declaration(file.read(256).lstrip().lower())
    for each in FOREIGN_FORMATS:
        if beginning.startswith(each.beginnings):
            return each
    named = foreign_names([path.name])
    return named[0] if named else None


def foreign_names(
    names: Sequence[str], formats: Sequence[ForeignFormat] = FOREIGN_FORMATS
) -> tuple[ForeignFormat, list[str]] | None:
    """The first of these formats that matches some of the paths, and the paths; None if none matches.

    >>> found, names = foreign_names(["run/log", "run/out_0001.vtu", "run/out_0002.vtu"])
    >>> found.title, names
    ('a VTK file', ['run/out_0001.vtu', 'run/out_0002.vtu'])
    """
    for each in formats:
        found = [name for name in names if any(fnmatchcase(name.lower(), mark) for mark in each.names)]
        if found:
            return each, found
    return None


def _without_declaration(start: bytes) -> bytes:
    """The first bytes without the declaration, type and comments of XML: they begin with its first
    element.
    """
    is_xml = start.startswith(b"<?xml")
    while is_xml and start.startswith((b"<?", b"<!--", b"<!doctype xdmf")) and b">" in start:
        start = start.partition(b">")[2].lstrip()
    return start if start.startswith((b"<vtkfile", b"<xdmf")) or not is_xml else b"<?xml"
