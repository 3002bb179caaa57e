"""Reads and prints sizes in bytes: 4GB, 500 MB, 1.5GiB.

Printed sizes are decimal (1 MB = 1,000,000 bytes), as disks, schedulers and our options count.
"""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from shards.errors import SettingsError

PRINTED = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def byte_count(text: str) -> int:
    """The number of bytes of a size with a unit; raises SettingsError if the text is not a size.

    >>> byte_count("4GB"), byte_count("1.5 GiB"), byte_count("700")
    (4000000000, 1610612736, 700)
    """
    found = re.fullmatch(r"(\d{1,18}(?:\.\d{1,18})?)\s*([KMGT]?)(I?)B?", text.strip().upper())
    if not found or (found[3] and not found[2]):
        raise SettingsError(f"{text} is not a size; expected a number and a unit, such as 4GB or 500MiB")
    base = 1024 if found[3] else 1000
    return int(float(found[1]) * base ** _POWERS[found[2]])


def size_in_words(count: float) -> str:
    """A number of bytes in words, with three digits.

    >>> size_in_words(3_210_000), size_in_words(512), size_in_words(999_999_999)
    ('3.21 MB', '512 B', '1 GB')
    """
    unit = 0
    # 999.5 to three digits is 1000, which is 1 of the next unit.
    while count >= 999.5 and unit < len(PRINTED) - 1:
        count /= 1000
        unit += 1
    return f"{count:.3g} {PRINTED[unit]}"


def enough(count: int) -> str:
    """A number of bytes rounded up to whole megabytes, in the form of an option.

    >>> enough(89_000_001)
    '90MB'
    """
    return f"{math.ceil(count / 10**6)}MB"


def _bytes(value: object) -> object:
    return byte_count(value) if isinstance(value, str) else value


# A setting in bytes that may be written with a unit.
Size = Annotated[int, BeforeValidator(_bytes), Field(ge=0)]
