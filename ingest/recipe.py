"""A recipe states how a dataset is built: a TOML file of the catalogue or of a user."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import field
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ingest.correction import Correction, SidesOfAxes, require_periodic_on_both_sides, sides_of
from ingest.layout import BlockRule, CoordinateRule, MaskRule, Overlap, TileRule, TimeRule, layouts_fault
from ingest.name_pattern import OF_ONE_RUN, SPLIT_PART, STEP, TILE, NamePattern, is_part, names_parts
from ingest.release import Exclusion, ExpectedSize
from ingest.split import HeldOutRule, SplitRule, held_out_for, split_names_fault
from ingest.transform import TransformName, transform_fault
from shards.schema import (
    TAKEN,
    AtLeastOne,
    AxisName,
    Boundary,
    FieldSpec,
    GridKind,
    Natural,
    Sides,
    Split,
    checked,
)

# The largest powers of two with squares within the range of float64.
Power = Annotated[int, Field(ge=-1000, le=1000)]


@checked
class RecipeField:
    """A field by its canonical name, with its names in the source if they differ.

    `stored` is one name for a scalar, or for a vector in one array; or one name per component. `name[2]` is
    the third channel of an array. `transform` is applied to the stored values, and the name must begin with
    it. `layout` names the axes of its arrays if they differ from those of the recipe. `faces` names, for each
    array, the axis on whose faces its values are: a cell gets the mean of its two faces. If there are as many
    as cells, `faces_side` is their side. With `absent_faces` "zero", faces of walls and solid cells for which
    the file has no value count as zero. `power` fixes k of the scale 2^k; by default it is measured.

    >>> RecipeField("velocity", rank=1, stored=("vx", "vy")).spec.components(("x", "y"))
    ('velocity_x', 'velocity_y')
    """

    name: str
    rank: Literal[0, 1, 2] = 0
    constant: bool = False
    unit: str = ""
    stored: tuple[str, ...] = ()
    transform: TransformName | None = None
    layout: str = ""
    faces: tuple[AxisName, ...] = ()
    faces_side: Literal["lower", "upper"] = "lower"
    absent_faces: Literal["refuse", "zero"] = "refuse"
    power: Power | None = None

    @model_validator(mode="after")
    def _name_can_be_printed(self) -> RecipeField:
        if not self.name.strip() or not self.name.isprintable():
            raise ValueError(f"field {self.name!r}: expected a name that can be printed")
        return self

    @model_validator(mode="after")
    def _name_tells_the_transform(self) -> RecipeField:
        fault = transform_fault(
            self.transform, self.name, self.stored_names, self.rank, constant=self.constant
        )
        if fault:
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _every_array_has_its_faces(self) -> RecipeField:
        needs_faces = self.faces_side == "upper" or self.absent_faces == "zero"
        known = (len(self.stored_names),) if needs_faces else (0, len(self.stored_names))
        if len(self.faces) not in known:
            raise ValueError(
                f"field {self.name} has faces {list(self.faces)}; expected an axis for each of its "
                f"{len(self.stored_names)} stored names"
            )
        return self

    @property
    def spec(self) -> FieldSpec:
        return FieldSpec(self.name, self.rank, self.constant, self.unit)

    @property
    def stored_names(self) -> tuple[str, ...]:
        return self.stored or (self.name,)


@checked
class Recipe:
    """The recipe of one dataset: the source that reads it, its fields, its licence and citation.

    `kind` and `boundaries` state the grid of the dataset. Files that state something else are refused, unless
    a correction replaces it; for files that do not state them, the recipe decides. `layout`, `time`,
    `coordinates`, `scalars` and `mask` describe files that no source knows.
    """

    name: str
    source: str
    title: str
    fields: tuple[RecipeField, ...]
    axes: tuple[AxisName, ...]
    licence: str = "unknown"
    citation: str = ""
    home: str = ""
    note: str = ""
    # Pattern of file names below the given folder, with named parts where a run has several files, such as
    # `{run}/out_{step}.h5`; empty means the patterns of the source.
    files: str = ""
    # The positions of tiles, if each file `{tile}` holds one tile of the grid.
    tiles: TileRule | None = None
    # "source" keeps the precision of the files; "float32" asks for rounding of a float64 source.
    dtype: Literal["source", "float32"] = "source"
    kind: GridKind = "cartesian"
    boundaries: SidesOfAxes = field(default_factory=dict)
    correction: Correction | None = None
    # Arrays that the files may hold but that are not taken, by intention.
    leave_out: tuple[str, ...] = ()
    exclude: tuple[Exclusion, ...] = ()
    # The number of first frames of every trajectory to leave out: the start-up of a solver.
    skip_frames: Natural = 0
    # Every n-th of the other frames is taken: a model learns little from frames that hardly differ.
    stride: AtLeastOne = 1
    # Axes of the arrays as stored, such as "n t x y c": n trajectory, t time, c component or channel.
    layout: str = ""
    time: TimeRule | None = None
    coordinates: dict[AxisName, CoordinateRule] = field(default_factory=dict)
    # Where an axis begins and ends, if files state only its cell centres: cells are cut at these ends.
    domain: dict[AxisName, tuple[float, float]] = field(default_factory=dict)
    # Parameter to its place: an array with one number (or one per trajectory), or `path@attribute`.
    scalars: dict[str, str] = field(default_factory=dict)
    mask: MaskRule | None = None
    # Blocks of one level that form one grid; b is their axis in layouts.
    blocks: BlockRule | None = None
    # If a field never changes in a trajectory: leave the trajectory out, or keep it.
    at_rest: Literal["refuse", "keep"] = "refuse"
    # If two files of a run differ at one time: leave the run out, or take the values of one file.
    overlap: Overlap = "refuse"
    # Cells to cut off at the lower and upper end of an axis: ghost cells, a repeated end.
    crop: dict[AxisName, tuple[Natural, Natural]] = field(default_factory=dict)
    # Trajectories for validation or test, selected by files or parameters.
    held_out: tuple[HeldOutRule, ...] = ()
    # Split to its word, which takes the place of `{split}` in the names of arrays.
    split_names: dict[Split, str] = field(default_factory=dict)
    # Shares of the other trajectories; by default all of them train if some are held out.
    split: SplitRule | None = None
    expected: ExpectedSize = ExpectedSize()

    @model_validator(mode="after")
    def _name_and_axes(self) -> Recipe:
        # The name becomes a folder, the axes become names of arrays next to others.
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", self.name):
            raise ValueError(f"name {self.name!r} becomes a folder: expected letters, digits, _ - and .")
        if (
            not 1 <= len(self.axes) <= 3
            or len(set(self.axes)) != len(self.axes)
            or not TAKEN.isdisjoint(self.axes)
        ):
            raise ValueError(
                f"axes {list(self.axes)}: expected 1 to 3, each once, and none of {sorted(TAKEN)}"
            )
        return self

    @model_validator(mode="after")
    def _tables_speak_of_the_axes(self) -> Recipe:
        # A table for an axis that does not exist would be ignored silently.
        corrected = set(self.correction.boundaries if self.correction else ())
        tables = (
            ("correction", corrected),
            ("boundaries", self.boundaries),
            ("coordinates", self.coordinates),
            ("domain", self.domain),
            ("crop", self.crop),
            ("faces", set(chain.from_iterable(each.faces for each in self.fields))),
        )
        for word, named in tables:
            unknown = set(named) - set(self.axes)
            if unknown:
                raise ValueError(
                    f"{word} of axis {', '.join(sorted(unknown))}; expected one of the axes {list(self.axes)}"
                )
        require_periodic_on_both_sides(self.boundaries)
        twice = corrected & set(self.boundaries)
        if twice:
            raise ValueError(
                f"boundaries of {', '.join(sorted(twice))} are both stated and corrected; state them once"
            )
        for axis, (lower, upper) in self.domain.items():
            if not lower < upper:
                raise ValueError(f"domain of {axis}, {lower:g} to {upper:g}: expected the lower end first")
        return self

    @model_validator(mode="after")
    def _files_are_below_the_folder(self) -> Recipe:
        named = (*(each.files for each in self.exclude), *(each.files for each in self.held_out))
        for pattern in (self.files, *named):
            path = PurePosixPath(pattern)
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(
                    f"files {pattern!r}: expected a pattern below the given folder, without / and .."
                )
        return self

    @model_validator(mode="after")
    def _named_parts_are_known(self) -> Recipe:
        # Only the source `arrays` joins files; the only named part of an array's path is {step}.
        if names_parts(self.files) and self.source != "arrays":
            raise ValueError(
                f"files {self.files!r}: source {self.source} takes no named parts; write * instead"
            )
        parts = {STEP, SPLIT_PART} if self.split_names else {STEP}
        for name in self.stored_names:
            if set(NamePattern(name).parts) - parts:
                raise ValueError(f"stored {name!r}: expected no named part but {{step}}")
        fault = split_names_fault(self.split_names, self.stored_names, bool(names_parts(self.files)))
        if fault:
            raise ValueError(fault)
        if (self.tiles is not None) != (TILE in NamePattern(self.files).parts):
            raise ValueError("tiles: expected both {tile} in files and a table [tiles]; one is missing")
        named = set(NamePattern(self.files).parts) - set(OF_ONE_RUN) | (parts - {STEP})
        if self.time is not None and self.time.place and self.source != "arrays":
            raise ValueError(f"step {self.time.place!r}: source {self.source} reads no place; write a number")
        for name, place in self.places.items():
            unknown = set(NamePattern(place).parts) - named
            # Re{Re} is the number in the names of groups.
            in_groups = "#" not in place and not is_part(place) and unknown.isdisjoint(OF_ONE_RUN)
            if unknown and not (in_groups and len(unknown) == 1):
                raise ValueError(f"scalar {name} = {place!r}: expected a part of files that names a run")
        return self

    @model_validator(mode="after")
    def _layouts_name_the_axes(self) -> Recipe:
        layouts = [("layout", self.layout, False)]
        layouts += [(f"layout of field {each.name}", each.layout, each.constant) for each in self.fields]
        layouts += [("layout of mask", self.mask.layout, True)] if self.mask else []
        fault = layouts_fault(layouts, self.axes, blocks=self.blocks is not None)
        if fault:
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _fields_fit_the_axes(self) -> Recipe:
        # A vector has one component per axis, a tensor one per pair of axes; their stored names are one per
        # component, or one for all.
        if not self.variable:
            raise ValueError("no field changes in time; a recipe needs at least one that is not constant")
        for each in self.fields:
            allowed = sorted({1, len(self.axes) ** each.rank})
            if len(each.stored_names) not in allowed:
                expected = " or ".join(map(str, allowed))
                raise ValueError(
                    f"field {each.name} has {len(each.stored)} stored names; expected {expected}"
                )
        channels: list[str] = []
        for each in self.fields:
            channels += each.spec.components(self.axes)
        twice = sorted(name for name, count in Counter(channels).items() if count > 1)
        if twice:
            raise ValueError(f"two fields give the same channel name: {', '.join(twice)}")
        return self

    def corrected(self, axis: str) -> Sides | None:
        """The corrected sides of an axis; None if the files are right."""
        return self.correction.sides(axis) if self.correction else None

    def sides(self, axis: str) -> Sides | None:
        """The sides of an axis that the recipe corrects or states; None if it does neither."""
        return self.corrected(axis) or sides_of(self.boundaries, axis)

    def is_periodic(self, axis: str) -> bool:
        """Whether the recipe says that an axis is periodic, which it then is on both sides."""
        sides = self.sides(axis)
        return sides is not None and Boundary.PERIODIC in sides

    def excluded(self, path: Path) -> str | None:
        """The reason why this file is left out; None if it is not."""
        return next((each.reason for each in self.exclude if path.match(each.files)), None)

    def held_out_for(self, path: Path, scalars: dict[str, float]) -> tuple[Split, ...]:
        """The splits for which a trajectory of this file is held out; empty if it is not."""
        return held_out_for(self.held_out, path, scalars)

    @property
    def shares(self) -> SplitRule:
        """The rule for the trajectories whose split is stated by neither [[held_out]] nor their folder."""
        return self.split or (SplitRule(1, 0, 0) if self.held_out else SplitRule())

    @property
    def split_words(self) -> tuple[str, ...]:
        """The rules that decide the splits, in words."""
        others = "the others" if self.held_out else "all"
        where = "arrays" if self.split_names else "folder"
        return (*map(str, self.held_out), f"{others}: by their {where}, otherwise {self.shares} in order")

    @property
    def units(self) -> dict[str, str]:
        """The units of the time and the axes, if they are stated."""
        said = {"time": self.time.unit if self.time else ""}
        said |= {axis: rule.unit for axis, rule in self.coordinates.items()}
        return {name: unit for name, unit in said.items() if unit}

    @property
    def places(self) -> dict[str, str]:
        """The places of all numbers that a run has of its own: parameters, and its time step."""
        step = self.time.place if self.time else ""
        return self.scalars | ({"step of [time]": step} if step else {})

    @property
    def stored_names(self) -> tuple[str, ...]:
        """The names of the arrays of all fields in the source, in order."""
        return tuple(chain.from_iterable(each.stored_names for each in self.fields))

    @property
    def variable(self) -> tuple[RecipeField, ...]:
        return tuple(each for each in self.fields if not each.constant)

    @property
    def constant(self) -> tuple[RecipeField, ...]:
        return tuple(each for each in self.fields if each.constant)
