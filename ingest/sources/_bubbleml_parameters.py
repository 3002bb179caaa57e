"""Reads the parameters of a BubbleML simulation: from JSON next to the file (v2), or from records in it (v1).

v2 has `<stem>.json`, or a `parameters.json` with parameters for all files together, or with a list of those
of each file.
"""

from __future__ import annotations

import json
import math
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py

from ingest.formats import hdf5
from shards.errors import SourceError
from shards.schema import Boundary, Sides

COMMON = "parameters.json"
RECORDS = ("real-runtime-params", "int-runtime-params")
# The parameters of one simulation, nested ones as `heater/wallTemp`; texts are, for example, boundary types.
Parameters = dict[str, float | str]
_KINDS = (("periodic", Boundary.PERIODIC), ("outflow", Boundary.OPEN), ("slip", Boundary.WALL))


def wall_temperature(path: Path) -> float | None:
    """The wall temperature in degrees, from a name such as Twall_97 or Twall-97; None if it has none."""
    named = re.fullmatch(r"Twall[_-](-?\d+(?:\.\d+)?)", path.stem)
    return float(named[1]) if named else None


def parameters_next_to(path: Path) -> Path | None:
    """The JSON with the parameters of this file, if there is one."""
    return next(
        (place for place in (path.with_suffix(".json"), path.with_name(COMMON)) if place.is_file()), None
    )


def read_parameters(file: h5py.File, path: Path) -> Parameters:
    """The parameters of a simulation, empty if there are none; raises SourceError if they are damaged."""
    place = parameters_next_to(path)
    if place is not None:
        return _flat(_of_this_file(_load(place), place, path))
    found: dict[str, float | str] = {}
    for records in RECORDS:
        found |= hdf5.records(file, records)
    return found


def sides(parameters: Parameters, axis: str) -> Sides | None:
    """The boundaries of an axis from `xl_boundary_type` and `xr_boundary_type`; None if one is unknown."""
    found = [_kind(str(parameters.get(f"{axis}{end}_boundary_type", ""))) for end in ("l", "r")]
    lower, upper = found
    return None if lower is None or upper is None else (lower, upper)


def _kind(words: str) -> Boundary | None:
    return next((kind for word, kind in _KINDS if word in words.lower()), None)


def _load(path: Path) -> Any:
    if path.stat().st_size > hdf5.HEADER_BYTES:
        raise SourceError(
            f"{path}: {path.stat().st_size} bytes; expected a list of parameters; fetch it again"
        )
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{path}: is not JSON ({error}); fetch it again") from error


def _of_this_file(found: Any, place: Path, path: Path) -> dict[str, Any]:
    """The parameters of this file; in a list, entries and files are in order of wall temperature.

    Raises SourceError unless the Stefan numbers of the list confirm this order.
    """
    if isinstance(found, list):
        order = sorted(path.parent.glob(f"*{path.suffix}"), key=_by_temperature)
        stefan = [_stefan(each) for each in found]
        if len(found) != len(order) or any(not after > before for before, after in pairwise(stefan)):
            raise SourceError(
                f"{place}: parameters of {len(found)} simulations next to {len(order)} files, Stefan "
                f"numbers {stefan}; expected one entry per file, in order of wall temperature; write "
                f"{path.stem}.json instead"
            )
        found = found[order.index(path)]

    if not isinstance(found, dict):
        raise SourceError(
            f"{place}: holds {type(found).__name__}; expected the parameters of a simulation by name"
        )

    return found


def _stefan(entry: Any) -> float:
    value = entry.get("stefan") if isinstance(entry, dict) else None
    return _number(value) if isinstance(value, int | float) else math.nan


def _number(value: float) -> float:
    """A number as float; NaN for integers of JSON that are too large."""
    return float(value) if abs(value) <= sys.float_info.max else math.nan


def _by_temperature(path: Path) -> tuple[float, str]:
    temperature = wall_temperature(path)
    return (math.inf if temperature is None else temperature, path.name)


def _flat(tree: dict[str, Any], prefix: str = "") -> Parameters:
    """The numbers and texts of nested tables, names joined by a slash; lists (seeds of bubbles) are
    ignored.
    """
    flat: Parameters = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}/")
        elif isinstance(value, int | float | str):
            flat[prefix + name] = value if isinstance(value, str) else _number(value)
    return flat
