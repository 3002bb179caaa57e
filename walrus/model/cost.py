"""Count the operations of a training pass over one window, from shapes alone.

A frame of S tokens takes, in each of the K blocks of width E and feed-forward width M, this many
multiplications:

    linear layers     S (8 E^2 + 3/2 E M)
    space attention   2 S^2 E               quadratic in the tokens of a frame
    time attention    2 S T E               small: a window has few frames T

and in the stem one for every kernel entry that meets a cell, in the encoder and again in the decoder. An
operation is a multiplication or an addition; a training pass costs three forward passes, and what is
recomputed once more.
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

BACKWARD = 2


@dataclass(frozen=True)
class Cost:
    """Tokens of one window, and operations of its forward pass by part.

    Sites are between the two convolutions of the stem. `recomputed` are the operations that the backward pass
    does a second time, to save memory.
    """

    frames: int
    tokens_a_frame: int
    sites_a_frame: int
    linear: float
    space_attention: float
    time_attention: float
    stem: float
    recomputed: float = 0.0

    @property
    def tokens(self) -> int:
        return self.frames * self.tokens_a_frame

    @property
    def blocks(self) -> float:
        """The operations of all blocks."""
        return self.linear + self.space_attention + self.time_attention

    @property
    def forward(self) -> float:
        return self.blocks + self.stem

    @property
    def training(self) -> float:
        """The operations of a forward and a backward pass, without those that are computed again."""
        return (1 + BACKWARD) * self.forward

    @property
    def spent(self) -> float:
        """The operations of training, and those that are computed again to save memory."""
        return self.training + self.recomputed


def thrifty(model: ModelSettings) -> bool:
    """Whether the backward pass computes anything again; if so, encoder and decoder are among it."""
    return model.checkpoint_every > 0


def recomputed_share(model: ModelSettings) -> float:
    """The share of the blocks that are computed again in the backward pass."""
    return math.ceil(model.blocks / model.checkpoint_every) / model.blocks if thrifty(model) else 0.0


def window_cost(model: ModelSettings, schema: Schema, history: int) -> Cost:
    """The cost of a window of `history` frames and the next one, with patch jitter and the usual strides.

    Raises MismatchError where the model cannot take the grid.
    """
    axes = _axes(model, schema)
    tokens, width = math.prod(axis.tokens for axis in axes), model.hidden
    of_blocks = 2 * model.blocks * history * tokens
    kept = Cost(
        frames=history,
        tokens_a_frame=tokens,
        sites_a_frame=math.prod(axis.first.rows(axis.cells) for axis in axes),
        linear=of_blocks * (8 * width**2 + 1.5 * width * model.mlp),
        space_attention=of_blocks * 2 * tokens * width,
        time_attention=of_blocks * 2 * history * width,
        stem=2 * history * _stem(model, axes, len(channels_of(schema))),
    )
    return replace(kept, recomputed=kept.blocks * recomputed_share(model) + kept.stem * thrifty(model))


def cost_of(model: ModelSettings) -> Callable[[Schema, int], Cost]:
    """The function that a plan needs: the cost of a window of any task, for this model."""
    return partial(window_cost, model)


def _axes(model: ModelSettings, schema: Schema) -> Axes:
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
    """Rows between the convolutions that reach a cell of the grid; the decoder leaves out the others."""
    rows = axis.first.rows(axis.cells)
    if axis.periodic:
        return rows
    return min(rows, math.ceil((axis.size + axis.first.kernel - 1) / axis.first.stride))


def _wrapped(rows: list[int], stages: Stages) -> int:
    """Rows that a transposed convolution takes, with those borrowed round the period."""
    return math.prod(count + 2 * stage.unwrap for count, stage in zip(rows, stages, strict=True))
