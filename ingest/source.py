"""What a source is: a module of `ingest/sources` with three names, found by its file name.

A source opens one file at a time and yields slabs of frames, never a whole file, in canonical form:
channels stacked as the schema orders them, axes as the recipe names them, staggered fields moved to
cell centres, boundaries settled. Nothing it reads is trusted: every shape is checked before it is read.

Axes: T time, C channel, S space.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module, resources
from pathlib import Path
from typing import Protocol, cast

from ingest.recipe import Recipe
from shards.errors import SettingsError
from shards.spec import Frames, Mask, Schema, Split


@dataclass(frozen=True)
class Row:
    """One trajectory of a file, known from the header alone: its times [T] and parameters."""

    time: tuple[float, ...]
    scalars: dict[str, float]


def require_frames(rows: tuple[Row, ...], row: int, start: int, stop: int) -> None:
    """Raises IndexError where a file does not have these frames: the caller's bug, not the user's."""
    if not 0 <= row < len(rows):
        raise IndexError(f"row {row} of a file with {len(rows)} trajectories")
    if not 0 <= start <= stop <= len(rows[row].time):
        raise IndexError(f"frames {start} to {stop} of a trajectory with {len(rows[row].time)}")


class OpenFile(Protocol):
    """One file of a source, open for reading.

    `schema` and `rows` come from the header and cost no field data. Reading raises SourceError where the file
    fails, IndexError for rows or frames that it does not have.
    """

    @property
    def schema(self) -> Schema: ...

    @property
    def rows(self) -> tuple[Row, ...]: ...

    def frames(self, row: int, start: int, stop: int) -> Frames:
        """[stop - start, C, *S] in `schema.dtype`, in physical units."""
        ...

    def static(self, row: int) -> Frames:
        """[C, *S] of the constant fields, C may be 0."""
        ...

    def boundary(self, row: int) -> Mask:
        """Per-cell bits [*S], see shards.spec.Cell."""
        ...


class Source(Protocol):
    """A module of `ingest/sources`."""

    PATTERNS: tuple[str, ...]

    def split(self, path: Path) -> Split | None:
        """The split that the place or the name of a file says; None: the recipe's rule decides."""
        ...

    def open_file(self, path: Path, recipe: Recipe) -> AbstractContextManager[OpenFile]:
        """The file as this recipe sees it; raises SourceError where it is not what the recipe describes."""
        ...


def sources() -> tuple[str, ...]:
    """Names of all sources: the files of the folder."""
    folder = resources.files("ingest.sources")
    return tuple(sorted(e.name[:-3] for e in folder.iterdir() if e.name.endswith(".py") and not e.name.startswith("_")))


def find(name: str) -> Source:
    """The source of this name; raises SettingsError with the names there are."""
    if name not in sources():
        raise SettingsError(f"no source named {name}; there is {', '.join(sources())}")
    return cast(Source, import_module(f"ingest.sources.{name}"))
