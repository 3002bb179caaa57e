"""Rotary position embedding: the position of a token rotates pairs of channels of its query and key.

A quarter of the channels of each head is rotated by the position along H, the next quarter by that along W,
the third by that along D; the last quarter is not rotated. To roll the tokens of a periodic axis before a
block, only their positions are rolled: no activation is moved.

Axes: S tokens, h w d tokens per axis, n tokens of one axis, R pairs of channels, D head width, 2 cosine and
sine.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from walrus.model.geometry import Axes, Axis
from walrus.model.settings import ModelSettings


def rotate_pairs(x_SD: Tensor, phases_SR2: Tensor) -> Tensor:
    """Multiply each pair of neighbouring channels of [..., S, D], as a complex number, by its phase.

    >>> quarter_turn = torch.tensor([[[0.0, 1.0]]])
    >>> rotate_pairs(torch.tensor([[3.0, 4.0]]), quarter_turn).tolist()
    [[-4.0, 3.0]]
    """
    pairs_SR2 = x_SD.to(phases_SR2.dtype).unflatten(-1, (-1, 2))
    if torch.compiler.is_compiling():
        # The same products and sums, because the compiler has no code for complex numbers.
        cosine_SR, sine_SR = phases_SR2.unbind(-1)
        swapped_SR2 = pairs_SR2.flip(-1) * torch.stack([-sine_SR, sine_SR], -1)
        turned_SR2: Tensor = pairs_SR2 * cosine_SR[..., None] + swapped_SR2
        return turned_SR2.flatten(-2)
    turned_SR = torch.view_as_complex(pairs_SR2) * torch.view_as_complex(phases_SR2)
    return torch.view_as_real(turned_SR).flatten(-2)


class Rotary(nn.Module, ABC):
    """Computes the phases for all tokens of a grid; each subclass defines the angles along an axis."""

    def __init__(self, head_width: int) -> None:
        super().__init__()
        self.head_width = head_width
        self.pairs = head_width // 4 // 2

    @abstractmethod
    def angles(self, axis: Axis, number: int, like: Tensor) -> Tensor:
        """[n, R] the angles along axis `number` (0, 1, 2 for H, W, D), in the precision of `like`."""

    def forward(self, axes: Axes, rolled_3: Tensor, like: Tensor) -> Tensor:
        """[S, R, 2] cosine and sine, for tokens that were rolled by `rolled_3` positions along each axis."""
        precision = like.new_empty((), dtype=torch.promote_types(like.dtype, torch.float32))
        grid = [axis.tokens for axis in axes]
        spread = []
        for number, axis in enumerate(axes):
            shape = [1, 1, 1, self.pairs]
            shape[number] = axis.tokens
            position_n = (torch.arange(axis.tokens, device=like.device) + rolled_3[number]) % axis.tokens
            angles_nR = self.angles(axis, number, precision)[position_n]
            spread.append(angles_nR.view(shape).expand(*grid, self.pairs))
        angles_SR = torch.cat(spread, -1).flatten(0, 2)
        angles_SR = functional.pad(angles_SR, (0, self.head_width // 2 - angles_SR.shape[-1]))
        return torch.view_as_real(torch.polar(torch.ones_like(angles_SR), angles_SR))


class PublishedRotary(Rotary):
    """Fixed frequencies from pi to 128 pi, for positions from -1 to 1; the same on every axis."""

    def angles(self, axis: Axis, number: int, like: Tensor) -> Tensor:
        return _positions(axis, like)[:, None] * published_frequencies(self.pairs, like.device).to(like.dtype)


class LearnedRotary(Rotary):
    """Learned frequencies for each axis, which start as the published ones (as in the fine-tuned release)."""

    def __init__(self, head_width: int) -> None:
        super().__init__(head_width)
        self.frequencies_3R = nn.Parameter(published_frequencies(self.pairs).repeat(3, 1))

    def angles(self, axis: Axis, number: int, like: Tensor) -> Tensor:
        return _positions(axis, like)[:, None] * self.frequencies_3R[number].to(like.dtype)


class HarmonicRotary(Rotary):
    """Whole harmonics of the axis: full turns along a periodic axis, half turns along a bounded one.

    So the angles are exactly periodic, and the same at any resolution. Harmonics that would rotate by more
    than half a turn from token to token are left out; most of the published frequencies do so.
    """

    def angles(self, axis: Axis, number: int, like: Tensor) -> Tensor:
        half_circles = 2 if axis.periodic else 1
        harmonic_R = torch.arange(1, self.pairs + 1, device=like.device)
        step_R = harmonic_R.to(like.dtype) * (math.pi * half_circles * axis.stride / axis.size)
        step_R = torch.where(harmonic_R * half_circles * axis.stride <= axis.size, step_R, 0)
        return torch.arange(axis.tokens, device=like.device, dtype=like.dtype)[:, None] * step_R


def published_frequencies(pairs: int, device: torch.device | None = None) -> Tensor:
    """[R] from pi to 128 pi, evenly spaced, in single precision as in the release.

    >>> (published_frequencies(3) / math.pi).tolist()
    [1.0, 64.5, 128.0]
    """
    return math.pi * torch.linspace(1, 128, pairs, dtype=torch.float32, device=device)


def _positions(axis: Axis, like: Tensor) -> Tensor:
    """[n] the positions of the tokens of an axis, from -1 to 1."""
    return torch.linspace(-1, 1, axis.tokens, device=like.device, dtype=like.dtype)


ROTARIES: dict[str, type[Rotary]] = {
    "published": PublishedRotary,
    "learned": LearnedRotary,
    "harmonic": HarmonicRotary,
}


def build_rotary(settings: ModelSettings) -> Rotary:
    """The rotary embedding that the settings name."""
    return ROTARIES[settings.rotary](settings.head_width)
