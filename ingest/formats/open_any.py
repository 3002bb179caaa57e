"""Untrusted files, opened by what they hold: no name is believed, and nothing outside the file is
opened.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path, PurePosixPath

from ingest.formats.arrays import ArrayFile, look_into_hdf5, open_hdf5_arrays
from ingest.formats.npz import open_npz
from ingest.formats.zarr_marker import MARKERS, marker
from shards.errors import SourceError

ZIP = b"PK"


def located(path: Path) -> Path:
    """The file to open: of a zarr store, the one that stands for it; raises SourceError for other folders."""
    if not path.is_dir():
        return path
    store = marker(path)
    if store is None:
        raise SourceError(
            f"{path}: a folder without {' or '.join(MARKERS)}; expected a file, or a zarr store; name one "
            "of its files"
        )
    return store


def open_arrays(path: Path) -> AbstractContextManager[ArrayFile]:
    """The arrays of a file of any kind, told by its content and not by its name."""
    return _opened(path, open_hdf5_arrays)


def look_into(path: Path) -> AbstractContextManager[ArrayFile]:
    """The same for who only looks: of an HDF5 file that points outside itself all but that."""
    return _opened(path, look_into_hdf5)


def _opened(
    path: Path, open_hdf5: Callable[[Path], AbstractContextManager[ArrayFile]]
) -> AbstractContextManager[ArrayFile]:
    if path.name in MARKERS:
        return _open_zarr(path)
    if _starts_as_zip(path):
        return _open_zarr(path) if _holds_a_store(path) else open_npz(path)
    return open_hdf5(path)


def _open_zarr(path: Path) -> AbstractContextManager[ArrayFile]:
    # Loaded here: a worker that reads other files never waits for it.
    opened: AbstractContextManager[ArrayFile] = import_module("ingest.formats.zarr_store").open_zarr(path)
    return opened


def _starts_as_zip(path: Path) -> bool:
    # A pipe would be waited for; who opens HDF5 says that it is no file.
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(ZIP)) == ZIP
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); check the path") from error


def _holds_a_store(path: Path) -> bool:
    """An archive that is none, or cut short, is left to who opens it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(PurePosixPath(name).name in MARKERS for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return False
