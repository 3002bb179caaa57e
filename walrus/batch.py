"""The torch twin of a micro-batch of windows: one task, everything the network and the loss need.

Axes: B batch, T time, C channel, H W D space. Data of one or two dimensions lie in three, with axes of size 1
behind; vectors and tensors then have their missing components as zero channels, marked in `padded_C`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from shards.spec import Sides


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

    @property
    def dimensions(self) -> int:
        """How many of the three axes are real."""
        return sum(size > 1 for size in self.fields_BTCHWD.shape[3:])
