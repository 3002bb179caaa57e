"""Sizes as people write them: 4GB, 500 MB, 1.5GiB."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from shards.errors import SettingsError

_UNITS = {"": 1, "B": 1} | {
    f"{letter}{i}B": (1024 if i else 1000) ** power
    for power, letter in enumerate("KMGT", start=1)
    for i in ("", "i")
}


def byte_count(text: str) -> int:
    """Bytes of 4GB, 500 MB, 1.5GiB; raises SettingsError for what is no size."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    unit = found and next((_UNITS[known] for known in _UNITS if known.upper() == found[2].upper()), None)
    if not found or not unit:
        raise SettingsError(f"{text} is not a size; expected a number and a unit, such as 4GB or 500MiB")
    return int(float(found[1]) * unit)


def _bytes(value: object) -> object:
    return byte_count(value) if isinstance(value, str) else value


# A setting in bytes that may be written with a unit.
Size = Annotated[int, BeforeValidator(_bytes), Field(ge=0)]
