"""The contract of a source: a module of `ingest/sources` with five public names, found by its file name.

A source opens one file at a time and reads slabs of frames, never a whole file, in canonical form: channels
in the order of the schema, axes in the order of the recipe, staggered fields moved to cell centres,
boundaries decided. Nothing it reads is trusted: every shape is checked before the data are read.

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
    """A mark of the files of a source: an array that matches a pattern, with this number of axes (0: any).

    >>> Mark("fields in groups by tensor rank", ("t[012]_fields/*",)).found({"t0_fields/density": 4})
    't0_fields/density'
    """

    meaning: str
    patterns: tuple[str, ...]
    axes: int = 0

    def found(self, axes: dict[str, int]) -> str | None:
        """The first array with this mark; `axes` maps the arrays of a file to their number of axes."""
        for pattern in self.patterns:
            for name, count in axes.items():
                if fnmatchcase(name, pattern) and self.axes in (0, count):
                    return name
        return None


@dataclass(frozen=True)
class Row:
    """The times [T] and parameters of one trajectory, known from the header.

    `files` names the file of each frame, if there are several; `notes` tell users how the files were joined;
    `split` is the one that its arrays state.
    """

    time: tuple[float, ...]
    scalars: dict[str, float]
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    split: Split | None = None


def require_frames(rows: tuple[Row, ...], row: int, start: int, stop: int) -> None:
    """Raises IndexError if a file does not have these frames, which is a bug of the caller."""
    if not 0 <= row < len(rows):
        raise IndexError(f"row {row} of a file with {len(rows)} trajectories")
    if not 0 <= start <= stop <= len(rows[row].time):
        raise IndexError(f"frames {start} to {stop} of a trajectory with {len(rows[row].time)}")


class OpenFile(Protocol):
    """One file of a source, open for reading.

    `schema` and `rows` come from the header, without reading field data. Reading raises SourceError if the
    file fails, IndexError for rows or frames that it does not have.
    """

    @property
    def schema(self) -> Schema: ...

    @property
    def rows(self) -> tuple[Row, ...]: ...

    def frames(self, row: int, start: int, stop: int) -> Frames:
        """Frames [stop - start, C, *S] of the variable fields, in `schema.dtype` and physical units."""
        ...

    def static(self, row: int) -> Frames:
        """The constant fields [C, *S]; C may be 0."""
        ...

    def boundary(self, row: int) -> Mask:
        """The boundary bits of each cell [*S], see shards.schema.Cell."""
        ...


class Source(Protocol):
    """A module of `ingest/sources`: patterns of its files, their marks, and how they are read."""

    PATTERNS: tuple[str, ...]
    MARKS: tuple[Mark, ...]

    def split(self, path: Path) -> Split | None:
        """The split that the folder or the name of a file states; None if the recipe decides."""
        ...

    def companions(self, path: Path) -> tuple[Path, ...]:
        """Other files that are read together with this one; if one changes, this file counts as changed."""
        ...

    def open_file(self, path: Path, recipe: Recipe) -> AbstractContextManager[OpenFile]:
        """Opens a file as this recipe describes it; raises SourceError if it differs from the recipe."""
        ...


def sources() -> tuple[str, ...]:
    """The names of all sources, which are the files of the folder."""
    folder = resources.files("ingest.sources")
    return tuple(
        sorted(e.name[:-3] for e in folder.iterdir() if e.name.endswith(".py") and not e.name.startswith("_"))
    )


def find(name: str) -> Source:
    """The source with this name, which also does what recipes ask of every source; raises SettingsError."""
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
    """An open file as its recipe asks: without skipped frames, with transformed fields and renamed
    parameters.
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
        # Frames between them are not read: in a folder of states, each would be another file to open.
        values = np.empty((stop - start, *self.schema.frame_shape), self.schema.dtype)
        for number in range(stop - start):
            values[number] = self._read(row, skipped + (start + number) * stride, 1)[0]
        return values

    def _read(self, row: int, first: int, count: int) -> Frames:
        """Reads `count` frames of the file from frame `first` on, and transforms them."""
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
    """The row without the frames that the recipe skips, with renamed parameters."""
    names = recipe.correction.scalars if recipe.correction else {}
    scalars = {names.get(name, name): value for name, value in row.scalars.items()}
    taken = slice(recipe.skip_frames, None, recipe.stride)
    notes = row.notes
    if recipe.stride > 1:
        thinned = f"one of every {recipe.stride} frames is taken, as the stride of the recipe says"
        notes = (*notes, thinned)
    return Row(row.time[taken], scalars, row.files[taken], notes, row.split)


def _within(path: Path, recipe: Recipe, grid: Grid) -> Grid:
    """The grid with cells cut at the ends of the recipe's domain; raises SourceError for a centre outside."""
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
    """Raises SourceError if grid kind or boundaries of the file differ from those that the recipe states."""
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
                "the recipe of this file, or correct the file in a [correction] with its reason"
            )


def _words(sides: Sides) -> str:
    return f"{sides[0].name.lower()} below and {sides[1].name.lower()} above"
