"""Estimates the memory of a rank while it trains, from shapes alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from shards.schema import Schema
from walrus.batch import channels_of
from walrus.model.cost import recomputed_share, window_cost
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.reading.ranks import Rank
from walrus.training.engine_settings import LARGEST_BUCKET, EngineSettings
from walrus.training.muon import LARGEST_PIECE, WORK, matrices_and_others
from walrus.training.network import MOST_KEPT

FLOAT = 4
# DeepSpeed sums whole gradients (ZeRO 0) in pieces of so many numbers.
WHOLE_BUCKET = 500_000_000
# The most bytes in which DeepSpeed gathers matrices for Muon (ZeRO 3), and which it keeps.
MUON_GATHERS = 256 * 2**20


@dataclass(frozen=True)
class ParameterCount:
    """Number of all parameters, and of those in matrices, of which Muon keeps one moment instead of two."""

    total: int
    matrices: int

    @staticmethod
    def of(network: nn.Module, *, trained: bool = False) -> ParameterCount:
        """The parameters of a network, or those of them that are trained."""
        matrices, others = matrices_and_others(network)
        if trained:
            matrices = [parameter for parameter in matrices if parameter.requires_grad]
            others = [parameter for parameter in others if parameter.requires_grad]
        in_matrices = sum(parameter.numel() for parameter in matrices)
        return ParameterCount(in_matrices + sum(parameter.numel() for parameter in others), in_matrices)

    def moments(self, engine: EngineSettings) -> int:
        """The numbers that the optimiser keeps of all steps before."""
        return 2 * self.total - (self.matrices if engine.optimizer == "muon" else 0)


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes of one rank: its share of the state, and what the backward pass of its largest slice needs.

    `buffers` are for what ranks exchange, at the moment of a step at which they are largest. `host` is in the
    memory of the CPU, for an optimiser that is kept there (`engine.offload`), and not part of the total.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    buffers: float = 0.0
    host: float = 0.0

    @property
    def total(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.activations + self.buffers


def parameter_count(model: ModelSettings, vocabulary: int) -> ParameterCount:
    """The parameters of a model, counted without making them."""
    with torch.device("meta"):
        return ParameterCount.of(Walrus(model, vocabulary))


def checkpoint_bytes(count: ParameterCount, engine: EngineSettings) -> int:
    """The size on disk of a checkpoint of a model: weights, moments, average of the weights.

    >>> checkpoint_bytes(ParameterCount(1_000_000, 0), EngineSettings(optimizer="adamw", ema=0.99))
    16000000
    """
    averages = count.total if engine.ema else 0
    return FLOAT * (count.total + averages + count.moments(engine))


def footprint(
    count: ParameterCount, engine: EngineSettings, rank: Rank, activations: float
) -> MemoryEstimate:
    """The memory of a rank for a model of so many parameters; `activations` are those of its largest slice.

    ZeRO stage 1 shares the optimiser's state among the ranks, stage 2 the gradients as well, stage 3 the
    weights as well (arXiv 1910.02054, section 5); with MiCS among the ranks of a group. AdamW keeps two
    moments, Muon one of each matrix and two of the rest; an average of the weights comes on top. The tensors
    of real ranks are counted in tests/walrus/training/test_memory_estimate.py.
    """
    ranks = engine.mics_shard_size or rank.ranks
    whole = FLOAT * count.total
    shared = whole / ranks
    optimizer = FLOAT * count.moments(engine)
    if engine.ema:
        optimizer += whole
    if engine.zero_stage:
        # The optimiser updates a copy of the weights that it owns.
        optimizer += whole
    offload = engine.offload == "optimizer"
    state = shared if engine.zero_stage >= 2 else whole
    return MemoryEstimate(
        weights=shared if engine.zero_stage == 3 else whole,
        gradients=0.0 if offload and engine.zero_stage >= 2 else state,
        optimizer=0.0 if offload else optimizer / (ranks if engine.zero_stage else 1),
        activations=activations,
        buffers=_buffers(whole, engine, ranks),
        # Next to the optimiser: the gradient, and the weights on their way back; under ZeRO 2 two gradients.
        host=optimizer / ranks + (3 if engine.zero_stage == 2 else 2) * shared if offload else 0.0,
    )


def _buffers(whole: float, engine: EngineSettings, ranks: int) -> float:
    """What DeepSpeed holds next to the state, of `whole` bytes of parameters that so many ranks share.

    The reasons are in docs/decisions/0171-buffers.md.
    """
    stage, muon, offload = engine.zero_stage, engine.optimizer == "muon", engine.offload == "optimizer"
    if stage == 0:
        # Gradients are summed before the update, in which Muon works on one piece after the other.
        return max(min(whole, FLOAT * WHOLE_BUCKET), WORK * min(whole, LARGEST_PIECE) if muon else 0.0)
    bucket = min(whole, FLOAT * LARGEST_BUCKET)
    # In the update the gradient of a rank's own part is there twice.
    own = 0.0 if offload else whole / ranks
    if stage < 3:
        # Muon works on a copy of its momentum, next to the gradients and its updates.
        times = 1 + stage if muon else 1
        return times * own + bucket * (1 if stage == 1 and not offload else 2)
    if ranks == 1:
        return own + bucket
    gathers = min(whole + whole / ranks, MUON_GATHERS) if muon else 0.0
    return bucket + max(own, min(whole, FLOAT * MOST_KEPT) + bucket) + gathers


def activations(model: ModelSettings, schema: Schema, history: int) -> float:
    """Bytes that the backward pass of one window needs, in single precision.

    A block keeps 17 E + M + 12 numbers per head for each token, or, where it is computed again, its E inputs.
    The stem keeps 3.4 E for each token, 7 I for each site between its convolutions (I its inner width), 2.6
    for each channel of each cell. Counted on small models: right to a fifth
    (tests/walrus/training/test_memory_estimate.py).
    """
    cost = window_cost(model, schema, history)
    tokens = cost.tokens
    again = recomputed_share(model)
    of_block = 17 * model.hidden + model.mlp + 12 * model.heads
    blocks = tokens * model.blocks * ((1 - again) * of_block + again * model.hidden)
    inner = 7 * model.inner * history * cost.sites_per_frame
    cells = 2.6 * len(channels_of(schema)) * history * math.prod(schema.grid.shape)
    return FLOAT * (blocks + 3.4 * tokens * model.hidden + inner + cells)
