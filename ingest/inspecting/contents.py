"""The arrays of a file by their headers: path, shape, type, how they are stored, and what is wrong with them."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ingest.formats import hdf5_storage as storage
from ingest.formats import hdf5_tree as tree
from ingest.formats.arrays import Array, Arrays, Hdf5Arrays
from ingest.formats.zarr_store import Zarr, ZarrArray
from ingest.inspecting.statistics import ArrayStatistics
from shards.errors import SourceError

FILTERS = {
    1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scale-offset", 32000: "lzf", 32001: "blosc",
    32004: "lz4", 32008: "bitshuffle", 32013: "zfp", 32015: "zstd", 32026: "blosc2",
}  # fmt: skip
# In place of a type that numpy has no name for.
RECORD, UNKNOWN = UNREAD = ("record", "?")


@dataclass(frozen=True)
class Storage:
    """How an array is laid down; what a kind of file does not tell is None."""

    bytes: int | None = None
    chunks: tuple[int, ...] | None = None
    filters: tuple[str, ...] = ()


@dataclass(frozen=True)
class ArrayInfo:
    """An array by its header; `groups` counts the groups at the root that hold arrays of the same names as its own."""

    path: str
    shape: tuple[int, ...] | None
    dtype: str
    storage: Storage
    fault: str | None = None
    groups: int = 1
    statistics: ArrayStatistics | None = None

    @property
    def stored(self) -> str:
        """What a recipe calls it: `*/name` for an array a group."""
        return f"*/{self.path.partition('/')[2]}" if self.groups > 1 else self.path

    @property
    def lengths(self) -> tuple[int, ...]:
        return self.shape or ()

    @property
    def size(self) -> int:
        return math.prod(self.lengths)


def list_arrays(arrays: Arrays, path: Path) -> tuple[ArrayInfo, ...]:
    """The arrays by their headers; of groups at the root that are built alike, those of the first."""
    alike: dict[tuple[str, ...], list[str]] = {}
    names = arrays.names()
    for group, inner in _by_group(names).items():
        alike.setdefault(inner, []).append(group)
    firsts = {groups[0]: len(groups) for groups in alike.values()}
    return tuple(
        replace(_listed(arrays, name, path), groups=firsts.get(_group(name), 1))
        for name in names
        if "/" not in name or _group(name) in firsts
    )


def _group(name: str) -> str:
    return name.partition("/")[0]


def _by_group(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name in names:
        group, slash, inner = name.partition("/")
        if slash:
            found.setdefault(group, []).append(inner)
    return {group: tuple(inner) for group, inner in found.items()}


def _listed(arrays: Arrays, name: str, path: Path) -> ArrayInfo:
    try:
        array = arrays.array(name)
        return ArrayInfo(name, array.shape, str(array.dtype), _storage(arrays, array, name, path))
    except SourceError as error:
        shape, dtype, storage = _of_unreadable(arrays, name)
        return ArrayInfo(name, shape, dtype, storage, without_place(error, path, name))


def without_place(error: Exception, path: Path | str, name: str) -> str:
    """What is wrong, without the words that say of which array."""
    words = str(error)
    for start in (f"{path}:", "/", f"{name}:"):
        words = words.removeprefix(start)
    return words.removeprefix(":").strip()


def _of_unreadable(arrays: Arrays, name: str) -> tuple[tuple[int, ...] | None, str, Storage]:
    """What can be told of an array that cannot be read: damaged, or of a type that h5py does not know."""
    if not isinstance(arrays, Hdf5Arrays) or name in arrays.refused:
        return None, UNKNOWN, Storage()
    dataset = tree.item(arrays.file, name)
    try:
        dtype = RECORD if dataset.dtype.names else str(dataset.dtype)
        return dataset.shape, dtype, _hdf5_storage(dataset)
    except (OSError, RuntimeError, TypeError, ValueError, SourceError):
        return None, UNKNOWN, Storage()


def _storage(arrays: Arrays, array: Array, name: str, path: Path) -> Storage:
    if isinstance(arrays, Hdf5Arrays):
        return _hdf5_storage(tree.item(arrays.file, name))
    if isinstance(array, ZarrArray):
        codecs = tuple(type(each).__name__.lower().removesuffix("codec") for each in array.array.compressors)
        return Storage(None, tuple(array.array.shards or array.array.chunks), codecs)
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{name}.npy")
    return Storage(
        member.compress_size, None, () if member.compress_type == zipfile.ZIP_STORED else ("deflate",)
    )


def _hdf5_storage(dataset: Any) -> Storage:
    filters = tuple(FILTERS.get(code, f"filter {code}") for code, _ in storage.filters(dataset))
    return Storage(dataset.id.get_storage_size(), dataset.chunks, filters)


def root_numbers(arrays: Arrays) -> dict[str, float]:
    """The attributes of the file that are one number each; raises SourceError where attributes are damaged."""
    return {name: value for name in _root_attributes(arrays) if (value := _number(arrays, name)) is not None}


def _root_attributes(arrays: Arrays) -> list[str]:
    if isinstance(arrays, Hdf5Arrays):
        try:
            # h5py gives names that are not UTF-8 as bytes; no recipe could write them.
            return sorted(name for name in arrays.file.attrs if isinstance(name, str))
        except (OSError, RuntimeError) as error:
            raise SourceError(
                f"{arrays.where}: its attributes are damaged ({error}); fetch the file again"
            ) from error
    return sorted(arrays.group.attrs) if isinstance(arrays, Zarr) else []


def _number(arrays: Arrays, name: str) -> float | None:
    try:
        value = arrays.attribute("", name)
    except SourceError:
        return None
    return value if value is not None and math.isfinite(value) else None
