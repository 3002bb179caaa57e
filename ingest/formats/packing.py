"""Decodes numbers as their attributes say (packed, unsigned, missing), in the same way for all formats.

Values and types are those of xarray; in addition, numbers outside the valid range are missing, as the NetCDF
conventions say (docs/decisions/0050-attributes.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shards.errors import SourceError

SCALE, OFFSET, UNSIGNED = "scale_factor", "add_offset", "_Unsigned"
FILLS = ("_FillValue", "missing_value")
LIMITS = ("valid_min", "valid_max", "valid_range")
NAMES = (SCALE, OFFSET, UNSIGNED, *FILLS, *LIMITS)

# One or several numbers in the type of the file, or one or several texts.
Attribute = Any
# A number in the type of the file; the type of a scale decides the type of the values.
Number = Any


@dataclass(frozen=True)
class Packing:
    """How stored numbers become values: read as type `seen`, missing ones become NaN, scaled, shifted."""

    seen: np.dtype[Any]
    dtype: np.dtype[Any]
    missing: tuple[Number, ...] = ()
    # Bounds on stored numbers, or on values if the attribute has the type of values.
    lowest: float = -np.inf
    highest: float = np.inf
    bounds_are_of_values: bool = False
    scale: Number | None = None
    offset: Number | None = None

    def decode(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The values of an array of stored numbers, in the same shape and in `dtype`."""
        numbers = stored.view(self.seen) if stored.dtype.kind in "iu" else stored
        absent = np.zeros(numbers.shape, bool)
        for mark in self.missing:
            absent |= numbers == mark

        if not self.bounds_are_of_values:
            absent |= self._outside(numbers)
        values = numbers.astype(self.dtype)
        if self.scale is not None:
            values *= self.scale
        if self.offset is not None:
            values += self.offset
        if self.bounds_are_of_values:
            absent |= self._outside(values)
        if absent.any():
            values[absent] = np.nan
        return values

    def _outside(self, numbers: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        outside: npt.NDArray[np.bool_] = (numbers < self.lowest) | (numbers > self.highest)
        return outside

    @property
    def words(self) -> tuple[str, ...]:
        """A note on how values are computed from packed numbers; empty if they are not packed."""
        if self.scale is None and self.offset is None:
            return ()
        scaled = f" times {self.scale:g}" if self.scale is not None else ""
        shifted = f" plus {self.offset:g}" if self.offset is not None else ""
        return (f"packed: each value is the stored {self.seen}{scaled}{shifted}",)


def packing(stored: np.dtype[Any], attributes: Mapping[str, Attribute], where: str) -> Packing | None:
    """The packing that these attributes of an array of type `stored` state; None if numbers are values.

    Raises SourceError for an attribute against the conventions.

    >>> rule = packing(np.dtype("i2"), {"scale_factor": 0.5, "_FillValue": -1}, "file:u")
    >>> rule.decode(np.array([4, -1], "i2"))
    array([ 2., nan])
    """
    found = {name: attributes[name] for name in NAMES if name in attributes}
    if not found:
        return None

    seen = _seen(stored, found.get(UNSIGNED), where)
    scale, offset = (_one(found, name, where) for name in (SCALE, OFFSET))
    marks = _marks(found, stored, seen, where)
    is_packed = scale is not None or offset is not None
    valid = _valid_range(found, stored, seen, is_packed=is_packed)
    if not is_packed and seen == stored and not marks and not valid.is_bounded:
        return None

    dtype = seen
    if marks or valid.is_bounded or (is_packed and not _names_a_fill(found, seen)):
        dtype = _float_for(seen, scale, offset)
    return Packing(
        seen=seen,
        dtype=np.dtype(dtype),
        missing=marks,
        lowest=valid.lowest,
        highest=valid.highest,
        bounds_are_of_values=valid.is_of_values,
        scale=scale,
        offset=offset,
    )


def _seen(stored: np.dtype[Any], unsigned: Any, where: str) -> np.dtype[Any]:
    """The type of the bytes as `_Unsigned` says; it has no meaning for floats."""
    words = str(unsigned).lower()
    if unsigned is None or stored.kind not in "iu":
        return stored
    if words not in ("true", "false"):
        raise SourceError(f"{where}: attribute {UNSIGNED} is {unsigned!r}; expected true or false")
    return np.dtype(f"{stored.byteorder}{'u' if words == 'true' else 'i'}{stored.itemsize}")


def _numbers(found: Mapping[str, Attribute], name: str, where: str) -> npt.NDArray[Any]:
    """The numbers of an attribute as a flat array; none if it is absent."""
    if name not in found:
        return np.empty(0)
    values = np.asarray(found[name]).reshape(-1)
    if values.dtype.kind not in "biuf" or not values.size:
        raise SourceError(f"{where}: attribute {name} holds {found[name]!r}; expected one number or several")
    return values


def _one(found: Mapping[str, Attribute], name: str, where: str) -> Number | None:
    values = _numbers(found, name, where)
    if not values.size:
        return None
    if values.size > 1 or not np.isfinite(values[0]):
        raise SourceError(f"{where}: attribute {name} holds {values.tolist()}; expected one finite number")
    # A number of a JSON document has no numpy type: as in xarray, scaling by it then keeps float32.
    return values[0] if isinstance(found[name], np.generic | np.ndarray) else found[name]


def _marks(
    found: Mapping[str, Attribute], stored: np.dtype[Any], seen: np.dtype[Any], where: str
) -> tuple[Number, ...]:
    """The numbers that mark a missing value; NaN needs no mark."""
    marks: list[Number] = []
    for name in FILLS:
        for mark in _numbers(found, name, where):
            if stored.kind in "iu" and seen != stored and mark == int(mark):
                mark = _seen_as(mark, stored, seen)
            if not np.isnan(mark):
                marks.append(mark.item() if stored.kind in "iu" else mark.astype(stored))
    return tuple(dict.fromkeys(marks))


def _seen_as(mark: Number, stored: np.dtype[Any], seen: np.dtype[Any]) -> Number:
    """A mark in the type of the file, converted to the type `seen` with the same bytes."""
    limits = np.iinfo(stored)
    fits = limits.min <= mark <= limits.max
    return np.asarray(mark).astype(stored).view(seen)[()] if fits else mark


def _names_a_fill(found: Mapping[str, Attribute], seen: np.dtype[Any]) -> bool:
    """Whether a float array has a fill value: xarray then scales it in its own type."""
    return seen.kind == "f" and any(name in found for name in FILLS)


@dataclass(frozen=True)
class _ValidRange:
    """The valid range of an array: of its values, or of its packed numbers."""

    lowest: float
    highest: float
    is_of_values: bool

    @property
    def is_bounded(self) -> bool:
        return self.lowest > -np.inf or self.highest < np.inf


def _valid_range(
    found: Mapping[str, Attribute], stored: np.dtype[Any], seen: np.dtype[Any], *, is_packed: bool
) -> _ValidRange:
    """The valid range that the attributes state; of packed data, a float states a range of values."""
    where = "valid range"
    ranges = _numbers(found, "valid_range", where)
    low = [*_numbers(found, "valid_min", where), *ranges[:1]]
    high = [*_numbers(found, "valid_max", where), *ranges[1:]]
    has_float = any(np.asarray(each).dtype.kind == "f" for each in low + high)
    is_of_values = is_packed and stored.kind in "iu" and has_float
    if stored.kind in "iu" and seen != stored and not is_of_values:
        low = [_seen_as(each, stored, seen) for each in low]
        high = [_seen_as(each, stored, seen) for each in high]
    return _ValidRange(float(max(low, default=-np.inf)), float(min(high, default=np.inf)), is_of_values)


def _float_for(seen: np.dtype[Any], scale: Number | None, offset: Number | None) -> np.dtype[Any]:
    """The type of the values, as xarray chooses it: numbers, scale and offset lose nothing in it."""
    if scale is None and offset is None:
        if seen.kind == "f":
            return seen
        return np.dtype(np.float32 if seen.itemsize <= 2 else np.float64)
    if offset is None:
        return np.dtype(type(scale))
    if scale is None:
        return np.dtype(np.float64)
    scale_type, offset_type = np.dtype(type(scale)), np.dtype(type(offset))
    is_exact = seen.kind not in "iu" or seen.itemsize != 4
    if is_exact and scale_type == offset_type and scale_type in (np.float32, np.float64):
        return scale_type
    return np.dtype(np.float64)
