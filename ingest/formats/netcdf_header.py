"""Computes from its header where a classic NetCDF file ends, because netCDF reads missing bytes as zeros.

Layout: the file format specification of NetCDF classic, 64-bit offset and 64-bit data (CDF-1, 2 and 5).
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import IO

# Bytes of each type by its number in the header.
TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
# The number that stands for an unknown count of records: as many as fit into the file.
STREAMING = {4: 2**32 - 1, 8: 2**64 - 1}


@dataclass(frozen=True)
class _HeaderVariable:
    begin: int
    bytes: int
    has_records: bool


def end_of_data(file: IO[bytes]) -> int:
    """The least length in bytes of a complete classic file; raises ValueError if its header is damaged."""
    header = _Header(file)
    records = header.count()
    lengths = header.dimensions()
    header.skip_attributes()
    variables = header.variables(lengths)
    recorded = [each for each in variables if each.has_records]
    # Records of several variables alternate, each padded to four bytes.
    record = sum(_padded(each.bytes) for each in recorded) if len(recorded) > 1 else 0
    ends = [each.begin + each.bytes for each in variables if not each.has_records]
    if records != STREAMING[header.wide] and records:
        ends += [each.begin + (records - 1) * (record or each.bytes) + each.bytes for each in recorded]
    return max(ends, default=file.tell())


class _Header:
    """Reads the header from front to back; a count has `wide` bytes, a position has `offset` bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        file.seek(0)
        version = self._number(4) & 0xFF
        if version not in (1, 2, 5):
            raise ValueError(f"version {version} of classic NetCDF")
        self.wide = 8 if version == 5 else 4
        self.offset = 4 if version == 1 else 8

    def count(self) -> int:
        return self._number(self.wide)

    def dimensions(self) -> list[int]:
        """The lengths of the dimensions; 0 for the dimension of the records."""
        lengths = []
        for _ in range(self._list()):
            self._skip_name()
            lengths.append(self.count())
        return lengths

    def skip_attributes(self) -> None:
        for _ in range(self._list()):
            self._skip_name()
            width = self._type()
            self._skip(_padded(self.count() * width))

    def variables(self, lengths: list[int]) -> list[_HeaderVariable]:
        """The position of each variable, and its bytes, or those of one of its records."""
        found = []
        for _ in range(self._list()):
            self._skip_name()
            axes = [lengths[self.count()] for _ in range(self._bounded(self.count()))]
            self.skip_attributes()
            width = self._type()
            self.count()
            has_records = bool(axes) and axes[0] == 0
            cells = math.prod(axes[1:] if has_records else axes)
            found.append(_HeaderVariable(self._number(self.offset), cells * width, has_records))
        return found

    def _list(self) -> int:
        """The number of members that follow."""
        self._number(4)
        return self._bounded(self.count())

    def _bounded(self, count: int) -> int:
        """The count, if so many members fit into the file (each needs 4 bytes); otherwise raises
        ValueError.
        """
        if count * 4 > self._size:
            raise ValueError(f"{count} members in {self._size} bytes")
        return count

    def _type(self) -> int:
        kind = self._number(4)
        if kind not in TYPE_BYTES:
            raise ValueError(f"type {kind}")
        return TYPE_BYTES[kind]

    def _skip_name(self) -> None:
        self._skip(_padded(self.count()))

    def _skip(self, count: int) -> None:
        if self._file.tell() + count > self._size:
            raise ValueError("the header is cut short")
        self._file.seek(count, os.SEEK_CUR)

    def _number(self, width: int) -> int:
        content = self._file.read(width)
        if len(content) < width:
            raise ValueError("the header is cut short")
        return int.from_bytes(content, "big")


def _padded(count: int) -> int:
    return -(-count // 4) * 4
