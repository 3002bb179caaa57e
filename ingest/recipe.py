"""How a dataset is ingested: one TOML file, from the catalogue or a user's own."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from shards.errors import SettingsError
from shards.settings import make, override, read_toml
from shards.spec import STRICT, Boundary, FieldSpec, Sides


@dataclass(frozen=True, config=STRICT)
class RecipeField:
    """A field by its canonical name, and what the source calls it where that differs.

    `stored` is one name for a scalar, or for a vector held as one array; a name a component where a
    source holds the components apart. `power` fixes k of the stored scale 2^k; left out, it is measured.
    """

    name: str
    rank: Literal[0, 1, 2] = 0
    constant: bool = False
    unit: str = ""
    stored: tuple[str, ...] = ()
    power: int | None = None

    @property
    def spec(self) -> FieldSpec:
        return FieldSpec(self.name, self.rank, self.constant, self.unit)

    @property
    def stored_names(self) -> tuple[str, ...]:
        return self.stored or (self.name,)


@dataclass(frozen=True, config=STRICT)
class Correction:
    """Metadata that the files hold wrong, or not at all, put right by the recipe, and why."""

    reason: str
    boundaries: dict[str, tuple[Literal["wall", "open", "periodic"], Literal["wall", "open", "periodic"]]]

    @model_validator(mode="after")
    def _periodic_on_both_sides(self) -> Correction:
        for axis, sides in self.boundaries.items():
            if "periodic" in sides and sides[0] != sides[1]:
                raise ValueError(f"axis {axis} is periodic on one side only")
        return self

    def sides(self, axis: str) -> Sides:
        lower, upper = self.boundaries[axis]
        return Boundary[lower.upper()], Boundary[upper.upper()]


@dataclass(frozen=True, config=STRICT)
class Expected:
    """What the published release holds; compared and reported, never enforced: releases differ."""

    grid: tuple[int, ...] = ()
    frames: int | None = None
    trajectories: int | None = None


@dataclass(frozen=True, config=STRICT)
class SplitRule:
    """Shares of a source without splits: rows in order, train first, test last, each at least one row."""

    train: float = 0.8
    valid: float = 0.1
    test: float = 0.1

    @model_validator(mode="after")
    def _sums_to_one(self) -> SplitRule:
        if min(self.train, self.valid, self.test) < 0 or abs(self.train + self.valid + self.test - 1) > 1e-9:
            raise ValueError(f"shares {self.train}, {self.valid}, {self.test} must be >= 0 and sum to 1")
        return self


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """One dataset: who reads it (`source`), what it must hold, whose it is."""

    name: str
    source: str
    title: str
    fields: tuple[RecipeField, ...]
    axes: tuple[str, ...]
    licence: str = "unknown"
    citation: str = ""
    home: str = ""
    note: str = ""
    # Pattern of file names below the given folder; empty means the patterns of the source.
    files: str = ""
    # "source" keeps the precision of the files; "float32" asks for rounding of a float64 source.
    dtype: Literal["source", "float32"] = "source"
    correction: Correction | None = None
    split: SplitRule = SplitRule()
    expected: Expected = Expected()

    @model_validator(mode="after")
    def _name_and_axes(self) -> Recipe:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", self.name):
            raise ValueError(f"name {self.name!r} becomes a folder: expected letters, digits, _ - and .")
        if not 1 <= len(self.axes) <= 3 or len(set(self.axes)) != len(self.axes):
            raise ValueError(f"axes {list(self.axes)}: expected 1 to 3, each once")
        unknown = set(self.correction.boundaries if self.correction else ()) - set(self.axes)
        if unknown:
            raise ValueError(f"correction of axis {', '.join(sorted(unknown))}; the axes are {list(self.axes)}")
        return self

    @model_validator(mode="after")
    def _fields_fit_the_axes(self) -> Recipe:
        if not self.variable:
            raise ValueError("no field changes in time; a recipe needs at least one that is not constant")
        for field in self.fields:
            allowed = sorted({1, len(self.axes) ** field.rank})
            if len(field.stored_names) not in allowed:
                expected = " or ".join(map(str, allowed))
                raise ValueError(f"field {field.name} has {len(field.stored)} stored names; expected {expected}")
        channels = [name for field in self.fields for name in field.spec.components(self.axes)]
        twice = sorted({name for name in channels if channels.count(name) > 1})
        if twice:
            raise ValueError(f"two fields give the same channel name: {', '.join(twice)}")
        return self

    def corrected(self, axis: str) -> Sides | None:
        """What the recipe says of the two sides of an axis; None where it leaves that to the file."""
        if self.correction is None or axis not in self.correction.boundaries:
            return None
        return self.correction.sides(axis)

    @property
    def variable(self) -> tuple[RecipeField, ...]:
        return tuple(field for field in self.fields if not field.constant)

    @property
    def constant(self) -> tuple[RecipeField, ...]:
        return tuple(field for field in self.fields if field.constant)


def catalogue() -> dict[str, Path]:
    """Name to recipe file of every system that the package knows."""
    folder = resources.files("ingest") / "catalog"
    return {
        Path(str(entry)).stem: Path(str(entry))
        for entry in sorted(folder.iterdir(), key=str)
        if entry.name.endswith(".toml")
    }


def find_recipe(name_or_path: str, assignments: tuple[str, ...] = ()) -> Recipe:
    """The recipe of a catalogue name, or of a TOML file; raises SettingsError with what there is."""
    known = catalogue()
    path = Path(name_or_path) if name_or_path.endswith(".toml") else known.get(name_or_path)
    if path is None:
        raise SettingsError(
            f"no recipe named {name_or_path}; the catalogue has {', '.join(known)}; or name a file .toml"
        )
    return make(Recipe, override(read_toml(path), assignments), str(path))
