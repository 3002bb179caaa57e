"""Turns errors of h5py into a SourceError: where it was, what was found, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from ingest.formats.foreign_formats import foreign_file
from shards.errors import SourceError, WalrusError

# What h5py raises for damaged metadata or data, and for types that it does not know.
_DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError)


def where(item: h5py.HLObject) -> str:
    """The first words of an error, `file:/dataset`."""
    return f"{item.file.filename}:{item.name}"


@contextmanager
def reading(item: h5py.HLObject) -> Iterator[None]:
    """Turns errors of h5py into SourceError; put nothing but calls of h5py inside."""
    try:
        yield
    except WalrusError:
        # From the server of a remote file.
        raise
    except _DAMAGE as error:
        raise SourceError(
            f"{where(item)}: damaged, or has a type that h5py cannot read ({_one_line(error)}); fetch the "
            "file again"
        ) from error


def why_not_hdf5(path: Path, error: OSError) -> str:
    """One line on a file that h5py refused: what it is, by its size and first bytes, and what to do."""
    size = path.stat().st_size
    if size == 0:
        return f"{path}: found an empty file; expected HDF5; fetch the file again"

    truncated = re.search(r"eof = (\d+).*stored_eof = (\d+)", str(error))
    if truncated:
        held, declared = truncated.groups()
        return f"{path}: truncated: {held} of {declared} bytes; expected a whole HDF5 file; fetch it again"

    if "signature not found" not in str(error):
        return f"{path}: cannot be opened as HDF5: {_one_line(error)}"

    # A folder is not judged by such a file, which lies next to the data of many programs.
    if path.suffix == ".toml":
        return f"{path}: is a TOML file, such as a recipe; name the files of the data, or their folder"

    foreign = foreign_file(path)
    if foreign is None:
        return (
            f"{path}: found {size} bytes that are not HDF5; fetch it again, or name the source that reads it"
        )

    return f"{path}: found {foreign.title} of {size} bytes; expected HDF5; {foreign.advice}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
