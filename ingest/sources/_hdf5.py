"""HDF5 files of strangers: opened, proven whole, and read in slabs.

A file is trusted with nothing: it may not point outside itself, and a dataset is read only when it is numeric,
its filters are installed and every byte of it was written (formats of the sources: edge cases 1, 9, 10, 13, 14).
Only this module talks to h5py, so only here its errors become SourceError.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import EllipsisType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from shards.errors import SourceError

# A chunk that holds a whole trajectory would else be decoded once for every frame read from it.
CHUNK_CACHE_BYTES = 64 * 2**20
# Coordinates, times, scalars and masks are read whole; a header that claims more is no header.
HEADER_BYTES = 256 * 2**20
# One chunk is decoded whole, however small the slab.
CHUNK_BYTES = 2 * 2**30

# What h5py raises where metadata or data are damaged, or of a type it does not know.
_DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError)

# How a file that is not HDF5 begins, what it is, and what to do about it.
_OTHER_KINDS = (
    (b"version https://git-lfs", "a git-LFS pointer", "fetch the data behind it with git lfs pull"),
    (b"<!doctype html", "an HTML page", "the download failed: fetch the file again"),
    (b"<html", "an HTML page", "the download failed: fetch the file again"),
    (b"<?xml", "an XML page", "the download failed: fetch the file again"),
    (b"cdf", "a classic NetCDF-3 file", "convert it with nccopy -k netCDF-4"),
    (b"pk\x03\x04", "a zip archive", "unpack it, or name a source that reads npz"),
    (b"\x1f\x8b", "a gzip archive", "unpack it"),
)


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """The file, read only and without a lock; raises SourceError where it is not HDF5 or points outside itself."""
    if not path.is_file():
        raise SourceError(f"{path}: not a file; expected an HDF5 file; check the path")
    try:
        file = h5py.File(path, "r", locking=False, rdcc_nbytes=CHUNK_CACHE_BYTES)
    except OSError as error:
        raise SourceError(_why_not_hdf5(path, error)) from error
    with file:
        _refuse_outside_data(file)
        yield file


def where(item: h5py.HLObject) -> str:
    """`file:/dataset`, the first words of an error."""
    return f"{item.file.filename}:{item.name}"


def _why_not_hdf5(path: Path, error: OSError) -> str:
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
        start = file.read(256).lstrip().lower()
    for beginning, kind, remedy in _OTHER_KINDS:
        if start.startswith(beginning):
            return f"{path}: found {kind} of {size} bytes; expected HDF5; {remedy}"
    return f"{path}: found {size} bytes that are not HDF5; fetch the file again, or name the source that reads it"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


@contextmanager
def _reading(item: h5py.HLObject) -> Iterator[None]:
    """Around calls of h5py and nothing else."""
    try:
        yield
    except _DAMAGE as error:
        raise SourceError(
            f"{where(item)}: damaged, or of a type that h5py does not read ({_one_line(error)}); fetch the file again"
        ) from error


def _refuse_outside_data(file: h5py.File) -> None:
    with _reading(file):
        root = file["/"]
    for path, link, item in _members(root):
        if isinstance(link, h5py.ExternalLink):
            raise SourceError(
                f"{where(file)}{path}: an external link to {link.path} in {link.filename}; expected data in the file "
                "itself; copy it in with h5repack or h5copy"
            )
        if isinstance(item, h5py.Dataset):
            _refuse_outside_storage(item)


def _members(top: h5py.Group) -> Iterator[tuple[str, Any, Any]]:
    """(path, link, item) of all below; item is None but for hard links; a group met twice ends a cycle."""
    seen: set[h5py.Group] = set()
    waiting = [("", top)]
    while waiting:
        prefix, group = waiting.pop()
        if group in seen:
            continue
        seen.add(group)
        for name in child_names(group):
            with _reading(group):
                link = group.get(name, getlink=True)
                item = group[name] if isinstance(link, h5py.HardLink) else None
            if isinstance(item, h5py.Group):
                waiting.append((f"{prefix}{name}/", item))
            yield prefix + name, link, item


def _refuse_outside_storage(dataset: h5py.Dataset) -> None:
    with _reading(dataset):
        elsewhere = [name for name, *_ in dataset.external or ()]
        virtual = dataset.is_virtual
        if virtual:
            elsewhere = [source.file_name for source in dataset.virtual_sources()]
    if elsewhere or virtual:
        kind = "a virtual dataset" if virtual else "raw storage outside the file"
        raise SourceError(
            f"{where(dataset)}: {kind}, of {', '.join(map(str, elsewhere[:3])) or 'nothing'}; expected data in the "
            "file itself; copy it in with h5repack"
        )


def child_names(group: h5py.Group) -> tuple[str, ...]:
    """Names of all that the group holds, alphabetical."""
    with _reading(group):
        return tuple(sorted(group))


def child_group(parent: h5py.Group, name: str) -> h5py.Group | None:
    """The group of this name, or None; a dataset in its place is an error."""
    with _reading(parent):
        item = parent.get(name)
    if item is not None and not isinstance(item, h5py.Group):
        raise SourceError(f"{where(parent)}: {name} is a dataset; expected a group")
    return item


def dataset_names(group: h5py.Group) -> tuple[str, ...]:
    """Names of all datasets below, alphabetical, subgroups as `group/name`; soft links count by what they reach."""
    names = []
    for path, link, item in _members(group):
        with _reading(group):
            target = group.get(path) if isinstance(link, h5py.SoftLink) else item
        if isinstance(target, h5py.Dataset):
            names.append(path)
    return tuple(sorted(names))


def item(group: h5py.Group, path: str) -> h5py.HLObject:
    """The group or dataset at `path` (empty: the group itself); raises SourceError where there is none."""
    with _reading(group):
        found = group.get(path) if path else group
    if found is None:
        raise SourceError(
            f"{where(group)}: no dataset or group {path}; found {', '.join(child_names(group)[:12]) or 'nothing'}"
        )
    return found


def is_bare_dimension(found: h5py.HLObject) -> bool:
    """A dimension of NetCDF4 that has a length and no values."""
    if not isinstance(found, h5py.Dataset):
        return False
    with _reading(found):
        if not found.is_scale:
            return False
    return (texts(found, "NAME") or ("",))[0].startswith("This is a netCDF dimension but not a netCDF variable")


def numbers(group: h5py.Group, name: str) -> h5py.Dataset:
    """The dataset of this name, proven readable; raises SourceError where it is absent or not whole."""
    with _reading(group):
        dataset = group.get(name)
    if not isinstance(dataset, h5py.Dataset):
        found = "a group" if isinstance(dataset, h5py.Group) else ", ".join(child_names(group)[:12]) or "nothing"
        raise SourceError(f"{where(group)}: no dataset {name}; found {found}")
    with _reading(dataset):
        kind, shape = dataset.dtype, dataset.shape
    if shape is None or kind.kind not in "biuf" or kind.itemsize > 8:
        raise SourceError(
            f"{where(dataset)}: holds {'nothing' if shape is None else kind}; expected integers or floats up to 64 bits"
        )
    _require_filters(dataset)
    _require_written(dataset)
    return dataset


def filters(dataset: h5py.Dataset) -> list[tuple[int, str]]:
    """Number and title of each filter that its chunks went through."""
    with _reading(dataset):
        pipeline = dataset.id.get_create_plist()
        found = [pipeline.get_filter(index) for index in range(pipeline.get_nfilters())]
    return [(code, name.decode("utf-8", "replace").split(";")[0].strip()) for code, _flags, _values, name in found]


def _require_filters(dataset: h5py.Dataset) -> None:
    for code, title in filters(dataset):
        if not _available(code):
            raise SourceError(
                f"{where(dataset)}: needs HDF5 filter {code} ({title or 'unnamed'}), which is not installed; "
                "install hdf5plugin (pip install hdf5plugin)"
            )


def _available(code: int) -> bool:
    if h5py.h5z.filter_avail(code):
        return True
    try:
        importlib.import_module("hdf5plugin")  # it registers its filters when imported
    except ImportError:
        return False
    return bool(h5py.h5z.filter_avail(code))


def _require_written(dataset: h5py.Dataset) -> None:
    """Storage that was never written reads as the fill value, most often zero: refuse it."""
    size = math.prod(dataset.shape) * dataset.dtype.itemsize
    with _reading(dataset):
        chunks = dataset.chunks
        written = dataset.id.get_num_chunks() if chunks else dataset.id.get_storage_size()
    if not chunks:
        expected, unit = size, "bytes"
    else:
        expected = math.prod(-(-length // step) for length, step in zip(dataset.shape, chunks, strict=True))
        unit = "chunks"
        chunk_bytes = math.prod(chunks) * dataset.dtype.itemsize
        if chunk_bytes > CHUNK_BYTES:
            raise SourceError(
                f"{where(dataset)}: chunks of {chunk_bytes} bytes, each decoded whole; expected at most {CHUNK_BYTES}; "
                "rechunk the file with h5repack"
            )
    if written < expected:
        raise SourceError(
            f"{where(dataset)}: {written} of {expected} {unit} were ever written, the rest would read as the fill "
            "value; the file was not finished: fetch or write it again"
        )


def slab(dataset: h5py.Dataset, *index: int | slice | EllipsisType) -> npt.NDArray[Any]:
    """One contiguous hyperslab, in the type of the file."""
    with _reading(dataset):
        return np.asarray(dataset[index])


def header_array(dataset: h5py.Dataset) -> npt.NDArray[np.float64]:
    """A small dataset, whole: coordinates, times, scalars, masks."""
    size = math.prod(dataset.shape) * 8
    if size > HEADER_BYTES:
        raise SourceError(
            f"{where(dataset)}: shape {dataset.shape} where a list of at most {HEADER_BYTES} bytes is expected"
        )
    return slab(dataset, ...).astype(np.float64)


def _attribute(item: h5py.HLObject, name: str) -> npt.NDArray[Any] | None:
    """An attribute as a flat array, whatever its type: scalar, list, bytes, str, empty; None where absent."""
    with _reading(item):
        value = item.attrs.get(name)
    if value is None:
        return None
    return np.empty(0) if isinstance(value, h5py.Empty) else np.asarray(value).reshape(-1)


def texts(item: h5py.HLObject, name: str) -> tuple[str, ...] | None:
    """A list of names: str, bytes, one or many; an empty list is stored as floats; None where absent."""
    values = _attribute(item, name)
    if values is None:
        return None
    if not all(isinstance(value, str | bytes) for value in values):
        raise SourceError(f"{where(item)}: attribute {name} holds {values.tolist()}; expected names")
    return tuple(v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values)


def flags(item: h5py.HLObject, name: str) -> tuple[bool, ...] | None:
    """A flag or a list of flags: bool, enum or number; None where absent."""
    values = _attribute(item, name)
    if values is None:
        return None
    if values.dtype.kind not in "biuf":
        raise SourceError(f"{where(item)}: attribute {name} holds {values.tolist()}; expected true or false")
    return tuple(bool(value) for value in values)


def number(item: h5py.HLObject, name: str) -> float | None:
    """One number; None where absent."""
    values = _attribute(item, name)
    if values is None:
        return None
    if values.dtype.kind not in "biuf" or values.size != 1:
        raise SourceError(f"{where(item)}: attribute {name} holds {values.tolist()}; expected one number")
    return float(values[0])


def records(group: h5py.Group, name: str) -> dict[str, float]:
    """A list of (name, number) as FLASH writes it, names padded with blanks; empty where absent."""
    with _reading(group):
        dataset = group.get(name)
        values = dataset[()] if isinstance(dataset, h5py.Dataset) and dataset.nbytes <= HEADER_BYTES else None
    if values is None:
        return {}
    kinds = [values.dtype[name].kind for name in values.dtype.names or ()]
    if values.ndim != 1 or len(kinds) != 2 or kinds[0] != "S" or kinds[1] not in "iuf":
        raise SourceError(f"{where(group)}: {name} holds {values.dtype}; expected pairs of a name and a number")
    return {row[0].decode("utf-8", "replace").strip(): float(row[1]) for row in values}
