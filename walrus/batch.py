"""A micro-batch as torch tensors: windows of one task, with all that the network and the loss need.

The network takes three axes of space. Data of one or two dimensions get more axes, of size 1. Their vectors
and tensors get the missing components as channels of zeros, which `padded_C` marks.

Axes: B batch, T time, C channel, H W D space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

import torch

from shards.schema import Boundary, Cell, FieldSpec, Grid, Schema, Sides


@dataclass(frozen=True)
class FieldSlice:
    """A field in a batch: its channels are `start` to `stop` - 1.

    A vector (rank 1) has one channel per axis of space, a tensor (rank 2) one per pair of axes.
    """

    name: str
    rank: int
    start: int
    stop: int


@dataclass(frozen=True)
class Batch:
    """Windows of one task, float32 in stored units.

    A physical value is the stored one times `scale_C`; for constant channels, times `static_scale_C`.

    - `fields_BTCHWD`: the variable channels, with names in `channels`; `layout` says which form a vector.
    - `static_BCHWD`: the constant channels (C may be 0), with `static_channels` and `static_layout`.
    - `cells_BHWD`: the boundary bits of each cell (uint8, shards.schema.Cell).
    - `boundaries`: (lower, upper) of H, W and D, the same for all windows.
    - `padded_C`: True for the variable channels that are padding, the third component of a 2D vector.
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
        """Number of windows."""
        return self.fields_BTCHWD.shape[0]

    @property
    def solid(self) -> torch.Tensor:
        """[B, H, W, D] whether each cell is inside an obstacle."""
        return (self.cells_BHWD & int(Cell.OBSTACLE)) != 0

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device; the host does not wait for the copies."""
        return self._with_tensors(lambda value: value.to(device, non_blocking=True))

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """All tensors of the batch, by attribute."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}

    def pin_memory(self) -> Batch:
        """A copy in pinned memory, from which a GPU copies while the host continues."""
        return self._with_tensors(lambda value: value.pin_memory())

    def _with_tensors(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        changed: dict[str, Any] = {name: change(value) for name, value in self.tensors.items()}
        return replace(self, **changed)

    def record_stream(self, stream: torch.cuda.Stream) -> None:
        """Keeps the memory of the batch on the GPU until this stream has done all that is queued now."""
        for value in self.tensors.values():
            value.record_stream(stream)

    @property
    def dimensions(self) -> int:
        """Number of axes of space that have more than one cell."""
        return sum(size > 1 for size in self.fields_BTCHWD.shape[3:])


SPACE_AXES = ("x", "y", "z")


@dataclass(frozen=True)
class BatchChannels:
    """The channels of a batch, and where each is on disk.

    `stored_numbers` gives the number of each channel on disk, None for padding.
    """

    names: tuple[str, ...]
    layout: tuple[FieldSlice, ...]
    stored_numbers: tuple[int | None, ...]

    @classmethod
    def of(cls, fields: Iterable[FieldSpec], grid: Grid) -> BatchChannels:
        """The channels of fields: vectors of a cartesian grid get components for all three axes.

        Those of another grid keep the components that they have.

        >>> from shards.schema import FieldSpec, Grid
        >>> grid = Grid(axes=("x", "y"), coordinates=((0.0, 1.0, 2.0), (0.0, 1.0)))
        >>> channels = BatchChannels.of([FieldSpec("pressure", 0), FieldSpec("velocity", 1)], grid)
        >>> channels.names
        ('pressure', 'velocity_x', 'velocity_y', 'velocity_z')
        >>> channels.stored_numbers, channels.stored_slices
        ((0, 1, 2, None), (slice(0, 3, None),))
        """
        axes = _axes_of_space(grid)
        names: list[str] = []
        stored_numbers: list[int | None] = []
        layout = []
        stored = 0
        for field in fields:
            start = len(names)
            on_disk = set(product(grid.axes, repeat=field.rank))
            for name, part in zip(field.components(axes), product(axes, repeat=field.rank), strict=True):
                names.append(name)
                if part in on_disk:
                    stored_numbers.append(stored)
                    stored += 1
                else:
                    stored_numbers.append(None)
            layout.append(FieldSlice(field.name, field.rank, start, len(names)))
        return cls(tuple(names), tuple(layout), tuple(stored_numbers))

    def scale(self, stored: tuple[float, ...], device: torch.device) -> torch.Tensor:
        """[C] the physical value of a stored 1, from those of the channels on disk; 1 for padding."""
        scales = [1.0 if number is None else stored[number] for number in self.stored_numbers]
        return torch.tensor(scales, device=device)

    @property
    def stored_slices(self) -> tuple[slice, ...]:
        """Where the channels on disk go in the batch, in their order; padding is between these slices."""
        real = [channel for channel, number in enumerate(self.stored_numbers) if number is not None]
        starts = [channel for channel in real if channel - 1 not in real]
        ends = [channel + 1 for channel in real if channel + 1 not in real]
        return tuple(slice(start, end) for start, end in zip(starts, ends, strict=True))

    @property
    def padding(self) -> tuple[int, ...]:
        """The channels of the batch that are padding."""
        return tuple(channel for channel, number in enumerate(self.stored_numbers) if number is None)


def channels_of(schema: Schema) -> tuple[str, ...]:
    """The names of all channels of a batch: the variable ones, then the constant ones, with padding."""
    variable = BatchChannels.of(schema.variable_fields, schema.grid)
    constant = BatchChannels.of(schema.constant_fields, schema.grid)
    return (*variable.names, *constant.names)


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
    """The batch of these arrays, with three axes of space: missing ones are of size 1, and periodic.

    `fields_BTCS` and `static_BCS` have the channels of `BatchChannels`, padding included. `scale` and
    `static_scale` are for the channels on disk: see `Batch`. The batch shares the memory of the arrays.
    Source: arXiv 2511.15684, section 4.1.
    """
    variable = BatchChannels.of(schema.variable_fields, schema.grid)
    constant = BatchChannels.of(schema.constant_fields, schema.grid)
    thin = (1,) * (3 - len(schema.grid.axes))
    sides = schema.boundaries + ((Boundary.PERIODIC, Boundary.PERIODIC),) * len(thin)
    return Batch(
        task=task,
        fields_BTCHWD=fields_BTCS.view(*fields_BTCS.shape, *thin),
        static_BCHWD=static_BCS.view(*static_BCS.shape, *thin),
        cells_BHWD=cells_BS.view(*cells_BS.shape, *thin),
        boundaries=(sides[0], sides[1], sides[2]),
        channels=variable.names,
        static_channels=constant.names,
        layout=variable.layout,
        static_layout=constant.layout,
        padded_C=torch.tensor(
            [number is None for number in variable.stored_numbers], device=fields_BTCS.device
        ),
        scale_C=variable.scale(scale, fields_BTCS.device),
        static_scale_C=constant.scale(static_scale, fields_BTCS.device),
    )
