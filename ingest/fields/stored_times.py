"""Reads the times of a file: from an array, from attributes, or from the names of groups and arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ingest.fields.reference_dates import unit_of_times
from ingest.fields.series import arrays_by_step
from ingest.formats.arrays import Arrays, AttributedArrays, whole
from ingest.formats.dates import SINCE_1970, date_of
from ingest.formats.natural_sort import steps_in
from ingest.formats.number_words import unit_in_words
from ingest.formats.packing import Attribute
from ingest.layout import STEP_ITSELF
from ingest.name_numbers import is_date, step_number
from ingest.name_pattern import names_parts
from shards.errors import SourceError


def stored_times(arrays: AttributedArrays, stored: str, fields: tuple[str, ...]) -> tuple[float, ...]:
    """The times of one file, from an array or an attribute, or from one array, attribute or name per step.

    Raises SourceError if there is none.
    """
    if stored == STEP_ITSELF:
        path = next((path for path in fields if names_parts(path)), None)
        if path is None:
            raise SourceError(
                f"{arrays.where}: time is {STEP_ITSELF}; expected {STEP_ITSELF} in `files` or in a path"
            )
        return tuple(step_number(step) for step in steps_in(arrays.names(), path).values())

    path, at, attribute = stored.partition("@")
    if at:
        return tuple(_attribute_times(arrays, path, attribute, fields))

    held = arrays_by_step(arrays, path) if names_parts(path) else (arrays.array(path),)
    found: list[float] = []
    for array in held:
        found += whole(array).reshape(-1).tolist()
    return tuple(found)


def unit_of_stored(arrays: AttributedArrays, stored: str, fields: tuple[str, ...]) -> str:
    """The unit of the times of one file, by its attributes; SINCE_1970 if its times are dates."""
    if stored == STEP_ITSELF:
        named = next((field for field in fields if names_parts(field)), "")
        steps = list(steps_in(arrays.names(), named).values()) if named else []
        return SINCE_1970 if steps and all(map(is_date, steps)) else ""
    path, at, attribute = stored.partition("@")
    if not at:
        return unit_of_times(arrays, stored)
    place = _places(arrays, path, fields)[0] if names_parts(path) else path
    value = arrays.attributes(place).get(attribute)
    return unit_in_words(value, attribute) if date_of(value) is None else SINCE_1970


def _attribute_times(
    arrays: AttributedArrays, path: str, attribute: str, fields: tuple[str, ...]
) -> Iterator[float]:
    """Yields the attribute of the file or of an array, one number or a list, or that of each step."""
    listed = np.empty(0) if names_parts(path) else list_in_attribute(arrays.attributes(path).get(attribute))
    if len(listed):
        yield from listed.tolist()
        return
    for place in _places(arrays, path, fields) if names_parts(path) else [path]:
        value = arrays.attribute(place, attribute)
        if value is None:
            raise SourceError(
                f"{arrays.where}:{place}: no attribute {attribute}; correct [time] of the recipe"
            )
        yield value


def list_in_attribute(value: Attribute | None) -> npt.NDArray[np.float64]:
    """The numbers of an attribute that holds several; none otherwise.

    >>> list_in_attribute(np.array([0.5, 1.0])).tolist(), list_in_attribute(0.5).tolist()
    ([0.5, 1.0], [])
    """
    if value is None or isinstance(value, str | tuple):
        return np.empty(0)
    numbers = np.asarray(value)
    is_list = numbers.ndim == 1 and numbers.size > 1 and numbers.dtype.kind in "iuf"
    return numbers.astype(np.float64) if is_list else np.empty(0)


def _places(arrays: Arrays, path: str, fields: tuple[str, ...]) -> list[str]:
    """The groups or arrays at a path with `{step}`, for the steps of the first field that has steps."""
    field = next((each for each in fields if names_parts(each)), path)
    return [path.replace(STEP_ITSELF, step) for step in steps_in(arrays.names(), field).values()]
