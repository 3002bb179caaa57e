"""The arrays of a run that is one file, with the named parts of its name."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.formats.arrays import Array, AttributedArrays
from ingest.formats.packing import Attribute


@dataclass(frozen=True)
class NamedArrays:
    """The arrays of one file; `parts` are the named parts of its name. Satisfies AttributedArrays."""

    arrays: AttributedArrays
    parts: dict[str, str]

    @property
    def where(self) -> str:
        return self.arrays.where

    def names(self) -> tuple[str, ...]:
        return self.arrays.names()

    def array(self, path: str) -> Array:
        return self.arrays.array(path)

    def attribute(self, path: str, name: str) -> float | None:
        return self.arrays.attribute(path, name)

    def attributes(self, path: str) -> dict[str, Attribute]:
        return self.arrays.attributes(path)

    def dimensions(self, path: str) -> tuple[str, ...]:
        return self.arrays.dimensions(path)
