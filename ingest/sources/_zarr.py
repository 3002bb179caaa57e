"""zarr stores of strangers: folders by their `zarr.json`, or zip archives."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.storage import LocalStore, ZipStore

from ingest.sources._arrays import Index
from shards.errors import SourceError

# What zarr and its codecs raise for damage, or for metadata that they do not know.
_DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError, zipfile.BadZipFile)


@contextmanager
def open_zarr(path: Path) -> Iterator[Zarr]:
    """The group whose `zarr.json` is given, or that a zip holds; raises SourceError where there is none."""
    try:
        store = LocalStore(path.parent, read_only=True) if path.suffix == ".json" else ZipStore(path, mode="r")
        group = zarr.open_group(store, mode="r")
    except _DAMAGE as error:
        raise SourceError(f"{path}: holds no zarr group ({_one_line(error)}); fetch it again") from error
    try:
        yield Zarr(str(path), group)
    finally:
        store.close()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@dataclass(frozen=True)
class Zarr:
    """The arrays of a group and of the groups below."""

    where: str
    group: zarr.Group

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(name for name, item in self._members().items() if isinstance(item, zarr.Array)))

    def array(self, path: str) -> ZarrArray:
        item = self._members().get(path)
        if not isinstance(item, zarr.Array):
            raise SourceError(f"{self.where}: no array {path}; found {', '.join(self.names()[:12]) or 'nothing'}")
        array = ZarrArray(f"{self.where}:{path}", item)
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise SourceError(f"{array.where}: holds {array.dtype}; expected integers or floats up to 64 bits")
        # The one codec that would run what a stranger wrote.
        metadata = item.metadata.to_dict()
        if "pickle" in str([metadata.get(key) for key in ("filters", "compressor", "codecs")]).lower():
            raise SourceError(f"{array.where}: encoded by pickle, which is never opened here; store it as numbers")
        return array

    def attribute(self, path: str, name: str) -> float | None:
        item = self._members().get(path) if path else self.group
        value = item.attrs.get(name) if item is not None else None
        if value is not None and not isinstance(value, int | float):
            raise SourceError(f"{self.where}:{path}: attribute {name} holds {value!r}; expected one number")
        return None if value is None else float(value)

    def _members(self) -> dict[str, Any]:
        try:
            return dict(self.group.members(max_depth=None))
        except _DAMAGE as error:
            raise SourceError(f"{self.where}: damaged ({_one_line(error)}); fetch it again") from error


@dataclass(frozen=True)
class ZarrArray:
    """Chunks that were never written are the fill value, as the format has it."""

    where: str
    array: Any

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
