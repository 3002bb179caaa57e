"""Reads untrusted classic NetCDF files (CDF-1, 64-bit offset, CDF-5) with the netCDF library.

NetCDF4 files are HDF5 and are read as HDF5 (docs/decisions/0052-classic-netcdf.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.formats.arrays import SlabIndex, no_array
from ingest.formats.dates import SINCE_1970, DateArray, dates_in, may_hold_dates
from ingest.formats.netcdf_header import end_of_data
from ingest.formats.number_types import wrong_type
from ingest.formats.number_words import number_or_date_in
from ingest.formats.packing import Attribute, Packing, packing
from ingest.formats.quantization import roundings
from ingest.formats.text_lists import is_short, words_of
from shards.errors import SourceError

MAGIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
# What netCDF4 raises for damage.
_DAMAGE = (OSError, RuntimeError, ValueError, IndexError, KeyError, AttributeError)


@contextmanager
def open_classic(path: Path) -> Iterator[ClassicFile]:
    """Opens a file; raises SourceError if it is damaged or truncated."""
    _require_whole(path)
    try:
        dataset = _library().Dataset(path.absolute(), "r")
    except _DAMAGE as error:
        raise SourceError(f"{path}: cannot be opened as classic NetCDF ({error}); fetch it again") from error
    try:
        dataset.set_auto_maskandscale(False)
        dataset.set_auto_chartostring(False)
        yield ClassicFile(str(path), dataset)
    finally:
        dataset.close()


def _library() -> Any:
    """Imports netCDF4 without its HDF5 filters: otherwise its import would change what h5py can read."""
    before = os.environ.get("HDF5_PLUGIN_PATH")
    os.environ.setdefault("HDF5_PLUGIN_PATH", os.devnull)
    import netCDF4

    if before is None:
        del os.environ["HDF5_PLUGIN_PATH"]
    return netCDF4


def _require_whole(path: Path) -> None:
    try:
        with path.open("rb") as file:
            expected, found = end_of_data(file), path.stat().st_size
    except (OSError, ValueError, IndexError) as error:
        raise SourceError(f"{path}: damaged header of classic NetCDF ({error}); fetch it again") from error
    if found < expected:
        raise SourceError(f"{path}: truncated: {found} of {expected} bytes; fetch the file again")


@dataclass(frozen=True)
class ClassicFile:
    """The variables of a classic file; satisfies ingest.formats.arrays.ArrayFile."""

    where: str
    dataset: Any

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.dataset.variables))

    def array(self, path: str) -> ClassicArray | DateArray:
        """The variable; raises SourceError if it is absent, or holds neither numbers nor dates."""
        variable = self.dataset.variables.get(path)
        if variable is None:
            raise no_array(self.where, path, self.names())
        kind = np.dtype(variable.dtype)
        if may_hold_dates(variable.shape, kind):
            dates = dates_in(np.asarray(variable[...]), f"{self.where}:{path}")
            if dates is not None:
                return dates
        if kind.kind not in "biuf":
            raise SourceError(f"{self.where}:{path}: {wrong_type(kind, path)}")
        return ClassicArray(f"{self.where}:{path}", variable)

    def attribute(self, path: str, name: str) -> float | None:
        """The value of an attribute; raises SourceError if it is neither a number nor a date."""
        value = self.attributes(path).get(name)
        if value is None:
            return None
        stated = number_or_date_in(value, name)
        if stated is not None:
            return stated
        values = np.ravel(value)
        if values.dtype.kind not in "biuf" or values.size != 1:
            raise SourceError(f"{self.where}:{path}: attribute {name} holds {value!r}; expected one number")
        return float(values[0])

    def attributes(self, path: str) -> dict[str, Attribute]:
        array = self.array(path) if path else None
        holder = self.dataset.variables[path] if path else self.dataset
        unit = {"units": SINCE_1970} if isinstance(array, DateArray) else {}
        return {name: holder.getncattr(name) for name in holder.ncattrs()} | unit

    def dimensions(self, path: str) -> tuple[str, ...]:
        array = self.array(path)
        return tuple(self.dataset.variables[path].dimensions)[: len(array.shape)]

    def texts(self, path: str) -> tuple[str, ...]:
        variable = self.dataset.variables[path]
        return words_of(variable[...]) if is_short(variable.shape, np.dtype(variable.dtype)) else ()

    def caveats(self) -> dict[str, tuple[str, ...]]:
        notes = {}
        for name, variable in self.dataset.variables.items():
            if np.dtype(variable.dtype).kind in "biuf":
                rule = ClassicArray(f"{self.where}:{name}", variable).packing
                notes[name] = (*roundings(self.attributes(name)), *(rule.words if rule else ()))
        return notes


@dataclass(frozen=True)
class ClassicArray:
    """A variable; its numbers are decoded as its attributes say."""

    where: str
    variable: Any
    unwritten: bool = False

    @cached_property
    def packing(self) -> Packing | None:
        attributes = {name: self.variable.getncattr(name) for name in self.variable.ncattrs()}
        return packing(np.dtype(self.variable.dtype), attributes, self.where)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.variable.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.packing.dtype if self.packing else np.dtype(self.variable.dtype)

    def slab(self, *index: SlabIndex) -> npt.NDArray[Any]:
        try:
            stored = np.asarray(self.variable[index] if index else self.variable[...])
        except _DAMAGE as error:
            raise SourceError(f"{self.where}: damaged ({error}); fetch the file again") from error
        return self.packing.decode(stored) if self.packing else stored
