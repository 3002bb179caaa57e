"""Files of one run that hold different arrays, seen as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.formats.arrays import Array, ArrayFile
from ingest.formats.open_any import located, open_arrays
from ingest.formats.packing import Attribute
from ingest.inspecting.contents import ArrayInfo, list_arrays
from shards.errors import SourceError


@dataclass(frozen=True)
class United:
    """Arrays of several files by their paths; of those that several hold, that of the first."""

    files: tuple[ArrayFile, ...]

    @property
    def where(self) -> str:
        return self.files[0].where

    def names(self) -> tuple[str, ...]:
        held: set[str] = set()
        for file in self.files:
            held.update(file.names())
        return tuple(sorted(held))

    def array(self, path: str) -> Array:
        return self._holder(path).array(path)

    def attribute(self, path: str, name: str) -> float | None:
        return self._holder(path).attribute(path, name)

    def attributes(self, path: str) -> dict[str, Attribute]:
        return self._holder(path).attributes(path)

    def dimensions(self, path: str) -> tuple[str, ...]:
        return self._holder(path).dimensions(path)

    def caveats(self) -> dict[str, tuple[str, ...]]:
        return {}

    def _holder(self, path: str) -> ArrayFile:
        for file in self.files:
            if any(name == path or name.startswith(f"{path}/") for name in file.names()) or not path:
                return file
        raise SourceError(f"{self.where}: no array {path}; found {', '.join(self.names()[:12])}")


@contextmanager
def open_together(paths: Sequence[Path]) -> Iterator[tuple[ArrayFile, tuple[ArrayInfo, ...]]]:
    """One file, or several as one; with their arrays by header."""
    with ExitStack() as stack:
        files = []
        listed: dict[str, ArrayInfo] = {}
        for path in paths:
            place = located(path)
            file = stack.enter_context(open_arrays(place))
            files.append(file)
            for each in list_arrays(file, place):
                listed.setdefault(each.path, each)
        yield (files[0] if len(files) == 1 else United(tuple(files))), tuple(listed.values())
