"""Describes data: field, grid, boundary, schema, trajectory.

Axes: T time, C channel, S space (as many axes as the grid has). All classes are frozen, and checked when
made.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from enum import IntEnum, IntFlag
from itertools import chain, product
from typing import Annotated, Literal, TypeVar, cast, dataclass_transform

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass as pydantic_dataclass

STRICT = ConfigDict(extra="forbid", ser_json_inf_nan="constants")
T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, Field))
def checked(kind: type[T]) -> type[T]:
    """Makes a frozen dataclass that checks its values: types, bounds, and no unknown name.

    It is used for everything that comes from a file or a command line; `@dataclass` is always the standard
    one.

    >>> @checked
    ... class Spacing:
    ...     metres: Positive
    >>> Spacing(metres=-1.0)
    Traceback (most recent call last):
    ...
    pydantic_core._pydantic_core.ValidationError: 1 validation error for Spacing
    metres
      Input should be greater than 0 [type=greater_than, input_value=-1.0, input_type=float]
    ...
    """
    return cast(type[T], pydantic_dataclass(kind, frozen=True, config=STRICT))


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, Field))
def excerpt(kind: type[T]) -> type[T]:
    """The same for the part that we need of a document written by others: ignores unknown names."""
    return cast(type[T], pydantic_dataclass(kind, frozen=True))


AtLeastOne = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
# The number of input frames of a model; a change between frames needs two.
History = Annotated[int, Field(ge=2)]

# Names that become part of a path: no slash, no leading dot; a key has no dot at all.
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
AxisName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
# Arrays and dimensions of every zarr group; an axis of space needs another name.
TAKEN = {"time", "channel", "static_channel", "fields", "static", "boundary"}

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
_CALLED: dict[str, Split] = {
    **dict.fromkeys(("train", "training", "trn", "trainset"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "validate", "vali"), "valid"),
    **dict.fromkeys(("test", "testing", "tests", "tst", "testset", "holdout"), "test"),
}
DType = Literal["float32", "float64"]
GridKind = Literal["cartesian", "equiangular", "spherical", "log-spherical"]
Frames = npt.NDArray[np.floating]
Mask = npt.NDArray[np.uint8]


def split_called(name: str) -> Split | None:
    """The split that a folder or a group with this name holds; None for other names.

    >>> split_called("val"), split_called("Training"), split_called("run_1")
    ('valid', 'train', None)
    """
    return _CALLED.get(name.lower())


class Boundary(IntEnum):
    """The boundary at one side of one axis; the codes are those that The Well publishes."""

    WALL = 0
    OPEN = 1
    PERIODIC = 2


class Cell(IntFlag):
    """Bits of the boundary mask (uint8) of a cell; a corner may have several."""

    WALL = 1
    OPEN = 2
    PERIODIC = 4
    OBSTACLE = 8


Sides = tuple[Boundary, Boundary]


@checked
class FieldSpec:
    """A physical field: a scalar (rank 0), a vector (1) or a tensor (2), with one channel per component."""

    name: str
    rank: Literal[0, 1, 2] = 0
    constant: bool = False
    unit: str = ""

    def components(self, axes: tuple[str, ...]) -> tuple[str, ...]:
        """The names of its channels; those of a tensor row by row.

        >>> FieldSpec("velocity", rank=1).components(("x", "y"))
        ('velocity_x', 'velocity_y')
        """
        if self.rank == 0:
            return (self.name,)
        return tuple(f"{self.name}_{''.join(part)}" for part in product(axes, repeat=self.rank))


def cell_widths(centres: tuple[float, ...], domain: tuple[float, float] | None = None) -> tuple[float, ...]:
    """The width of each cell of an axis [L], in the unit of its centres [L].

    If centres are evenly spaced, to the precision of float32, all cells are equal. Otherwise a cell ends
    halfway between two centres, and an outermost cell is symmetric about its centre. A single cell has width
    1. If the `domain` (lower and upper end) is given, cells are cut there
    (docs/decisions/0012-cell-widths.md).

    >>> cell_widths((0.0, 1.0, 3.0))
    (1.0, 1.5, 2.0)
    """
    if len(centres) < 2:
        return (1.0,) * len(centres)

    order = np.argsort(centres)
    ascending = np.array(centres)[order]
    steps = np.diff(ascending)
    rounding = 4 * np.finfo(np.float32).eps * np.abs(ascending).max()
    even = np.ptp(steps) <= rounding
    steps = np.full(steps.shape, (ascending[-1] - ascending[0]) / len(steps)) if even else steps
    below, above = np.append(steps[0], steps) / 2, np.append(steps, steps[-1]) / 2
    if domain is not None:
        to_lower, to_upper = ascending[0] - domain[0], domain[1] - ascending[-1]
        # Even cells may end outside by the precision of their centres.
        below[0] = to_lower if to_lower < below[0] - rounding else below[0]
        above[-1] = to_upper if to_upper < above[-1] - rounding else above[-1]

    widths = np.empty(len(centres))
    widths[order] = below + above
    return tuple(widths.tolist())


@checked
class Grid:
    """Name, cell centres and cell widths of each axis, in the unit of the source.

    On a curvilinear grid they are in its own coordinates: angles in radians, logarithms of radii.
    """

    axes: tuple[AxisName, ...]
    coordinates: tuple[tuple[float, ...], ...]
    kind: GridKind = "cartesian"
    widths: tuple[tuple[float, ...], ...] = Field(
        default_factory=lambda given: tuple(map(cell_widths, given["coordinates"]))
    )

    @model_validator(mode="after")
    def _lists_fit_the_axes(self) -> Grid:
        if len(self.axes) != len(self.coordinates) or not 1 <= len(self.axes) <= 3:
            raise ValueError(
                f"{len(self.axes)} axes and {len(self.coordinates)} coordinate lists; expected 1 to 3 of each"
            )
        if [len(each) for each in self.widths] != [len(each) for each in self.coordinates]:
            raise ValueError("expected one width per cell")
        if len(set(self.axes)) != len(self.axes) or not TAKEN.isdisjoint(self.axes):
            raise ValueError(f"axes {list(self.axes)}: expected each once, and none of {sorted(TAKEN)}")
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(values) for values in self.coordinates)


@checked
class Schema:
    """Fields, grid, boundaries and type of all trajectories of a dataset.

    `boundaries` holds (lower, upper) for each axis. `units` holds the known units of the axes and of `time`,
    as text (docs/decisions/0064-units-in-the-recipe.md).
    """

    fields: tuple[FieldSpec, ...]
    grid: Grid
    boundaries: tuple[Sides, ...]
    dtype: DType = "float32"
    units: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Schema:
        """Raises ValueError if boundaries or units do not fit the axes, or if two channels share a name."""
        if len(self.boundaries) != len(self.grid.axes):
            raise ValueError(f"{len(self.boundaries)} pairs of boundaries for {len(self.grid.axes)} axes")

        for axis, sides in zip(self.grid.axes, self.boundaries, strict=True):
            if (Boundary.PERIODIC in sides) and sides[0] != sides[1]:
                raise ValueError(f"axis {axis} is periodic on one side only")

        unknown = set(self.units) - {"time", *self.grid.axes}
        if unknown:
            raise ValueError(f"units of {sorted(unknown)}; expected time and the axes {list(self.grid.axes)}")

        names = self.channels + self.static_channels
        if len(set(names)) != len(names):
            raise ValueError(f"two fields give the same channel name: {sorted(names)}")
        if not self.channels:
            raise ValueError("no field changes in time")
        return self

    @property
    def channels(self) -> tuple[str, ...]:
        """The names along the axis C of a frame: all components of all variable fields."""
        return self._channels(self.variable_fields)

    @property
    def static_channels(self) -> tuple[str, ...]:
        """The names along the axis C of the static array: all components of all constant fields."""
        return self._channels(self.constant_fields)

    @property
    def variable_fields(self) -> tuple[FieldSpec, ...]:
        return tuple(field for field in self.fields if not field.constant)

    @property
    def constant_fields(self) -> tuple[FieldSpec, ...]:
        return tuple(field for field in self.fields if field.constant)

    def labelled(self, name: str) -> str:
        """The name of an axis, or `time`, with its unit if that is known.

        >>> sides = ((Boundary.WALL, Boundary.WALL),)
        >>> schema = Schema((FieldSpec("u"),), Grid(("x",), ((0.5, 1.5),)), sides, units={"x": "m"})
        >>> schema.labelled("x"), schema.labelled("time")
        ('x [m]', 'time')
        """
        return f"{name} [{self.units[name]}]" if self.units.get(name) else name

    def per_channel(self, values: Mapping[str, T], *, constant: bool = False) -> tuple[T, ...]:
        """The value of its field for each variable channel, or for each constant channel.

        >>> sides = ((Boundary.WALL, Boundary.WALL), (Boundary.WALL, Boundary.WALL))
        >>> fields = (FieldSpec("velocity", rank=1), FieldSpec("pressure"))
        >>> schema = Schema(fields, Grid(("x", "y"), ((0.5,), (0.5,))), sides)
        >>> schema.per_channel({"velocity": 3, "pressure": -1})
        (3, 3, -1)
        """
        fields = self.constant_fields if constant else self.variable_fields
        result: list[T] = []
        for field in fields:
            result += [values[field.name]] * len(field.components(self.grid.axes))
        return tuple(result)

    def _channels(self, fields: tuple[FieldSpec, ...]) -> tuple[str, ...]:
        return tuple(chain.from_iterable(field.components(self.grid.axes) for field in fields))

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """The shape [C, *S] of one frame, the unit of storage."""
        return (len(self.channels), *self.grid.shape)

    @property
    def static_shape(self) -> tuple[int, ...]:
        return (len(self.static_channels), *self.grid.shape)

    @property
    def frame_bytes(self) -> int:
        return int(np.prod(self.frame_shape)) * np.dtype(self.dtype).itemsize


@checked
class Origin:
    """Where a trajectory comes from: a file (path below the source root) and a row in the file."""

    file: str
    row: int


@checked
class Trajectory:
    """One simulation: its key, its times [T] and its parameters; its arrays are in the shards."""

    key: Key
    split: Split
    origin: Origin
    time: tuple[float, ...]
    scalars: dict[str, float]

    @property
    def frames(self) -> int:
        return len(self.time)


def trajectory_key(stem: str, row: int) -> str:
    """A name that is safe in a path, a tar and a URL: no dot (webdataset cuts names there), no slash.

    >>> trajectory_key("Re=100 (run.1)", 7)
    'Re-100-run-1-00007'
    """
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '-', stem).strip('-') or 'file'}-{row:05d}"


def side_mask(shape: tuple[int, ...], boundaries: tuple[Sides, ...]) -> Mask:
    """The boundary bits [*S] of a box with uniform sides: only the outermost cells have a bit.

    >>> side_mask((2, 3), ((Boundary.WALL, Boundary.OPEN), (Boundary.PERIODIC, Boundary.PERIODIC))).tolist()
    [[5, 1, 5], [6, 2, 6]]
    """
    bit = {Boundary.WALL: Cell.WALL, Boundary.OPEN: Cell.OPEN, Boundary.PERIODIC: Cell.PERIODIC}
    mask = np.zeros(shape, np.uint8)
    for axis, sides in enumerate(boundaries):
        along = np.moveaxis(mask, axis, 0)
        along[0] |= np.uint8(bit[sides[0]])
        along[-1] |= np.uint8(bit[sides[1]])
    return mask
