"""Named arrays of one file, whatever kind of file it is: what a recipe can describe."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
import numpy.typing as npt

from ingest.sources import _hdf5 as hdf5
from shards.errors import SourceError

Index = int | slice


class Array(Protocol):
    """One numeric array; only the part asked for is read."""

    @property
    def where(self) -> str: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def slab(self, *index: Index) -> npt.NDArray[Any]:
        """An integer or a slice for each axis; raises SourceError where the file fails."""
        ...


class Arrays(Protocol):
    """The arrays of one open file."""

    @property
    def where(self) -> str: ...

    def names(self) -> tuple[str, ...]:
        """Paths of all arrays, such as `group/name`, alphabetical."""
        ...

    def array(self, path: str) -> Array:
        """Raises SourceError where it is absent or not numeric."""
        ...

    def attribute(self, path: str, name: str) -> float | None:
        """One number beside the array or group at `path` (empty: the file); None where absent."""
        ...


def whole(array: Array) -> npt.NDArray[np.float64]:
    """A small array: coordinates, times, scalars; raises SourceError for one that is not small."""
    size = math.prod(array.shape) * 8
    if size > hdf5.HEADER_BYTES:
        raise SourceError(
            f"{array.where}: shape {array.shape} where a list of at most {hdf5.HEADER_BYTES} bytes is expected"
        )
    return array.slab(*(slice(None) for _ in array.shape)).astype(np.float64)


@contextmanager
def open_hdf5_arrays(path: Path) -> Iterator[Hdf5Arrays]:
    """An HDF5 or NetCDF4 file."""
    with hdf5.open_hdf5(path) as file:
        yield Hdf5Arrays(file)


@dataclass(frozen=True)
class Hdf5Arrays:
    """Dimension scales without values, which NetCDF4 leaves in HDF5, are no arrays (edge case 24)."""

    file: h5py.File

    @property
    def where(self) -> str:
        return str(self.file.filename)

    def names(self) -> tuple[str, ...]:
        return tuple(
            name for name in hdf5.dataset_names(self.file) if not hdf5.is_bare_dimension(hdf5.item(self.file, name))
        )

    def array(self, path: str) -> Hdf5Array:
        found = hdf5.item(self.file, path)
        if hdf5.is_bare_dimension(found):
            raise SourceError(
                f"{hdf5.where(found)}: a NetCDF dimension without values; expected an array; describe the "
                "coordinates by lower and upper, times by step or stop"
            )
        dataset = hdf5.numbers(self.file, path)
        return Hdf5Array(dataset, _fill_value(dataset))

    def attribute(self, path: str, name: str) -> float | None:
        return hdf5.number(hdf5.item(self.file, path), name)


@dataclass(frozen=True)
class Hdf5Array:
    """A dataset; what NetCDF marks as missing is read as not-a-number, for the checks to find."""

    dataset: h5py.Dataset
    fill: float | None

    @property
    def where(self) -> str:
        return hdf5.where(self.dataset)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.dataset.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self.dataset.dtype)
        return dtype

    def slab(self, *index: Index) -> npt.NDArray[Any]:
        values = hdf5.slab(self.dataset, *index)
        if self.fill is not None:
            values[values == values.dtype.type(self.fill)] = np.nan
        return values


def _fill_value(dataset: h5py.Dataset) -> float | None:
    """The `_FillValue` of NetCDF; raises SourceError for packed numbers (edge case 9)."""
    for name, neutral in (("scale_factor", 1.0), ("add_offset", 0.0)):
        if hdf5.number(dataset, name) not in (None, neutral):
            raise SourceError(
                f"{hdf5.where(dataset)}: packed numbers ({name} is {hdf5.number(dataset, name)}); expected the values "
                "themselves; unpack the file (ncpdq -U)"
            )
    fill = hdf5.number(dataset, "_FillValue")
    return None if fill is None or dataset.dtype.kind != "f" else fill
