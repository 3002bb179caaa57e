"""Reads a file with an array per split: `u_train` and `u_test` are the same field of other trajectories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from ingest.fields.described_fields import described_file
from ingest.fields.field_stack import FieldStack
from ingest.formats.arrays import AttributedArrays
from ingest.layout import CoordinateRule, TimeRule
from ingest.name_pattern import SPLIT_PART
from ingest.recipe import Recipe, RecipeField
from ingest.source import Row
from shards.errors import SourceError
from shards.schema import Frames, Mask, Schema

# A table of a recipe that names an array by `stored`.
Table = TypeVar("Table", TimeRule, CoordinateRule)


@dataclass(frozen=True)
class SplitArrays:
    """The trajectories of several splits of one file, one after the other; satisfies
    ingest.source.OpenFile.
    """

    splits: tuple[FieldStack, ...]

    @property
    def schema(self) -> Schema:
        return self.splits[0].schema

    @property
    def rows(self) -> tuple[Row, ...]:
        rows: list[Row] = []
        for each in self.splits:
            rows += each.rows
        return tuple(rows)

    def frames(self, row: int, start: int, stop: int) -> Frames:
        split, own = self._place(row)
        return split.frames(own, start, stop)

    def static(self, row: int) -> Frames:
        split, own = self._place(row)
        return split.static(own)

    def boundary(self, row: int) -> Mask:
        split, own = self._place(row)
        return split.boundary(own)

    def _place(self, row: int) -> tuple[FieldStack, int]:
        """The split of a row, and the number of the row in it."""
        for each in self.splits:
            if 0 <= row < len(each.rows):
                return each, row
            row -= len(each.rows)
        raise IndexError(f"no row {row} behind the last of {len(self.rows)} trajectories")


def described_splits(file: AttributedArrays, recipe: Recipe) -> SplitArrays:
    """The arrays of all splits as the recipe describes them; raises SourceError if their grids differ."""
    found = []
    for split, word in recipe.split_names.items():
        opened = described_file(file, _recipe_of_split(recipe, word), recipe.layout)
        found.append(replace(opened, rows=tuple(replace(row, split=split) for row in opened.rows)))
        if opened.schema != found[0].schema:
            raise SourceError(
                f"{file.where}: the arrays of {split} have another grid or type than those of "
                f"{next(iter(recipe.split_names))}; expected one grid; write a recipe for each"
            )
    return SplitArrays(tuple(found))


def _recipe_of_split(recipe: Recipe, word: str) -> Recipe:
    """The recipe with the names of the arrays of one split."""
    mask = recipe.mask
    return replace(
        recipe,
        fields=tuple(_field(field, word) for field in recipe.fields),
        time=_time(recipe.time, word) if recipe.time else None,
        coordinates={axis: _table(rule, word) for axis, rule in recipe.coordinates.items()},
        scalars={name: _named(place, word) for name, place in recipe.scalars.items()},
        mask=replace(mask, stored=_named(mask.stored, word)) if mask else None,
        split_names={},
    )


def _field(field: RecipeField, word: str) -> RecipeField:
    return replace(field, stored=tuple(_named(name, word) for name in field.stored))


def _time(rule: TimeRule, word: str) -> TimeRule:
    named = _table(rule, word)
    return replace(named, step=_named(rule.place, word)) if rule.place else named


def _table(table: Table, word: str) -> Table:
    return replace(table, stored=_named(table.stored, word))


def _named(stored: str, word: str) -> str:
    return stored.replace(f"{{{SPLIT_PART}}}", word)
