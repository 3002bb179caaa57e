"""A micro-batch as torch tensors: windows of one task, with all that the network and the loss need.

Axes: B batch, T time, C channel, H W D space. Data of one or two dimensions get further axes of size 1;
vectors and tensors get their missing components as zero channels, marked in `padded_C`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

import torch

from shards.schema import Boundary, FieldSpec, Grid, Schema, Sides


@dataclass(frozen=True)
class FieldSlice:
    """The channels of one field in a batch: `start` .. `start + 3**rank` (or 1 where not embedded)."""

    name: str
    rank: int
    start: int
    stop: int


@dataclass(frozen=True)
class Batch:
    """Windows of one task in stored units (physical value = stored value x `scale_C`, or `static_scale_C`).

    `fields_BTCHWD` holds the variable channels, `static_BCHWD` the constant ones (C may be 0), `cells_BHWD`
    the per-cell boundary bits (uint8, shards.schema.Cell), `boundaries` (lower, upper) for H, W and D, shared
    by all samples. `channels` and `static_channels` name the C axes, `layout` and `static_layout` say which
    of them form a vector or a tensor. `padded_C` is True for channels that exist only because 2D vectors are
    in 3D.
    """

    task: str
    fields_BTCHWD: torch.Tensor
    static_BCHWD: torch.Tensor
    cells_BHWD: torch.Tensor
    boundaries: tuple[Sides, Sides, Sides]
    channels: tuple[str, ...]
    static_channels: tuple[str, ...]
    layout: tuple[FieldSlice, ...]
    static_layout: tuple[FieldSlice, ...]
    padded_C: torch.Tensor
    scale_C: torch.Tensor
    static_scale_C: torch.Tensor

    @property
    def windows(self) -> int:
        return self.fields_BTCHWD.shape[0]

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device; the host does not wait for the copies."""
        return self._each(lambda value: value.to(device, non_blocking=True))

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """All its tensors by the names of their fields."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}

    def pin_memory(self) -> Batch:
        """A copy in memory that a copy onto a GPU need not wait for."""
        return self._each(lambda value: value.pin_memory())

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        changed: dict[str, Any] = {name: change(value) for name, value in self.tensors.items()}
        return replace(self, **changed)

    def record_stream(self, stream: torch.cuda.Stream) -> None:
        """Keeps its memory on the GPU until what is queued on this stream is done."""
        for value in self.tensors.values():
            value.record_stream(stream)

    @property
    def dimensions(self) -> int:
        """How many of the three axes are real."""
        return sum(size > 1 for size in self.fields_BTCHWD.shape[3:])


SPACE_AXES = ("x", "y", "z")


@dataclass(frozen=True)
class Embedding:
    """The channels of a batch: `sources` holds the number of each on disk, None where it only pads."""

    channels: tuple[str, ...]
    layout: tuple[FieldSlice, ...]
    sources: tuple[int | None, ...]

    @classmethod
    def of(cls, fields: Iterable[FieldSpec], grid: Grid) -> Embedding:
        """Vectors and tensors of a cartesian grid get all three axes; others keep their components.

        >>> from shards.schema import FieldSpec, Grid
        >>> grid = Grid(axes=("x", "y"), coordinates=((0.0, 1.0, 2.0), (0.0, 1.0)))
        >>> embedding = Embedding.of([FieldSpec("pressure", 0), FieldSpec("velocity", 1)], grid)
        >>> embedding.channels
        ('pressure', 'velocity_x', 'velocity_y', 'velocity_z')
        >>> embedding.sources, embedding.runs
        ((0, 1, 2, None), (slice(0, 3, None),))
        """
        axes = _axes_of_space(grid)
        channels: list[str] = []
        sources: list[int | None] = []
        layout = []
        stored = 0
        for field in fields:
            start = len(channels)
            on_disk = set(product(grid.axes, repeat=field.rank))
            for name, part in zip(field.components(axes), product(axes, repeat=field.rank), strict=True):
                channels.append(name)
                sources.append(stored if part in on_disk else None)
                stored += part in on_disk
            layout.append(FieldSlice(field.name, field.rank, start, len(channels)))
        return cls(tuple(channels), tuple(layout), tuple(sources))

    def scale(self, stored: tuple[float, ...], device: torch.device) -> torch.Tensor:
        """The physical size of a stored 1 of each channel; 1 where it only pads."""
        return torch.tensor(
            [1.0 if source is None else stored[source] for source in self.sources], device=device
        )

    @property
    def runs(self) -> tuple[slice, ...]:
        """Runs of channels of the batch that take the channels on disk in order.

        What is between only pads.
        """
        real = [channel for channel, source in enumerate(self.sources) if source is not None]
        starts = [channel for channel in real if channel - 1 not in real]
        ends = [channel + 1 for channel in real if channel + 1 not in real]
        return tuple(slice(start, end) for start, end in zip(starts, ends, strict=True))

    @property
    def pads(self) -> tuple[int, ...]:
        """The channels of the batch that only pad."""
        return tuple(channel for channel, source in enumerate(self.sources) if source is None)


def channels_of(schema: Schema) -> tuple[str, ...]:
    """The names of all channels in a batch of such data: variable, then constant ones, padding included."""
    variable = Embedding.of(schema.variable_fields, schema.grid)
    constant = Embedding.of(schema.constant_fields, schema.grid)
    return (*variable.channels, *constant.channels)


def _axes_of_space(grid: Grid) -> tuple[str, ...]:
    if grid.kind != "cartesian":
        return grid.axes
    missing = [axis for axis in SPACE_AXES if axis not in grid.axes]
    return (*grid.axes, *missing[: 3 - len(grid.axes)])


def embed(
    task: str,
    schema: Schema,
    scale: tuple[float, ...],
    static_scale: tuple[float, ...],
    fields_BTCS: torch.Tensor,
    static_BCS: torch.Tensor,
    cells_BS: torch.Tensor,
) -> Batch:
    """The batch of windows whose channels are in order: missing axes are appended as size 1 and periodic.

    Shares the memory of its arguments. Source: arXiv 2511.15684, section 4.1.
    """
    variable = Embedding.of(schema.variable_fields, schema.grid)
    constant = Embedding.of(schema.constant_fields, schema.grid)
    thin = (1,) * (3 - len(schema.grid.axes))
    sides = schema.boundaries + ((Boundary.PERIODIC, Boundary.PERIODIC),) * len(thin)
    return Batch(
        task=task,
        fields_BTCHWD=fields_BTCS.view(*fields_BTCS.shape, *thin),
        static_BCHWD=static_BCS.view(*static_BCS.shape, *thin),
        cells_BHWD=cells_BS.view(*cells_BS.shape, *thin),
        boundaries=(sides[0], sides[1], sides[2]),
        channels=variable.channels,
        static_channels=constant.channels,
        layout=variable.layout,
        static_layout=constant.layout,
        padded_C=torch.tensor([source is None for source in variable.sources], device=fields_BTCS.device),
        scale_C=variable.scale(scale, fields_BTCS.device),
        static_scale_C=constant.scale(static_scale, fields_BTCS.device),
    )
