"""Files of strangers opened by what they hold: no name is believed, and nothing outside the file is opened."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from ingest.sources._arrays import Arrays, open_hdf5_arrays
from ingest.sources._npz import open_npz
from ingest.sources._zarr import open_zarr
from shards.errors import SourceError

ZIP = b"PK"


def located(path: Path) -> Path:
    """The file to open: of a zarr store, its `zarr.json`; raises SourceError for other folders."""
    if not path.is_dir():
        return path
    if not (path / "zarr.json").is_file():
        raise SourceError(
            f"{path}: a folder without zarr.json; expected a file, or a zarr store; name one of its files"
        )
    return path / "zarr.json"


def open_arrays(path: Path) -> AbstractContextManager[Arrays]:
    """The arrays of a file of any kind, told by its content and not by its name."""
    if path.name == "zarr.json":
        return open_zarr(path)
    if _starts_as_zip(path):
        return open_zarr(path) if path.name.endswith(".zarr.zip") else open_npz(path)
    return open_hdf5_arrays(path)


def _starts_as_zip(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(ZIP)) == ZIP
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); check the path") from error
