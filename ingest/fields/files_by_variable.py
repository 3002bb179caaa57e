"""Reads files of one run that hold different variables as one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np

from ingest.fields.tiles import TiledArrays
from ingest.formats.arrays import Array, ArrayFile, AttributedArrays, holds, whole
from ingest.formats.open_any import located, open_arrays
from ingest.formats.packing import Attribute
from ingest.formats.run_files import RunFile
from ingest.layout import TileRule
from ingest.name_pattern import VARIABLE
from shards.errors import SourceError


@dataclass(frozen=True)
class FilesByVariable:
    """The files of one time by the names of their variables; satisfies Arrays."""

    files: Mapping[str, AttributedArrays]

    @property
    def where(self) -> str:
        return next(iter(self.files.values())).where

    def names(self) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for arrays in self.files.values():
            found |= dict.fromkeys(arrays.names())
        return tuple(sorted(found))

    def array(self, path: str) -> Array:
        """The array at this path; for the name of a variable, the only array of its file.

        Arrays in several files (times, coordinates) must be equal in all of them.
        """
        holders = [arrays for arrays in self.files.values() if path in arrays.names()]
        if not holders:
            of_variable, name = self._of_variable(path)
            return of_variable.array(name)
        if path in self.files and all(len(arrays.names()) == 1 for arrays in holders):
            # data.npy next to t.npy: numpy's files call their only array `data`.
            return self.files[path].array(path)
        first = holders[0].array(path)
        for other in holders[1:]:
            found = other.array(path)
            if found.shape != first.shape or not np.array_equal(whole(found), whole(first), equal_nan=True):
                one = next(variable for variable, arrays in self.files.items() if arrays is holders[0])
                raise SourceError(
                    f"{found.where}: differs from {first.where}; expected the same times and coordinates in "
                    f'all files of a run; to take those of {one}, write "{one}/{path}"; for values on cell '
                    "faces, state faces in their field"
                )
        return first

    def _of_variable(self, path: str) -> tuple[AttributedArrays, str]:
        """The files of the variable that a path begins with, and the path of the array in them."""
        variable, _, inner = path.partition("/")
        arrays = self.files.get(variable)
        names = arrays.names() if arrays else ()
        if arrays is None or (not inner and len(names) != 1):
            raise SourceError(
                f"{self.where}: no array {path} in the files of {', '.join(self.files)}; found "
                f"{', '.join(self.names()[:12]) or 'nothing'}"
            )
        return arrays, inner or names[0]

    def attribute(self, path: str, name: str) -> float | None:
        for arrays in self.files.values():
            if holds(arrays.names(), path):
                value = arrays.attribute(path, name)
                if value is not None:
                    return value
        return None

    def attributes(self, path: str) -> dict[str, Attribute]:
        """The attributes of an array, from the first file that has it; of the files, those of the first."""
        for arrays in self.files.values():
            if holds(arrays.names(), path):
                return arrays.attributes(path)
        own = self.files.get(path.partition("/")[0])
        names = own.names() if own else ()
        return own.attributes(names[0]) if own and len(names) == 1 else {}

    def dimensions(self, path: str) -> tuple[str, ...]:
        """The names of the axes of an array, from the first file that has it."""
        for arrays in self.files.values():
            if path in arrays.names():
                return arrays.dimensions(path)
        of_variable, name = self._of_variable(path)
        return of_variable.dimensions(name)


@contextmanager
def open_files_of_time(files: tuple[RunFile, ...], tiles: TileRule | None) -> Iterator[AttributedArrays]:
    """Opens the files of one time as one set of arrays: tiles are joined, variables have their names.

    `tiles` gives the positions of tiles; None if there are none.
    """
    with ExitStack() as stack:
        by_variable: dict[str, list[ArrayFile]] = {}
        for file in files:
            opened = stack.enter_context(open_arrays(located(file.path)))
            by_variable.setdefault(file.variable, []).append(opened)
        arrays: dict[str, AttributedArrays] = {
            variable: TiledArrays(tuple(held), tiles) if tiles else held[0]
            for variable, held in by_variable.items()
        }
        yield FilesByVariable(arrays) if VARIABLE in files[0].parts else arrays[files[0].variable]
