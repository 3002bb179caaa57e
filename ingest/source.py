"""The contract of a source: a module of `ingest/sources` with five public names, found by its file name.

A source opens one file at a time and yields slabs of frames, never a whole file, in canonical form:
channels stacked as the schema orders them, axes as the recipe names them, staggered fields moved to
cell centres, boundaries settled. Nothing it reads is trusted: every shape is checked before it is read.

What a recipe can ask of every source (leave out files, skip frames, transform fields, state boundaries) is
done here, once for all of them: `find` returns a source that does so.

Axes: T time, C channel, S space.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib import import_module, resources
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from ingest import transform
from ingest.recipe import Recipe, RecipeField
from shards.errors import SettingsError, SourceError
from shards.schema import Frames, Grid, Mask, Schema, Sides, Split, cell_widths


@dataclass(frozen=True)
class Mark:
    """What files of a source hold: an array that matches one of the patterns, with as many axes (0: any).

    >>> Mark("fields in groups by tensor rank", ("t[012]_fields/*",)).found({"t0_fields/density": 4})
    't0_fields/density'
    """

    meaning: str
    patterns: tuple[str, ...]
    axes: int = 0

    def found(self, axes: dict[str, int]) -> str | None:
        """The first array that has this mark, out of those of a file with their number of axes."""
        for pattern in self.patterns:
            for name, count in axes.items():
                if fnmatchcase(name, pattern) and self.axes in (0, count):
                    return name
        return None


@dataclass(frozen=True)
class Row:
    """One trajectory, known from the header alone: its times [T] and parameters.

    `files` names the file of each frame where there are several; `notes` say what a user should know of how
    it was put together.
    """

    time: tuple[float, ...]
    scalars: dict[str, float]
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


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
        """Per-cell bits [*S], see shards.schema.Cell."""
        ...


class Source(Protocol):
    """A module of `ingest/sources`: its files, the marks they are known by, how they are read."""

    PATTERNS: tuple[str, ...]
    MARKS: tuple[Mark, ...]

    def split(self, path: Path) -> Split | None:
        """The split that the place or the name of a file says; None: the recipe's rule decides."""
        ...

    def companions(self, path: Path) -> tuple[Path, ...]:
        """Other files that this one is read with: if one of them changes, so has what it holds."""
        ...

    def open_file(self, path: Path, recipe: Recipe) -> AbstractContextManager[OpenFile]:
        """The file as this recipe sees it; raises SourceError where it is not what the recipe describes."""
        ...


def sources() -> tuple[str, ...]:
    """Names of all sources: the files of the folder."""
    folder = resources.files("ingest.sources")
    return tuple(
        sorted(e.name[:-3] for e in folder.iterdir() if e.name.endswith(".py") and not e.name.startswith("_"))
    )


def find(name: str) -> Source:
    """The source of this name, its files seen as their recipe asks; raises SettingsError with the names
    there are.
    """
    if name not in sources():
        raise SettingsError(f"no source named {name}; expected one of {', '.join(sources())}")
    module = cast(Source, import_module(f"ingest.sources.{name}"))
    return _ByRecipe(module.PATTERNS, module.MARKS, module)


@dataclass
class _ByRecipe:
    """A source, and what recipes can ask of every source."""

    PATTERNS: tuple[str, ...]
    MARKS: tuple[Mark, ...]
    module: Source

    def split(self, path: Path) -> Split | None:
        return self.module.split(path)

    def companions(self, path: Path) -> tuple[Path, ...]:
        return self.module.companions(path)

    @contextmanager
    def open_file(self, path: Path, recipe: Recipe) -> Iterator[OpenFile]:
        reason = recipe.excluded(path)
        if reason is not None:
            raise SourceError(f"{path}: left out by recipe {recipe.name}: {reason}")
        with self.module.open_file(path, recipe) as opened:
            _require_as_stated(path, recipe, opened.schema)
            schema = replace(opened.schema, grid=_within(path, recipe, opened.schema.grid))
            yield _RecipeView(
                path, recipe, opened, schema, tuple(_seen_row(recipe, row) for row in opened.rows)
            )


