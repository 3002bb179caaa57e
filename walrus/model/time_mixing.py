"""Attention along time at every token, with a learned bias for each time lag.

Axes: T time (Q query, K key), B batch, S tokens, L = B x S places, E width, A heads, D head width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from walrus.model.attention import attend
from walrus.model.norm import TokenNorm
from walrus.model.settings import ModelSettings

BUCKETS = 32
LONGEST_LAG = 32


def lag_buckets(frames: int, *, causal: bool, device: torch.device) -> Tensor:
    """[Q, K] the bucket of each time lag: short lags have one each, longer ones share them, logarithmically.

    The last bucket is for all lags beyond LONGEST_LAG. If the model is not causal, lags into the past and
    into the future have half of the buckets each. Source: T5 (arXiv 1910.10683), section 2.1.

    >>> lag_buckets(21, causal=True, device=torch.device("cpu"))[20].tolist()
    [21, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    """
    time_T = torch.arange(frames, device=device)
    lag_QK = time_T[:, None] - time_T
    side = BUCKETS if causal else BUCKETS // 2
    exact, distance_QK = side // 2, lag_QK.clamp(min=0) if causal else lag_QK.abs()
    growth_QK = torch.log(distance_QK.clamp(min=exact) / exact) / math.log(LONGEST_LAG / exact)
    far_QK = (exact + (growth_QK * (side - exact)).long()).clamp(max=side - 1)
    bucket_QK = torch.where(distance_QK < exact, distance_QK, far_QK)
    return bucket_QK if causal else bucket_QK + side * (lag_QK < 0)


class LagBias(nn.Module):
    """A learned bias for each head and time lag; minus infinity for the future, if the model is causal."""

    def __init__(self, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.table = nn.Parameter(torch.randn(BUCKETS, heads))

    def forward(self, bucket_QK: Tensor) -> Tensor:
        """[A, Q, K] the bias, for the buckets of `lag_buckets`."""
        bias_AQK = self.table[bucket_QK].permute(2, 0, 1)
        if not self.causal:
            return bias_AQK
        future_QK = torch.ones_like(bucket_QK, dtype=torch.bool).triu(1)
        return bias_AQK.masked_fill(future_QK, -math.inf)


class TimeMixing(nn.Module):
    """The first half of a block (arXiv 2511.15684, section 3)."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.heads = settings.heads
        self.norm = TokenNorm(settings.hidden)
        self.query_key_value = nn.Linear(settings.hidden, 3 * settings.hidden)
        self.query_norm = nn.LayerNorm(settings.head_width)
        self.key_norm = nn.LayerNorm(settings.head_width)
        self.bias = LagBias(settings.heads, causal=settings.causal)
        self.out = nn.Linear(settings.hidden, settings.hidden)

    def forward(self, x_TBSE: Tensor, bucket_QK: Tensor) -> Tensor:
        """[T, B, S, E] what the block adds to its input; `bucket_QK` are those of `lag_buckets`."""
        frames, windows, tokens, _ = x_TBSE.shape
        # Heads first, then query, key and value inside each: the order of the released weights.
        heads_TLAD = self.query_key_value(self.norm(x_TBSE)).view(frames, windows * tokens, self.heads, -1)
        query, key, value = heads_TLAD.permute(1, 2, 0, 3).chunk(3, -1)
        y_LATD = attend(self.query_norm(query), self.key_norm(key), value, self.bias(bucket_QK))
        y_TBSE: Tensor = self.out(y_LATD.permute(2, 0, 1, 3).reshape(x_TBSE.shape))
        return y_TBSE
