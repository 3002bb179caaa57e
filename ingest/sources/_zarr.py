"""zarr stores of strangers, versions 2 and 3: folders by the file that says so, or zip archives."""

from __future__ import annotations

import math
import re
import sys
import zipfile
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.storage import LocalStore, ZipStore

from ingest.sources._arrays import Index
from shards.errors import SourceError

# What stands at the root of a store, and for the store: of version 3, and of version 2.
MARKERS = ("zarr.json", ".zgroup")
# Codecs that keep a value only nearly; zfpy has a lossless mode.
LOSSY = ("zfpy", "bitround", "quantize", "fixedscaleoffset")
# What zarr and its codecs raise for damage, or for metadata that they do not know.
_DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError, zipfile.BadZipFile)


def marker(folder: Path) -> Path | None:
    """The file that makes a folder a zarr store, if it is one."""
    return next((folder / name for name in MARKERS if (folder / name).is_file()), None)


@contextmanager
def open_zarr(path: Path) -> Iterator[Zarr]:
    """The group whose marker is given, or that a zip holds; raises SourceError where there is none."""
    in_folder = path.name in MARKERS
    try:
        keys = _keys(path.parent) if in_folder else _members(path)
        store = LocalStore(path.parent, read_only=True) if in_folder else ZipStore(path, mode="r")
        group = zarr.open_group(store, mode="r")
    except SourceError:
        raise
    except _DAMAGE as error:
        raise SourceError(f"{path}: holds no zarr group ({_one_line(error)}); fetch it again") from error
    try:
        yield Zarr(str(path), group, keys)
    finally:
        store.close()


def _keys(folder: Path) -> list[str]:
    """Names of all that the store holds; a link to nowhere would read as absent, a device or a pipe without end."""
    places = [place for place in folder.rglob("*") if not place.is_dir()]
    strange = next((place for place in places if not place.is_file()), None)
    if strange is not None:
        raise SourceError(f"{strange}: neither a file nor a folder, or a link to nowhere; fetch the store again")
    return sorted(place.relative_to(folder).as_posix() for place in places)


def _members(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as file:
        return sorted(file.namelist())


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@dataclass(frozen=True)
class Zarr:
    """The arrays of a group and of the groups below; `keys` are the names of all that the store holds, sorted."""

    where: str
    group: zarr.Group
    keys: list[str]

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(name for name, item in self._members().items() if isinstance(item, zarr.Array)))

    def array(self, path: str) -> ZarrArray:
        item = self._members().get(path)
        if not isinstance(item, zarr.Array):
            raise SourceError(f"{self.where}: no array {path}; found {', '.join(self.names()[:12]) or 'nothing'}")
        array = ZarrArray(f"{self.where}:{path}", item, _present(item, self.keys))
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise SourceError(f"{array.where}: holds {array.dtype}; expected integers or floats up to 64 bits")
        # The one codec that would run what a stranger wrote.
        if "pickle" in _codecs(item):
            raise SourceError(f"{array.where}: encoded by pickle, which is never opened here; store it as numbers")
        return array

    def attribute(self, path: str, name: str) -> float | None:
        item = self._members().get(path) if path else self.group
        value = item.attrs.get(name) if item is not None else None
        if value is None:
            return None
        # JSON has integers that no float holds.
        if not isinstance(value, int | float) or abs(value) > sys.float_info.max:
            raise SourceError(f"{self.where}:{path}: attribute {name} holds {str(value)[:40]!r}; expected one number")
        return float(value)

    def caveats(self) -> dict[str, tuple[str, ...]]:
        return {
            path: ZarrArray(path, item, _present(item, self.keys)).caveats
            for path, item in sorted(self._members().items())
            if isinstance(item, zarr.Array)
        }

    def _members(self) -> dict[str, Any]:
        try:
            return dict(self.group.members(max_depth=None))
        except _DAMAGE as error:
            raise SourceError(f"{self.where}: damaged ({_one_line(error)}); fetch it again") from error


def _codecs(array: Any) -> str:
    """All that the metadata say of filters, codecs and compression, in lower case."""
    metadata = array.metadata.to_dict()
    return str([metadata.get(key) for key in ("filters", "compressor", "codecs")]).lower()


def _present(array: Any, keys: list[str]) -> int:
    """How many of the chunks that stand apart in the store (shards, where there are any) are in it.

    Counted by the keys there are: a header may promise more chunks than anyone could count.
    """
    prefix = f"{array.path}/"
    own = takewhile(lambda key: key.startswith(prefix), islice(keys, bisect_left(keys, prefix), None))
    return sum(_is_chunk(array, key.removeprefix(prefix)) for key in own)


def _is_chunk(array: Any, key: str) -> bool:
    place = tuple(map(int, re.findall(r"[0-9]{1,18}", key))) if array.shape else ()
    if len(place) != len(array.shape) or any(at >= count for at, count in zip(place, _grid(array), strict=True)):
        return False
    return bool(array.metadata.encode_chunk_key(place) == key)


def _grid(array: Any) -> tuple[int, ...]:
    stored = array.shards or array.chunks
    return tuple(-(-length // step) for length, step in zip(array.shape, stored, strict=True))


@dataclass(frozen=True)
class ZarrArray:
    """Chunks that are absent are the fill value, as the format has it: `present` counts the others."""

    where: str
    array: Any
    present: int

    @property
    def chunks(self) -> int:
        """How many there should be."""
        return math.prod(_grid(self.array))

    @property
    def unwritten(self) -> bool:
        return self.present == 0 < self.chunks

    @property
    def caveats(self) -> tuple[str, ...]:
        codecs = _codecs(self.array)
        lossy = tuple(f"stored through the codec {name}, which may round" for name in LOSSY if name in codecs)
        absent = self.chunks - self.present
        if not absent:
            return lossy
        fill = f"the fill value {self.array.fill_value}"
        return (*lossy, f"{absent} of {self.chunks} chunks are absent and read as {fill}")

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype

    def slab(self, *index: Index) -> npt.NDArray[Any]:
        if math.prod(self.shape) == 0:
            return np.empty(self.shape, self.dtype)[index]
        try:
            return np.array(self.array[index])
        except _DAMAGE as error:
            raise SourceError(f"{self.where}: damaged ({_one_line(error)}); fetch it again") from error
