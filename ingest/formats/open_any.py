"""Opens an untrusted file: recognises its format by its content, and opens nothing outside the file."""

from __future__ import annotations

import zipfile
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path, PurePosixPath

from ingest.formats.arrays import ArrayFile, open_hdf5_arrays
from ingest.formats.netcdf_classic import MAGIC, open_classic
from ingest.formats.npz import NPY_MAGIC, open_npy, open_npz
from ingest.formats.zarr_marker import MARKERS, marker
from ingest.remote.path import RemotePath
from ingest.remote.ranges import FETCH_FIRST
from shards.errors import SourceError

ZIP = b"PK"
HDF5 = b"\x89HDF\r\n\x1a\n"


def located(path: Path) -> Path:
    """The file to open; for a zarr store, its marker; raises SourceError for other folders."""
    if not path.is_dir():
        return path
    store = marker(path)
    if store is None:
        raise SourceError(
            f"{path}: a folder without {' or '.join(MARKERS)}; expected a file or a zarr store; name a file "
            "in it"
        )
    return store


def open_arrays(path: Path) -> AbstractContextManager[ArrayFile]:
    """Opens a file of any kind, recognised by its first bytes and not by its name; HDF5 by default."""
    if path.name in MARKERS:
        return _open_zarr(path)
    start = _first_bytes(path)
    if isinstance(path, RemotePath) and start.startswith((ZIP, NPY_MAGIC, *MAGIC)):
        raise SourceError(f"{path}: only HDF5, NetCDF4 and zarr are read behind a URL; {FETCH_FIRST}")
    if start.startswith(ZIP):
        return _open_zarr(path) if _holds_a_store(path) else open_npz(path)
    if start.startswith(NPY_MAGIC):
        return open_npy(path)
    if start[:4] in MAGIC:
        return open_classic(path)
    return open_hdf5_arrays(path)


def _open_zarr(path: Path) -> AbstractContextManager[ArrayFile]:
    # Imported here, because zarr is slow to import and most files do not need it.
    opened: AbstractContextManager[ArrayFile] = import_module("ingest.formats.zarr_store").open_zarr(path)
    return opened


def is_hdf5(path: Path) -> bool:
    """Whether a file begins with the HDF5 signature; files with a user block (as from MATLAB) do not."""
    return _first_bytes(path) == HDF5


def _first_bytes(path: Path) -> bytes:
    """The first bytes of a file, which say its kind; none if it is not a file."""
    # Opening a pipe would wait; the HDF5 reader reports later that it is not a file.
    if not isinstance(path, RemotePath) and not path.is_file():
        return b""
    try:
        with path.open("rb") as file:
            return file.read(8)
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); check the path") from error


def _holds_a_store(path: Path) -> bool:
    """Whether a zip archive holds a zarr store; a damaged archive is reported by the reader that opens it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(PurePosixPath(name).name in MARKERS for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return False
