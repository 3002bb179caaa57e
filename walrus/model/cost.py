"""Count the operations of a training pass over one window, from shapes alone.

A block of width E and feed-forward width M needs this many multiplications for a frame of S tokens, in a
window of T frames:

    linear layers     S (8 E^2 + 3/2 E M)
    space attention   2 S^2 E               quadratic in the tokens of a frame
    time attention    2 S T E               small, because a window has few frames

The encoder and the decoder need one for each pair of a kernel entry and a cell. An operation is a
multiplication or an addition. A forward and a backward pass cost three forward passes; what is recomputed
to save memory costs one more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from shards.schema import Boundary, Schema
from walrus.batch import channels_of
from walrus.model.geometry import Axes, Axis, Stages, first_stages, plan_axes, second_stages
from walrus.model.settings import ModelSettings

# A backward pass costs as much as this many forward passes.
BACKWARD = 2


@dataclass(frozen=True)
class Cost:
    """Tokens of one window, and the operations of its forward pass, by part of the network.

    Sites are the grid points between the two convolutions of the encoder. `stem` is encoder and decoder.
    `recomputed` are the operations that the backward pass does again, to save memory.
    """

    frames: int
    tokens_per_frame: int
    sites_per_frame: int
    linear: float
    space_attention: float
    time_attention: float
    stem: float
    recomputed: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens of all frames of the window."""
        return self.frames * self.tokens_per_frame

    @property
    def blocks(self) -> float:
        """Operations of all blocks in a forward pass."""
        return self.linear + self.space_attention + self.time_attention

    @property
    def forward(self) -> float:
        """Operations of a forward pass."""
        return self.blocks + self.stem

    @property
    def training(self) -> float:
        """Operations of a forward and a backward pass, without those that are recomputed."""
        return (1 + BACKWARD) * self.forward

    @property
    def total(self) -> float:
        """Operations of a forward and a backward pass, with those that are recomputed to save memory."""
        return self.training + self.recomputed


def recomputes(model: ModelSettings) -> bool:
    """Whether the backward pass recomputes activations: those of encoder, decoder and some blocks."""
    return model.checkpoint_every > 0


def recomputed_share(model: ModelSettings) -> float:
    """The share of the blocks that the backward pass recomputes.

    >>> from walrus.model.settings import PRESETS
    >>> recomputed_share(PRESETS["walrus"])
    0.5
    """
    if not recomputes(model):
        return 0.0
    return math.ceil(model.blocks / model.checkpoint_every) / model.blocks


def window_cost(model: ModelSettings, schema: Schema, history: int) -> Cost:
    """The cost of a window of `history` frames, with patch jitter and the strides of the table.

    Raises MismatchError if the grid does not fit the model.
    """
    axes = _axes(model, schema)
    tokens, width = math.prod(axis.tokens for axis in axes), model.hidden
    of_blocks = 2 * model.blocks * history * tokens
    forward = Cost(
        frames=history,
        tokens_per_frame=tokens,
        sites_per_frame=math.prod(axis.first.rows(axis.cells) for axis in axes),
        linear=of_blocks * (8 * width**2 + 1.5 * width * model.mlp),
        space_attention=of_blocks * 2 * tokens * width,
        time_attention=of_blocks * 2 * history * width,
        stem=2 * history * _stem(model, axes, len(channels_of(schema))),
    )
    recomputed = forward.blocks * recomputed_share(model)
    if recomputes(model):
        recomputed += forward.stem
    return replace(forward, recomputed=recomputed)


def cost_of(model: ModelSettings) -> Callable[[Schema, int], Cost]:
    """The function (schema, history) -> cost of a window, for this model: see walrus.reading.plan.CostOf."""
    return partial(window_cost, model)


def _axes(model: ModelSettings, schema: Schema) -> Axes:
    """The three axes of the grid of a dataset."""
    thin = 3 - len(schema.grid.axes)
    shape = schema.grid.shape + (1,) * thin
    sides = schema.boundaries + ((Boundary.PERIODIC, Boundary.PERIODIC),) * thin
    return plan_axes(model, (shape[0], shape[1], shape[2]), (sides[0], sides[1], sides[2]), jitter=True)


def _stem(model: ModelSettings, axes: Axes, channels_in: int) -> int:
    """Multiplications of encoder and decoder on one frame."""
    first, second = first_stages(axes), second_stages(axes)
    rows, tokens = [axis.first.rows(axis.cells) for axis in axes], [axis.tokens for axis in axes]
    near_cells = channels_in * model.inner * math.prod(stage.kernel for stage in first)
    near_tokens = model.inner * model.hidden * math.prod(stage.kernel for stage in second)
    encoder = math.prod(rows) * near_cells + math.prod(tokens) * near_tokens
    decoder = _wrapped([_reaching(axis) for axis in axes], first) * near_cells
    decoder += _wrapped(tokens, second) * near_tokens
    return encoder + decoder


def _reaching(axis: Axis) -> int:
    """Rows between the convolutions that reach a cell of the grid; the decoder skips the others."""
    rows = axis.first.rows(axis.cells)
    if axis.periodic:
        return rows
    return min(rows, math.ceil((axis.size + axis.first.kernel - 1) / axis.first.stride))


def _wrapped(rows: list[int], stages: Stages) -> int:
    """Sites that go into a transposed convolution, with the rows that wrap around a period."""
    return math.prod(count + 2 * stage.unwrap for count, stage in zip(rows, stages, strict=True))
