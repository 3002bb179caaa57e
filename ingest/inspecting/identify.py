"""Finds the source and the recipes that may read a file, with reasons for and against each source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ingest.catalogue import catalogue, find_recipe
from ingest.contents.listing import ArrayInfo, without_place
from ingest.layout import split_channel
from ingest.name_pattern import with_plain_suffix
from ingest.recipe import Recipe
from ingest.source import find, sources
from shards.errors import MismatchError, SourceError


@dataclass(frozen=True)
class Refusal:
    """The most similar recipe of the catalogue, and the first difference of the file."""

    recipe: str
    reason: str


@dataclass(frozen=True)
class SourceMatch:
    """How a file compares with the files of one source; `recipes` can read it, the likeliest first."""

    source: str
    reasons_for: tuple[str, ...]
    reasons_against: tuple[str, ...]
    recipes: tuple[str, ...] = ()
    nearest: Refusal | None = None

    @property
    def fits(self) -> bool:
        return not self.reasons_against


def match_sources(path: Path, listed: tuple[ArrayInfo, ...]) -> tuple[SourceMatch, ...]:
    """A match for every source: first the sources that fit, then those with most marks in the file."""
    axes = {each.path: len(each.lengths) for each in listed}
    found = [
        _with_recipes(_likeness(source, path, axes), path, listed)
        for source in sources()
        if find(source).MARKS
    ]
    return tuple(sorted(found, key=lambda each: (not each.fits, -len(each.reasons_for))))


def _likeness(source: str, path: Path, axes: dict[str, int]) -> SourceMatch:
    marks = [(mark, mark.found(axes)) for mark in find(source).MARKS]
    patterns = find(source).PATTERNS
    has = [f"holds {name}: {mark.meaning}" for mark, name in marks if name is not None]
    lacks = [f"lacks {' or '.join(mark.patterns)}: {mark.meaning}" for mark, name in marks if name is None]
    if not any(Path(with_plain_suffix(path.name)).match(pattern) for pattern in patterns):
        lacks.append(f"is not named {' or '.join(patterns)}")
    return SourceMatch(source, tuple(has), tuple(lacks))


def _with_recipes(likeness: SourceMatch, path: Path, listed: tuple[ArrayInfo, ...]) -> SourceMatch:
    """The match with the recipes that open the file without a fault, or with the most similar recipe."""
    if not likeness.fits:
        return likeness
    recipes = [recipe for recipe in map(find_recipe, catalogue()) if recipe.source == likeness.source]
    faults = {recipe.name: _fault(recipe, path) for recipe in recipes}
    opening = [recipe for recipe in recipes if faults[recipe.name] is None]
    named = sorted(opening, key=lambda recipe: recipe.name not in str(path))
    if named or not recipes:
        return replace(likeness, recipes=tuple(recipe.name for recipe in named))
    nearest = max(recipes, key=lambda recipe: _in_common(recipe, path, listed))
    return replace(likeness, nearest=Refusal(nearest.name, faults[nearest.name] or ""))


def _fault(recipe: Recipe, path: Path) -> str | None:
    try:
        with find(recipe.source).open_file(path, recipe):
            return None
    except (SourceError, MismatchError) as error:
        return without_place(error, path, "")


def _in_common(recipe: Recipe, path: Path, listed: tuple[ArrayInfo, ...]) -> tuple[bool, float]:
    """Whether the path names the recipe, and the share of field names that recipe and file have in common."""
    wanted = {split_channel(name)[0] for field in recipe.fields for name in field.stored_names}
    held = {each.path.rpartition("/")[2] for each in listed if len(each.lengths) > 1}
    return recipe.name in str(path), len(wanted & held) / max(1, len(wanted | held))
