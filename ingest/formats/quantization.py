"""Reads attributes which say that values were rounded before they were stored; no filter shows this."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

# NetCDF (nc_def_var_quantize) and NCO: the algorithm, and whether it counts digits or bits.
QUANTIZED = re.compile(r"_Quantize(\w+)NumberOfSignificant(Digits|Bits)")
# netCDF4-python and old conventions: the number of decimal digits after the point.
LAST_PLACE = "least_significant_digit"


def roundings(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """Notes on the roundings. Counts are shown as they are written, even strange ones."""
    quantized = [match for match in map(QUANTIZED.fullmatch, attributes) if match]
    notes = tuple(
        f"rounded to {_count(attributes[match[0]])} significant {match[2].lower()} by {match[1]}"
        for match in quantized
    )
    if LAST_PLACE not in attributes:
        return notes
    return (*notes, f"rounded to {_count(attributes[LAST_PLACE])} decimal digits ({LAST_PLACE})")


def _count(value: Any) -> str:
    return " ".join(map(str, np.ravel(value).tolist()))
