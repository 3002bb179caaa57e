"""The same network written plainly, with the same weights: what `bench_model.py` compares with.

One layer per projection, softmax(q k) v, positions turned by cosines and sines, the tokens of periodic
axes rolled before every block, flags repeated for every frame, convolutions of three axes even where one is
flat. Axes: T time, B batch, N = T x B frames, C channel, H W D cells, h w d tokens an axis, S = h x w x d, A
heads, D head width, E width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from walrus.model.block import Block
from walrus.model.decoder import Decoder
from walrus.model.encoder import Encoder
from walrus.model.geometry import Axes, Boundaries, Stages, first_stages, plan_axes, second_stages
from walrus.model.padding import boundary_flags, crop_grid, pad_grid, wrap
from walrus.model.random_draws import PatchJitter
from walrus.model.rotary import published_frequencies
from walrus.model.space_mixing import SpaceMixing
from walrus.model.time_mixing import TimeMixing, lag_buckets
from walrus.model.walrus import Walrus


def norm(x: Tensor, cells: tuple[int, ...], weight: Tensor) -> Tensor:
    return x / torch.sqrt(x.square().mean(cells, keepdim=True) + torch.finfo(x.dtype).eps) * weight


def linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
    layer.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """softmax(q k / sqrt(width) + bias) v over the last two axes."""
    logits = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    return (logits if bias is None else logits + bias).softmax(-1) @ value


class PlainTime(nn.Module):
    def __init__(self, fused: TimeMixing) -> None:
        super().__init__()
        self.fused, self.heads = fused, fused.heads
        projection = fused.query_key_value
        weights = projection.weight.unflatten(0, (self.heads, 3, -1)).unbind(1)
        biases = projection.bias.unflatten(0, (self.heads, 3, -1)).unbind(1)
        self.query, self.key, self.value = (
            linear(weight.flatten(0, 1), bias.flatten()) for weight, bias in zip(weights, biases, strict=True)
        )

    def forward(self, x_TBhwdE: Tensor) -> Tensor:
        y = norm(x_TBhwdE, (2, 3, 4), self.fused.norm.weight)
        query, key, value = (
            layer(y).unflatten(-1, (self.heads, -1)).movedim(0, -2)
            for layer in (self.query, self.key, self.value)
        )
        bias_AQK = self.fused.bias(lag_buckets(len(y), causal=True, device=y.device))
        y = attend(self.fused.query_norm(query), self.fused.key_norm(key), value, bias_AQK)
        return self.fused.out(y.movedim(-2, 0).flatten(-2))


class PlainSpace(nn.Module):
    def __init__(self, fused: SpaceMixing) -> None:
        super().__init__()
        self.fused, self.heads = fused, fused.heads
        weights, biases = fused.fused.weight.split(fused.sections), fused.fused.bias.split(fused.sections)
        self.content, self.gate, self.query, self.key, self.value = map(linear, weights, biases)

    def forward(self, x_TBhwdE: Tensor) -> Tensor:
        grid = x_TBhwdE.shape[2:5]
        y = norm(x_TBhwdE, (2, 3, 4), self.fused.norm.weight)
        query, key, value = (
            layer(y).flatten(2, 4).unflatten(-1, (self.heads, -1)).transpose(2, 3)
            for layer in (self.query, self.key, self.value)
        )
        query = turn(self.fused.query_norm(query), grid)
        y_TBASD = attend(query, turn(self.fused.key_norm(key), grid), value)
        attended = self.fused.attention_out(y_TBASD.transpose(2, 3).reshape(x_TBhwdE.shape))
        return attended + self.fused.mlp_out(self.content(y) * functional.silu(self.gate(y)))


def turn(x_TBASD: Tensor, grid: torch.Size) -> Tensor:
    """Rotary positions from -1 to 1 along each axis."""
    pairs = x_TBASD.shape[-1] // 4 // 2
    places = torch.meshgrid(*[torch.linspace(-1, 1, n, device=x_TBASD.device) for n in grid], indexing="ij")
    frequencies = published_frequencies(pairs, x_TBASD.device)
    angles_SR = torch.cat([place[..., None] * frequencies for place in places], -1).flatten(0, 2)
    cosine, sine = (f(angles_SR).repeat_interleave(2, -1) for f in (torch.cos, torch.sin))
    turned, rest = x_TBASD.split([6 * pairs, x_TBASD.shape[-1] - 6 * pairs], -1)
    swapped = torch.stack([-turned[..., 1::2], turned[..., ::2]], -1).flatten(-2)
    return torch.cat([turned * cosine + swapped * sine, rest], -1)


class PlainBlock(nn.Module):
    def __init__(self, block: Block) -> None:
        super().__init__()
        self.time, self.space = PlainTime(block.time), PlainSpace(block.space)

    def forward(self, x_TBhwdE: Tensor) -> Tensor:
        x_TBhwdE = x_TBhwdE + self.time(x_TBhwdE)
        return x_TBhwdE + self.space(x_TBhwdE)


def encode(encoder: Encoder, x_NCHWD: Tensor, flags_3HWD: Tensor, labels: list[int], axes: Axes) -> Tensor:
    scale = math.sqrt(encoder.fields / len(labels))
    kernel = torch.cat([encoder.first[:, [*labels, 2]] * scale, encoder.first[:, :2]], 1)
    y = torch.cat([x_NCHWD, flags_3HWD.expand(len(x_NCHWD), *flags_3HWD.shape)], 1)
    for kernel_OI, weight, stages in (
        (kernel, encoder.first_norm.weight, first_stages(axes)),
        (encoder.second, encoder.second_norm.weight, second_stages(axes)),
    ):
        for dim, stage in enumerate(stages, start=2):
            y = wrap(y, dim, stage.wrap, stage.wrap)
        flat = flat_axes(stages)
        y = functional.conv3d(y, kernel_OI.sum(flat, True) if flat else kernel_OI, stride=strides_of(stages))
        y = functional.silu(norm(y, (2, 3, 4), weight[:, None, None, None]))
    return y


def decode(decoder: Decoder, y: Tensor, labels: list[int], axes: Axes) -> Tensor:
    y = expand(y, decoder.first, second_stages(axes))
    y = functional.silu(norm(y, (2, 3, 4), decoder.first_norm.weight[:, None, None, None]))
    return (
        expand(y, decoder.second[:, labels], first_stages(axes)) + decoder.bias[labels][:, None, None, None]
    )


def expand(y: Tensor, kernel: Tensor, stages: Stages) -> Tensor:
    for dim, stage in enumerate(stages, start=2):
        y = wrap(y, dim, stage.unwrap, stage.unwrap)
    flat = flat_axes(stages)
    kernel = kernel.mean(flat, True) if flat else kernel
    crops = [stage.crop for stage in stages]
    return functional.conv_transpose3d(y, kernel, stride=strides_of(stages), padding=crops)


def strides_of(stages: Stages) -> list[int]:
    return [stage.stride for stage in stages]


def flat_axes(stages: Stages) -> list[int]:
    return [dim for dim, stage in enumerate(stages, start=2) if stage.kernel == 1]


class Plain(nn.Module):
    """The plain twin of a network; it holds copies of the projections and shares the rest of the weights."""

    def __init__(self, model: Walrus) -> None:
        super().__init__()
        self.model = model
        self.blocks = nn.ModuleList(map(PlainBlock, model.blocks))

    def forward(
        self, x_TBCHWD: Tensor, labels: list[int], boundaries: Boundaries, shifts: PatchJitter
    ) -> Tensor:
        frames, shape = x_TBCHWD.shape[:2], tuple(x_TBCHWD.shape[3:])
        axes = plan_axes(self.model.settings, shape, boundaries, jitter=True)
        stem = "volume" if min(shape) > 1 else "plane"
        placed = pad_grid(x_TBCHWD.flatten(0, 1), axes, shifts.cells)
        flags = boundary_flags(axes, shifts.cells, placed)
        x = encode(self.model.encoders[stem], placed, flags, labels, axes).unflatten(0, frames).movedim(2, -1)
        turned = (0, 0, 0)
        for block, shift in zip(self.blocks, shifts.tokens, strict=True):
            x = block(x.roll(shift, (2, 3, 4)))
            turned = tuple(a + b for a, b in zip(turned, shift, strict=True))
        x = x.roll([-shift for shift in turned], (2, 3, 4)).movedim(-1, 2).flatten(0, 1)
        y = crop_grid(decode(self.model.decoders[stem], x, labels, axes), axes, shifts.cells)
        return y.unflatten(0, frames)
