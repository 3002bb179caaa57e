"""Whose files a file is like: the source and the recipes that read it, with reasons for and against each source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from ingest.inspecting.contents import ArrayInfo, without_place
from ingest.layout import split_channel
from ingest.recipe import Recipe, catalogue, find_recipe
from ingest.source import find
from shards.errors import MismatchError, SourceError


@dataclass(frozen=True)
class Mark:
    """What the files of a source have: an array that matches one of the patterns, with as many axes (0: any)."""

    meaning: str
    patterns: tuple[str, ...]
    axes: int = 0

    def found(self, shapes: dict[str, int]) -> str | None:
        return next(
            (
                name
                for pattern in self.patterns
                for name, axes in shapes.items()
                if fnmatchcase(name, pattern) and self.axes in (0, axes)
            ),
            None,
        )


MARKS: dict[str, tuple[Mark, ...]] = {
    "well": (
        Mark("coordinates in a group of their own", ("dimensions/*",)),
        Mark("fields in groups by tensor rank", ("t[012]_fields/*",)),
    ),
    "pdebench": (
        Mark("times at the root", ("t-coordinate",)),
        Mark("cell centres at the root", ("x-coordinate",)),
    ),
    "pdearena": (
        Mark("velocity on faces, in a group named as the split", ("train/vx", "valid/vx", "test/vx")),
        Mark("the true time step of each run", ("train/dt", "valid/dt", "test/dt")),
        Mark("the buoyancy of each run", ("train/buo_y", "valid/buo_y", "test/buo_y")),
    ),
    "pdegym": (Mark("one array of five axes for all fields", ("solution", "data"), 5),),
    "bubbleml": (
        Mark("the signed distance to the interface", ("dfun",)),
        Mark("velocity by component", ("velx",)),
        Mark("temperature", ("temperature",)),
    ),
    "flowbench": (Mark("one array of time, y, x and (u, v, p)", ("data",), 4),),
}


@dataclass(frozen=True)
class Refusal:
    """A recipe of the catalogue that comes near, and the first thing in which the file differs."""

    recipe: str
    reason: str


@dataclass(frozen=True)
class SourceMatch:
    """How a file compares with the files of one source; `recipes` of the catalogue read it, the likeliest first."""

    source: str
    reasons_for: tuple[str, ...]
    reasons_against: tuple[str, ...]
    recipes: tuple[str, ...] = ()
    nearest: Refusal | None = None

    @property
    def fits(self) -> bool:
        return not self.reasons_against


def match_sources(path: Path, listed: tuple[ArrayInfo, ...]) -> tuple[SourceMatch, ...]:
    """Every source, those that the file fits first, then those that it has most of."""
    axes = {each.path: len(each.lengths) for each in listed}
    found = [_with_recipes(_likeness(source, path, axes), path, listed) for source in MARKS]
    return tuple(sorted(found, key=lambda each: (not each.fits, -len(each.reasons_for))))


def _likeness(source: str, path: Path, axes: dict[str, int]) -> SourceMatch:
    marks = [(mark, mark.found(axes)) for mark in MARKS[source]]
    patterns = find(source).PATTERNS
    has = [f"holds {name}: {mark.meaning}" for mark, name in marks if name is not None]
    lacks = [f"lacks {' or '.join(mark.patterns)}: {mark.meaning}" for mark, name in marks if name is None]
    if not any(path.match(pattern) for pattern in patterns):
        lacks.append(f"is not named {' or '.join(patterns)}")
    return SourceMatch(source, tuple(has), tuple(lacks))


def _with_recipes(likeness: SourceMatch, path: Path, listed: tuple[ArrayInfo, ...]) -> SourceMatch:
    """Opens the file with every recipe of a source that it fits: who reads it without a fault is right."""
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
    """Whether the name says so, and the share of field names that recipe and file have in common."""
    wanted = {split_channel(name)[0] for field in recipe.fields for name in field.stored_names}
    held = {each.path.rpartition("/")[2] for each in listed if len(each.lengths) > 1}
    return recipe.name in str(path), len(wanted & held) / max(1, len(wanted | held))
