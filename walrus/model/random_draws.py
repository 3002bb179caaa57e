"""Draw all random values of a forward pass before it starts: patch jitter and stochastic depth.

The pass itself is then deterministic, and can be recomputed or repeated.

Axes: K blocks, T time, B batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from shards.errors import MismatchError
from walrus.device import on_device_of
from walrus.model.geometry import Axes, Axis, Boundaries, Patching, plan_axes
from walrus.model.settings import ModelSettings

# Cells or tokens along H, W and D.
Shift = tuple[int, int, int]


@dataclass(frozen=True)
class PatchJitter:
    """The patch jitter of one pass.

    `cells` shifts the grid under the tokens, `tokens[k]` rolls the tokens of periodic axes before block k.
    Source: arXiv 2511.15684, section 3.2 and algorithm 1.
    """

    cells: Shift
    tokens: tuple[Shift, ...]

    def check(self, axes: Axes) -> None:
        """Raises MismatchError if the grid has no room for the shift, which was drawn for another grid."""
        for axis, shift in zip(axes, self.cells, strict=True):
            if abs(shift) > (axis.size if axis.periodic else axis.pad[0]):
                raise MismatchError(
                    f"model: a shift of {shift} cells on an axis of {axis.size} padded by {axis.pad[0]}; "
                    "draw the shifts for this shape and these boundaries"
                )


def draw_shifts(
    settings: ModelSettings,
    shape: tuple[int, int, int],
    boundaries: Boundaries,
    generator: torch.Generator,
    patching: Patching | None = None,
) -> PatchJitter:
    """Draw the patch jitter for a grid of this shape (H, W, D) and these strides.

    Bounded axes are shifted within their padding, periodic ones by up to half the period. The generator must
    be on the CPU.
    """
    axes = plan_axes(settings, shape, boundaries, jitter=True, patching=patching)
    cells = _triple([_symmetric(_reach(axis), generator) for axis in axes])
    tokens = tuple(_draw_rolls(axes, generator) for _ in range(settings.blocks))
    return PatchJitter(cells, tokens)


def _draw_rolls(axes: Axes, generator: torch.Generator) -> Shift:
    return _triple([_below(axis.tokens if axis.periodic else 1, generator) for axis in axes])


def _reach(axis: Axis) -> int:
    """The largest shift of an axis, in cells."""
    return max(0, axis.size // 2 - 1) if axis.periodic else max(0, axis.pad[0] - 1)


def _symmetric(reach: int, generator: torch.Generator) -> int:
    """A whole number from -reach to reach."""
    return _below(2 * reach + 1, generator) - reach


def _below(bound: int, generator: torch.Generator) -> int:
    """A whole number from 0 to bound - 1; where there is only one, nothing is drawn."""
    return int(torch.randint(bound, (), generator=generator)) if bound > 1 else 0


def _triple(values: list[int]) -> Shift:
    height, width, depth = values
    return height, width, depth


@dataclass(frozen=True)
class StochasticDepth:
    """Stochastic depth of one pass: the factor of each residual branch.

    It is 0 for a branch that is dropped, otherwise 1 / (probability to be kept). The time branch of a block
    is dropped per window, the space branch per frame.
    """

    time_KB: Tensor
    space_KTB: Tensor

    def to(self, like: Tensor) -> StochasticDepth:
        """The same draw on the device and in the precision of `like`."""
        return StochasticDepth(
            on_device_of(self.time_KB, like, like.dtype), on_device_of(self.space_KTB, like, like.dtype)
        )


def draw_paths(
    settings: ModelSettings, frames: int, windows: int, generator: torch.Generator
) -> StochasticDepth:
    """Draw the stochastic depth for so many frames and windows.

    The probability of dropping a branch rises linearly from 0 in the first block to `drop_path` in the last.
    """
    keep_K = 1 - torch.linspace(0, settings.drop_path, settings.blocks)
    time_KB = torch.rand(settings.blocks, windows, generator=generator)
    space_KTB = torch.rand(settings.blocks, frames, windows, generator=generator)
    return StochasticDepth(
        (time_KB < keep_K[:, None]) / keep_K[:, None],
        (space_KTB < keep_K[:, None, None]) / keep_K[:, None, None],
    )
