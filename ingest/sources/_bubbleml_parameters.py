"""The parameters of a BubbleML simulation: JSON next to the file (v2), or arrays of records in it (v1).

v2 has `<stem>.json`, or one `parameters.json` that holds the parameters of all files, or a list with those of
each.
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
# Parameters of one simulation, nested ones as `heater/wallTemp`; words are boundary types and the like.
Parameters = dict[str, float | str]
_KINDS = (("periodic", Boundary.PERIODIC), ("outflow", Boundary.OPEN), ("slip", Boundary.WALL))


def wall_temperature(path: Path) -> float | None:
    """What the name says, in degrees: Twall_97, Twall-97."""
    named = re.fullmatch(r"Twall[_-](-?\d+(?:\.\d+)?)", path.stem)
    return float(named[1]) if named else None


def parameters_next_to(path: Path) -> Path | None:
    """The JSON with the parameters of this file, if there is one."""
    return next(
        (place for place in (path.with_suffix(".json"), path.with_name(COMMON)) if place.is_file()), None
    )


def read_parameters(file: h5py.File, path: Path) -> Parameters:
    """All that is known of the simulation, empty where nothing is next to the file or in it; raises
    SourceError.
    """
    place = parameters_next_to(path)
    if place is not None:
        return _flat(_of_this_file(_load(place), place, path))
    found: dict[str, float | str] = {}
    for records in RECORDS:
        found |= hdf5.records(file, records)
    return found


def sides(parameters: Parameters, axis: str) -> Sides | None:
    """The boundary types of an axis, `xl_boundary_type` and `xr_boundary_type`; None where unknown."""
    found = [_kind(str(parameters.get(f"{axis}{end}_boundary_type", ""))) for end in ("l", "r")]
    lower, upper = found
    return None if lower is None or upper is None else (lower, upper)


def _kind(words: str) -> Boundary | None:
    return next((kind for word, kind in _KINDS if word in words.lower()), None)


def _load(path: Path) -> Any:
    if path.stat().st_size > hdf5.HEADER_BYTES:
        raise SourceError(f"{path}: {path.stat().st_size} bytes; expected a list of parameters")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{path}: no JSON ({error}); fetch it again") from error


def _of_this_file(found: Any, place: Path, path: Path) -> dict[str, Any]:
    """Finds the entry of a list by the order of wall temperatures, which its Stefan numbers must share."""
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
    """JSON has integers that no float holds."""
    return float(value) if abs(value) <= sys.float_info.max else math.nan


def _by_temperature(path: Path) -> tuple[float, str]:
    temperature = wall_temperature(path)
    return (math.inf if temperature is None else temperature, path.name)


def _flat(tree: dict[str, Any], prefix: str = "") -> Parameters:
    """Numbers and words, nested tables joined by a slash; lists (seeds of bubbles) are no parameters."""
    flat: Parameters = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}/")
        elif isinstance(value, int | float | str):
            flat[prefix + name] = value if isinstance(value, str) else _number(value)
    return flat
