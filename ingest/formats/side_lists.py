"""Reads lists of numbers in small files next to the data: `times.npy`, `t.txt`, `log.csv#time`.

They are found as files of parameters are: docs/decisions/0154-side-files.md, 0161-lists-next-to-the-data.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.formats.arrays import SlabIndex, whole
from ingest.formats.npz import ONLY, open_npy
from ingest.formats.packing import Attribute
from ingest.formats.side_files import list_at, split_side_file
from ingest.formats.side_tables import number_of, text_of
from shards.errors import SourceError

# Files that are one list, without a key.
PLAIN_SUFFIXES = (".npy", ".txt", ".dat", ".csv", ".tsv")
_PLAIN = re.compile(rf"[^/#]+(?:{'|'.join(map(re.escape, PLAIN_SUFFIXES))})")


def split_list_file(place: str) -> tuple[str, str] | None:
    """The file name and the key of a list next to the data; None if the place is in the data.

    >>> split_list_file("times.npy"), split_list_file("log.csv#time"), split_list_file("run/times")
    (('times.npy', ''), ('log.csv', 'time'), None)
    """
    return (place, "") if _PLAIN.fullmatch(place) else split_side_file(place)


def numbers_of_list(path: Path, key: str) -> npt.NDArray[np.float64]:
    """The numbers of a list in a file: [L], or of an npy file of any shape.

    Raises SourceError if the file cannot be read, or holds anything else than a list of numbers.
    """
    if key:
        return np.array(list_at(path, key))
    if path.suffix == ".npy":
        with open_npy(path) as arrays:
            return whole(arrays.array(ONLY))
    return _plain_numbers(path)


def _plain_numbers(path: Path) -> npt.NDArray[np.float64]:
    """The numbers of a text: one per line, or all in one line; lines that begin with # are comments."""
    lines = [line.partition("#")[0].strip() for line in text_of(path).splitlines()]
    rows = [re.split(r"[\s,;]+", line.rstrip(",;")) for line in lines if line]
    words = list(chain.from_iterable(rows))
    numbers = [number_of(word) for word in words]
    found = [number for number in numbers if number is not None]
    if len(found) < len(numbers) or not found or (len(rows) > 1 and len(words) > len(rows)):
        raise SourceError(
            f"{path}: expected one number per line; for a column of a table with names in its first line, "
            f"write {path.name}#NAME"
        )
    return np.array(found)


@dataclass(frozen=True)
class ListFile:
    """The numbers of a file next to the data, as a file with this one array; satisfies
    ingest.formats.arrays.ArrayFile.
    """

    name: str
    where: str
    values: npt.NDArray[np.float64]

    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def array(self, path: str) -> ListArray:
        return ListArray(self.where, self.values)

    def attribute(self, path: str, name: str) -> float | None:
        return None

    def attributes(self, path: str) -> dict[str, Attribute]:
        return {}

    def dimensions(self, path: str) -> tuple[str, ...]:
        return tuple("" for _ in self.values.shape)

    def texts(self, path: str) -> tuple[str, ...]:
        return ()

    def caveats(self) -> dict[str, tuple[str, ...]]:
        return {}


@dataclass(frozen=True)
class ListArray:
    """The numbers of a file next to the data; satisfies ingest.formats.arrays.Array."""

    where: str
    values: npt.NDArray[np.float64]
    unwritten = False

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.values.dtype

    def slab(self, *index: SlabIndex) -> npt.NDArray[Any]:
        return self.values[index]
