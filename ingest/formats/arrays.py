"""A file of any format as named arrays, which a recipe can describe.

Why openPMD units are only noted: docs/decisions/0054-openpmd-units.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
import numpy.typing as npt

from ingest.formats import hdf5
from ingest.formats import hdf5_attributes as attributes
from ingest.formats import hdf5_tree as tree
from ingest.formats.dates import SINCE_1970, DateArray, dates_in, may_hold_dates
from ingest.formats.hdf5_errors import reading, where
from ingest.formats.hdf5_storage import losses, require_filters
from ingest.formats.number_words import number_or_date_in
from ingest.formats.packing import NAMES, Attribute, Packing, packing
from ingest.formats.text_lists import hdf5_words
from shards.errors import SourceError

SlabIndex = int | slice
# The words of a caveat about parts of an array that are not in the file.
ABSENT_CHUNKS = "chunks are absent"


class Array(Protocol):
    """One numeric array; `slab` reads only the requested part."""

    @property
    def where(self) -> str: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def unwritten(self) -> bool:
        """Whether it has a shape but none of its values is in the file."""
        ...

    def slab(self, *index: SlabIndex) -> npt.NDArray[Any]:
        """Reads the values at an integer or a slice for each axis; raises SourceError if the file fails."""
        ...


class Arrays(Protocol):
    """The arrays of one open file."""

    @property
    def where(self) -> str: ...

    def names(self) -> tuple[str, ...]:
        """The paths of all arrays, such as `group/name`, in alphabetical order."""
        ...

    def array(self, path: str) -> Array:
        """The array at a path, dates as seconds since 1970; raises SourceError if absent or not numeric."""
        ...

    def attribute(self, path: str, name: str) -> float | None:
        """A number among the attributes of the array or group at `path` (empty: the file); None if absent.

        A date is given as seconds since 1970. A number in text is one: `0.25`, `t = 0.25`, `0.25 ms`.
        """
        ...


class AttributedArrays(Arrays, Protocol):
    """Arrays with their attributes and names of dimensions."""

    def attributes(self, path: str) -> dict[str, Attribute]:
        """All attributes of the array or group at `path` (empty: the file) that hold numbers or text."""
        ...

    def dimensions(self, path: str) -> tuple[str, ...]:
        """The name of each axis of the array at `path`, as in the file; empty if an axis has no name."""
        ...


class ArrayFile(AttributedArrays, Protocol):
    """An open file as named arrays with attributes, names of dimensions, words and notes."""

    def texts(self, path: str) -> tuple[str, ...]:
        """The words of a short list of text, such as names of channels; none if the array is not one."""
        ...

    def caveats(self) -> dict[str, tuple[str, ...]]:
        """Path to notes on an array: how its values were rounded or packed, which chunks are absent."""
        ...


def absent_chunks(arrays: ArrayFile) -> dict[str, str]:
    """Path to the note on absent chunks, for each array that lacks some."""
    found: dict[str, str] = {}
    for path, notes in arrays.caveats().items():
        for words in notes:
            if ABSENT_CHUNKS in words:
                found[path] = words
    return found


def holds(names: Iterable[str], path: str) -> bool:
    """Whether a file with these arrays has an array or a group of this path; every file has the empty one.

    >>> holds(["state/u"], "state"), holds(["state/u"], "sta"), holds([], "")
    (True, False, True)
    """
    return not path or any(name == path or name.startswith(f"{path}/") for name in names)


def no_array(where: str, path: str, names: Sequence[str]) -> SourceError:
    """The error for an array that a file does not have, with some that it has."""
    return SourceError(f"{where}: no array {path}; found {', '.join(names[:12]) or 'nothing'}")


def readable_attributes(arrays: AttributedArrays, path: str) -> dict[str, Attribute]:
    """The attributes at a path; none if there is nothing, or they cannot be read.

    For guesses and notes: what reads the array itself says what is wrong with it.
    """
    try:
        return arrays.attributes(path)
    except SourceError:
        return {}


def readable_dimensions(arrays: AttributedArrays, path: str) -> tuple[str, ...]:
    """The names of the axes at a path; none if there is no array, or it cannot be read."""
    try:
        return arrays.dimensions(path)
    except SourceError:
        return ()


def whole(array: Array) -> npt.NDArray[np.float64]:
    """Reads a small array completely (coordinates, times, scalars); raises SourceError if it is large."""
    size = math.prod(array.shape) * 8
    if size > hdf5.HEADER_BYTES:
        raise SourceError(
            f"{array.where}: shape {array.shape}; expected a list of at most {hdf5.HEADER_BYTES} bytes; "
            "name another array"
        )
    return array.slab(*(slice(None) for _ in array.shape)).astype(np.float64)


def only_number(array: Array) -> float:
    """The number of an array that holds one, of any shape."""
    return float(whole(array).reshape(-1)[0])


@contextmanager
def open_hdf5_arrays(path: Path) -> Iterator[Hdf5Arrays]:
    """Opens an HDF5 or NetCDF4 file; arrays outside the file are listed, but reading them raises
    SourceError.
    """
    with hdf5.open_unchecked(path) as file:
        yield Hdf5Arrays(file, tree.outside_data(file))


@dataclass(frozen=True)
class Hdf5Arrays:
    """The datasets of an HDF5 file, without dimensions that have no values (NetCDF4 writes such).

    `refused` maps the paths of data outside the file to the fault. If there are any, soft links are not
    followed, because they could lead there.
    """

    file: h5py.File
    refused: dict[str, str]

    @property
    def where(self) -> str:
        return str(self.file.filename)

    def names(self) -> tuple[str, ...]:
        if self.refused:
            return tuple(sorted({*self._own, *self.refused}))
        return tuple(
            name
            for name in tree.dataset_names(self.file)
            if not attributes.is_bare_dimension(tree.item(self.file, name))
        )

    def array(self, path: str) -> Hdf5Array | DateArray:
        """The array at a path; raises SourceError if it is outside the file or has no values."""
        found = self._item(path)
        if attributes.is_bare_dimension(found):
            raise SourceError(
                f"{where(found)}: a NetCDF dimension without values; expected an array; describe the "
                "coordinates by lower and upper, times by step or stop"
            )
        dates = self._dates(found)
        if dates is not None:
            return dates
        dataset = hdf5.numbers(self.file, path)
        return Hdf5Array(dataset, _packing(dataset))

    def attribute(self, path: str, name: str) -> float | None:
        """The number of an attribute, otherwise of a row in a table of names and values (FLASH)."""
        found = self._item(path)
        text = attributes.values(found, [name]).get(name)
        stated = number_or_date_in(text, name)
        if stated is not None:
            return stated
        held = attributes.number(found, name)
        return attributes.row_of_table(found, name) if held is None else held

    def attributes(self, path: str) -> dict[str, Attribute]:
        found = self._item(path)
        unit = {"units": SINCE_1970} if self._dates(found) is not None else {}
        return attributes.values(found) | unit

    def dimensions(self, path: str) -> tuple[str, ...]:
        found = self._item(path)
        dates = self._dates(found)
        if dates is not None:
            return tree.dimension_names(found)[: len(dates.shape)]
        return tree.dimension_names(hdf5.numbers(self.file, path))

    def _dates(self, found: h5py.HLObject) -> DateArray | None:
        """The dates in a dataset of text; None if it holds none."""
        if not isinstance(found, h5py.Dataset) or found.is_virtual:
            return None
        with reading(found):
            if not may_hold_dates(found.shape, found.dtype):
                return None
        require_filters(found)
        return dates_in(hdf5.slab(found, ...), where(found))

    def texts(self, path: str) -> tuple[str, ...]:
        return () if path in self.refused else hdf5_words(self._item(path))

    @cached_property
    def _own(self) -> frozenset[str]:
        """The paths of datasets that are reached by hard links only."""
        return frozenset(tree.own_dataset_names(self.file))

    def _item(self, path: str) -> h5py.HLObject:
        """The group or dataset at a path; raises SourceError if the path could lead outside the file."""
        if path in self.refused:
            raise SourceError(f"{self.where}:{path}: {self.refused[path]}")
        inside = not self.refused or not path or any(f"{own}/".startswith(f"{path}/") for own in self._own)
        if not inside:
            raise SourceError(
                f"{self.where}: {path} is behind a link, and this file has links to other files; use its own "
                "path, or remove those links"
            )
        return tree.item(self.file, path)

    def caveats(self) -> dict[str, tuple[str, ...]]:
        notes = {}
        for path, dataset in tree.own_datasets(self.file):
            rule = _packing(dataset) if hdf5.is_numeric(dataset) else None
            notes[path] = (*losses(dataset), *(rule.words if rule else ()), *_unit(dataset))
        return notes


@dataclass(frozen=True)
class Hdf5Array:
    """A dataset; its numbers are decoded as its attributes say, and missing ones become NaN."""

    dataset: h5py.Dataset
    packing: Packing | None
    # A dataset that is not completely written is refused before.
    unwritten: bool = False

    @property
    def where(self) -> str:
        return where(self.dataset)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.dataset.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.packing.dtype if self.packing else np.dtype(self.dataset.dtype)

    def slab(self, *index: SlabIndex) -> npt.NDArray[Any]:
        stored = hdf5.slab(self.dataset, *index)
        return self.packing.decode(stored) if self.packing else stored


def _packing(dataset: h5py.Dataset) -> Packing | None:
    return packing(np.dtype(dataset.dtype), attributes.values(dataset, NAMES), where(dataset))


def _unit(dataset: h5py.Dataset) -> tuple[str, ...]:
    """A note if openPMD states a factor to SI units (unitSI); values are stored as they are."""
    unit = attributes.values(dataset, ["unitSI"]).get("unitSI", 1.0)
    if np.ndim(unit) or isinstance(unit, str) or unit == 1:
        return ()
    return (f"in units of {float(unit):g} SI units (unitSI), and stored as they are in the file",)
