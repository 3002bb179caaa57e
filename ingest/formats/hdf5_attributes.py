"""Reads attributes of untrusted HDF5 files, in all types that writers use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ingest.formats.hdf5_errors import reading, where
from ingest.formats.packing import Attribute
from ingest.formats.text_lists import decoded
from shards.errors import SourceError

# Attributes by which HDF5 attaches dimension scales to datasets: references, neither names nor numbers.
LINKS = ("DIMENSION_LIST", "REFERENCE_LIST")
# A larger table is not a list of settings.
TABLE_BYTES = 2**20


def _attribute(item: h5py.HLObject, name: str) -> npt.NDArray[Any] | None:
    """An attribute of any type as a flat array: scalar, list, bytes, str, empty; None if absent."""
    with reading(item):
        value = item.attrs.get(name)
    if value is None:
        return None
    return np.empty(0) if isinstance(value, h5py.Empty) else np.asarray(value).reshape(-1)


def values(item: h5py.HLObject, names: Iterable[str] | None = None) -> dict[str, Attribute]:
    """Name to value of the attributes with numbers or text, all or only `names`; single values are
    scalars.
    """
    with reading(item):
        wanted = [name for name in item.attrs if isinstance(name, str)] if names is None else names
        held = [name for name in wanted if name in item.attrs and name not in LINKS]

    found = {}
    for name in held:
        value = _attribute(item, name)
        if value is None or not value.size:
            continue
        if value.dtype.kind in "biuf":
            found[name] = value if value.size > 1 else value[0]
        elif all(isinstance(each, str | bytes) for each in value):
            words = tuple(map(decoded, value))
            found[name] = words if len(words) > 1 else words[0]

    return found


def texts(item: h5py.HLObject, name: str) -> tuple[str, ...] | None:
    """A list of names, stored as one or several str or bytes; an empty list may have any type. None if
    absent.
    """
    values = _attribute(item, name)
    if values is None:
        return None
    if not all(isinstance(value, str | bytes) for value in values):
        raise SourceError(f"{where(item)}: attribute {name} holds {values.tolist()}; expected names")
    # Some writers pad text of fixed length with blanks.
    return tuple(v.decode("utf-8", "replace").rstrip() if isinstance(v, bytes) else str(v) for v in values)


def flags(item: h5py.HLObject, name: str) -> tuple[bool, ...] | None:
    """A flag or a list of flags, stored as bool, enum or number; None if absent."""
    values = _attribute(item, name)
    if values is None:
        return None
    if values.dtype.kind not in "biuf":
        raise SourceError(f"{where(item)}: attribute {name} holds {values.tolist()}; expected true or false")
    return tuple(bool(value) for value in values)


def number(item: h5py.HLObject, name: str) -> float | None:
    """One number; None if absent; raises SourceError if there are several."""
    found = number_list(item, name)
    if len(found) > 1:
        raise SourceError(f"{where(item)}: attribute {name} holds {list(found)}; expected one number")
    return found[0] if found else None


def number_list(item: h5py.HLObject, name: str) -> tuple[float, ...]:
    """One or several numbers; none if absent."""
    values = _attribute(item, name)
    if values is None:
        return ()
    if values.dtype.kind not in "biuf" or not values.size:
        raise SourceError(
            f"{where(item)}: attribute {name} holds {values.tolist()}; expected one number or several"
        )
    return tuple(float(value) for value in values)


def row_of_table(item: h5py.HLObject, name: str) -> float | None:
    """A number of a small table, by name; None if it has none.

    In a table of `name` and `value` it is the row with this name; in a single record, the field with this
    name (its first number).
    """
    if not isinstance(item, h5py.Dataset) or item.shape is None:
        return None
    with reading(item):
        dtype = item.dtype
        if item.size * dtype.itemsize > TABLE_BYTES or not dtype.names:
            return None
        if item.size == 1 and name in dtype.names:
            return _first_number(np.asarray(item[name]))
        if dtype.names != ("name", "value") or dtype["name"].kind != "S" or dtype["value"].kind not in "iuf":
            return None
        rows = item[()].reshape(-1)
    found = [row["value"] for row in rows if row["name"].decode("utf-8", "replace").strip() == name]
    return float(found[0]) if found else None


def _first_number(values: npt.NDArray[Any]) -> float | None:
    return float(values.reshape(-1)[0]) if values.dtype.kind in "iuf" and values.size else None


def is_bare_dimension(found: h5py.HLObject) -> bool:
    """Whether it is a NetCDF4 dimension with a length but without values."""
    if not isinstance(found, h5py.Dataset):
        return False
    with reading(found):
        if not found.is_scale:
            return False
    return (texts(found, "NAME") or ("",))[0].startswith(
        "This is a netCDF dimension but not a netCDF variable"
    )
