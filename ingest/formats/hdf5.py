"""Opens untrusted HDF5 files, checks that they are complete, and reads them in slabs.

Nothing in a file is trusted: it must not point outside itself, and a dataset is read only if it is numeric,
if its filters are installed and if every byte of it was written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import EllipsisType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ingest.formats.hdf5_errors import reading, where, why_not_hdf5
from ingest.formats.hdf5_storage import require_filters, require_written
from ingest.formats.hdf5_tree import child_names, outside_data, own_datasets
from ingest.formats.hdf5_virtual import require_whole_sources, source_files
from ingest.formats.number_types import wrong_type
from ingest.remote.path import RemotePath, RemoteStream
from shards.errors import SourceError, WalrusError

# A chunk that holds a whole trajectory would otherwise be decoded once for every frame read from it.
CHUNK_CACHE_BYTES = 64 * 2**20
# Coordinates, times, scalars and masks are read completely; larger ones are refused.
HEADER_BYTES = 256 * 2**20


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Opens a file, read-only and without a lock; raises SourceError if it is not HDF5 or points outside."""
    with open_unchecked(path) as file:
        for place, fault in outside_data(file).items():
            raise SourceError(f"{where(file)}{place}: {fault}")
        yield file


@contextmanager
def open_unchecked(path: Path) -> Iterator[h5py.File]:
    """Opens a file that may point outside itself; callers must read nothing that `outside_data` lists."""
    if not isinstance(path, RemotePath) and not path.is_file():
        found = "not a file; expected an HDF5 file" if path.exists() else "there is no such file or folder"
        raise SourceError(f"{path}: {found}; check the path")
    content = RemoteStream(path) if isinstance(path, RemotePath) else path
    try:
        file = h5py.File(content, "r", locking=False, rdcc_nbytes=CHUNK_CACHE_BYTES)
    except WalrusError:
        raise
    except OSError as error:
        raise SourceError(why_not_hdf5(path, error)) from error
    with file:
        yield file


def numbers(group: h5py.Group, name: str) -> h5py.Dataset:
    """The dataset with this name, checked; raises SourceError if it is absent, not numeric or incomplete."""
    with reading(group):
        dataset = group.get(name)

    if not isinstance(dataset, h5py.Dataset):
        found = (
            "a group" if isinstance(dataset, h5py.Group) else ", ".join(child_names(group)[:12]) or "nothing"
        )
        raise SourceError(f"{where(group)}: no dataset {name}; found {found}")

    with reading(dataset):
        kind, shape = dataset.dtype, dataset.shape

    if not is_numeric(dataset):
        raise SourceError(f"{where(dataset)}: {wrong_type(kind if shape is not None else None, name)}")

    require_filters(dataset)
    if dataset.is_virtual:
        require_whole_sources(dataset)
    else:
        require_written(dataset)

    return dataset


def virtual_sources(path: Path) -> tuple[Path, ...]:
    """The other files that hold values of this file; none if it cannot be opened."""
    try:
        with open_unchecked(path) as file:
            found = [source_files(dataset) for _, dataset in own_datasets(file) if dataset.is_virtual]
    except SourceError:
        return ()
    return tuple(dict.fromkeys(chain.from_iterable(found)))


def is_numeric(dataset: h5py.Dataset) -> bool:
    """Whether it holds integers or floats of at most 64 bits."""
    with reading(dataset):
        kind, shape = dataset.dtype, dataset.shape
    return shape is not None and kind.kind in "biuf" and kind.itemsize <= 8


def slab(dataset: h5py.Dataset, *index: int | slice | EllipsisType) -> npt.NDArray[Any]:
    """Reads one contiguous hyperslab, in the type of the file."""
    with reading(dataset):
        return np.asarray(dataset[index])


def header_array(dataset: h5py.Dataset) -> npt.NDArray[np.float64]:
    """Reads a small dataset completely: coordinates, times, scalars, masks."""
    size = math.prod(dataset.shape) * 8
    if size > HEADER_BYTES:
        raise SourceError(
            f"{where(dataset)}: shape {dataset.shape}; expected a list of at most {HEADER_BYTES} bytes; "
            "name another array"
        )
    return slab(dataset, ...).astype(np.float64)


def records(group: h5py.Group, name: str) -> dict[str, float]:
    """Name to number of a table as FLASH writes it, with padded names; empty if the table is absent."""
    with reading(group):
        dataset = group.get(name)
        if not isinstance(dataset, h5py.Dataset) or dataset.nbytes > HEADER_BYTES:
            return {}
        values = dataset[()]
    kinds = [values.dtype[name].kind for name in values.dtype.names or ()]
    if values.ndim != 1 or len(kinds) != 2 or kinds[0] != "S" or kinds[1] not in "iuf":
        raise SourceError(
            f"{where(group)}: {name} holds {values.dtype}; expected pairs of a name and a number"
        )
    return {row[0].decode("utf-8", "replace").strip(): float(row[1]) for row in values}
