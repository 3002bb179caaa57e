"""The torch twin of a micro-batch of windows: one task, everything the network and the loss need.

Axes: B batch, T time, C channel, H W D space. Data of one or two dimensions lie in three, with axes of size 1
behind; vectors and tensors then have their missing components as zero channels, marked in `padded_C`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product

import torch

from shards.spec import Boundary, FieldSpec, Grid, Schema, Sides


@dataclass(frozen=True)
class FieldSlice:
    """The channels of one field in a batch: `start` .. `start + 3**rank` (or 1 where not embedded)."""

    name: str
    rank: int
    start: int
    stop: int


@dataclass(frozen=True)
class Batch:
    """Windows of one task in stored units (physical value = stored value x `scale_C`).

    `fields_BTCHWD` holds the variable channels, `static_BCHWD` the constant ones (C may be 0), `cells_BHWD`
    the per-cell boundary bits (uint8, shards.spec.Cell), `boundaries` (lower, upper) for H, W and D, shared
    by all samples. `channels` and `static_channels` name the C axes, `layout` and `static_layout` say which
    of them form a vector or a tensor. `padded_C` is True for channels that exist only because 2D vectors lie
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

    @property
    def windows(self) -> int:
        return self.fields_BTCHWD.shape[0]

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return replace(
            self,
            fields_BTCHWD=self.fields_BTCHWD.to(device, non_blocking=True),
            static_BCHWD=self.static_BCHWD.to(device, non_blocking=True),
            cells_BHWD=self.cells_BHWD.to(device, non_blocking=True),
            padded_C=self.padded_C.to(device),
            scale_C=self.scale_C.to(device),
        )

    @property
    def dimensions(self) -> int:
        """How many of the three axes are real."""
        return sum(size > 1 for size in self.fields_BTCHWD.shape[3:])


SPACE_AXES = ("x", "y", "z")


@dataclass(frozen=True)
class Embedding:
    """Where the channels of a dataset lie in a batch: `sources` is their number on disk, None where they only pad."""

    channels: tuple[str, ...]
    layout: tuple[FieldSlice, ...]
    sources: tuple[int | None, ...]

    @classmethod
    def of(cls, fields: Iterable[FieldSpec], grid: Grid) -> Embedding:
        """Vectors and tensors of a cartesian grid get three components an index; curvilinear ones stay as they are."""
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

    def place(self, values: torch.Tensor, channel_axis: int) -> torch.Tensor:
        """The channels of `values` at their places, zeros between."""
        if None not in self.sources:
            return values
        shape = list(values.shape)
        shape[channel_axis] = len(self.sources)
        result = values.new_zeros(shape)
        places = [place for place, source in enumerate(self.sources) if source is not None]
        return result.index_copy(channel_axis, torch.tensor(places, device=values.device), values)


def _axes_of_space(grid: Grid) -> tuple[str, ...]:
    if grid.kind != "cartesian":
        return grid.axes
    missing = [axis for axis in SPACE_AXES if axis not in grid.axes]
    return (*grid.axes, *missing[: 3 - len(grid.axes)])


def embed(
    task: str,
    schema: Schema,
    scale: tuple[float, ...],
    fields_BTCS: torch.Tensor,
    static_BCS: torch.Tensor,
    cells_BS: torch.Tensor,
) -> Batch:
    """The batch of windows as they lie in the shards: missing axes appended as size 1 and periodic, vectors padded.

    Source: arXiv 2511.15684, section 4.1.
    """
    variable = Embedding.of(schema.variable_fields, schema.grid)
    constant = Embedding.of(schema.constant_fields, schema.grid)
    thin = (1,) * (3 - len(schema.grid.axes))
    sides = schema.boundaries + ((Boundary.PERIODIC, Boundary.PERIODIC),) * len(thin)
    return Batch(
        task=task,
        fields_BTCHWD=variable.place(fields_BTCS, 2).reshape(*_placed(fields_BTCS, 2, variable), *thin),
        static_BCHWD=constant.place(static_BCS, 1).reshape(*_placed(static_BCS, 1, constant), *thin),
        cells_BHWD=cells_BS.reshape(*cells_BS.shape, *thin),
        boundaries=(sides[0], sides[1], sides[2]),
        channels=variable.channels,
        static_channels=constant.channels,
        layout=variable.layout,
        static_layout=constant.layout,
        padded_C=torch.tensor([source is None for source in variable.sources], device=fields_BTCS.device),
        scale_C=torch.tensor([1.0 if s is None else scale[s] for s in variable.sources], device=fields_BTCS.device),
    )


def _placed(values: torch.Tensor, channel_axis: int, embedding: Embedding) -> tuple[int, ...]:
    return (*values.shape[:channel_axis], len(embedding.sources), *values.shape[channel_axis + 1 :])