@dataclass(frozen=True)
class _RecipeView:
    """An open file without the skipped frames, its fields transformed, its parameters by their right
    names.
    """

    path: Path
    recipe: Recipe
    opened: OpenFile
    schema: Schema
    rows: tuple[Row, ...]

    def frames(self, row: int, start: int, stop: int) -> Frames:
        require_frames(self.rows, row, start, stop)
        skipped, stride = self.recipe.skip_frames, self.recipe.stride
        if stride == 1:
            return self._read(row, start + skipped, stop - start)
        # Frames between them are not read: in a folder of states each is a file to open.
        values = np.empty((stop - start, *self.schema.frame_shape), self.schema.dtype)
        for number in range(stop - start):
            values[number] = self._read(row, skipped + (start + number) * stride, 1)[0]
        return values

    def _read(self, row: int, first: int, count: int) -> Frames:
        """`count` frames of the file from frame `first` on, transformed."""
        values = self.opened.frames(row, first, first + count)
        self._transform(self.recipe.variable, values, row, first)
        return values

    def static(self, row: int) -> Frames:
        values = self.opened.static(row)
        self._transform(self.recipe.constant, values[None], row, 0)
        return values

    def boundary(self, row: int) -> Mask:
        return self.opened.boundary(row)

    def _transform(self, fields: tuple[RecipeField, ...], values: Frames, row: int, first: int) -> None:
        """Transforms values [T, C, *S] in place; the first is frame `first` of the file."""
        channel = 0
        for field in fields:
            until = channel + len(field.spec.components(self.recipe.axes))
            if field.transform is not None:
                where = f"{self.path}: row {row}: {field.stored_names[0]}"
                transform.apply(field.transform, values[:, channel:until], where, first)
            channel = until


def _seen_row(recipe: Recipe, row: Row) -> Row:
    """The row without frames that the recipe passes over, its parameters by their right names."""
    names = recipe.correction.scalars if recipe.correction else {}
    scalars = {names.get(name, name): value for name, value in row.scalars.items()}
    taken = slice(recipe.skip_frames, None, recipe.stride)
    notes = row.notes
    if recipe.stride > 1:
        thinned = f"of each {recipe.stride} frames one is taken, as the stride of the recipe says"
        notes = (*notes, thinned)
    return Row(row.time[taken], scalars, row.files[taken], notes)


def _within(path: Path, recipe: Recipe, grid: Grid) -> Grid:
    """The grid, its cells cut at the ends of the recipe's domain; raises SourceError where a centre is
    outside.
    """
    for axis, centres in zip(grid.axes, grid.coordinates, strict=True):
        lower, upper = recipe.domain.get(axis, (min(centres), max(centres)))
        if min(centres) < lower or max(centres) > upper:
            raise SourceError(
                f"{path}: the cell centres of {axis} go from {min(centres):g} to {max(centres):g}; recipe "
                f"{recipe.name} says that the domain is {lower:g} to {upper:g}; correct the recipe, or name "
                "the recipe of this file"
            )
    pairs = zip(grid.axes, grid.coordinates, strict=True)
    return replace(
        grid, widths=tuple(cell_widths(centres, recipe.domain.get(axis)) for axis, centres in pairs)
    )


def _require_as_stated(path: Path, recipe: Recipe, schema: Schema) -> None:
    """Raises SourceError where the file contradicts the recipe on what is no matter of release: grid kind,
    sides.
    """
    if schema.grid.kind != recipe.kind:
        raise SourceError(
            f"{path}: the grid is {schema.grid.kind}; recipe {recipe.name} says {recipe.kind}; correct the "
            "recipe, or name the recipe of this file"
        )
    for axis, found in zip(recipe.axes, schema.boundaries, strict=True):
        stated = recipe.sides(axis)
        if stated not in (None, found):
            raise SourceError(
                f"{path}: axis {axis} is {_words(found)}; recipe {recipe.name} says {_words(stated)}; name "
                "the recipe of this file, or overrule the file in a [correction] with its reason"
            )


def _words(sides: Sides) -> str:
    return f"{sides[0].name.lower()} below and {sides[1].name.lower()} above"
