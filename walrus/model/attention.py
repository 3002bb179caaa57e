"""Attention in the form that the fused kernels of a GPU take.

Axes: N sequences, A heads, Q queries, K keys, D head width.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

# Fused kernels take heads whose width is a multiple of this: 16 bytes in half precision.
ALIGNED = 8


def attend(
    query_NAQD: Tensor, key_NAKD: Tensor, value_NAKD: Tensor, bias_AQK: Tensor | None = None
) -> Tensor:
    """softmax(query key / sqrt(D) + bias) value, [N, A, Q, D], in the precision of the values.

    Heads of another width than kernels take get channels of zero, which change no product. The reasons, and
    which kernel each attention takes, are in docs/decisions/0131-attention-kernels.md.
    """
    width, precision = value_NAKD.shape[-1], value_NAKD.dtype
    missing = -width % ALIGNED
    query_NAQD, key_NAKD, value_NAKD = (
        functional.pad(heads.to(precision), (0, missing)) if missing else heads.to(precision)
        for heads in (query_NAQD, key_NAKD, value_NAKD)
    )
    y_NAQD = functional.scaled_dot_product_attention(
        query_NAQD,
        key_NAKD,
        value_NAKD,
        attn_mask=None if bias_AQK is None else bias_AQK.to(precision),
        scale=1 / math.sqrt(width),
    )
    return y_NAQD[..., :width]
