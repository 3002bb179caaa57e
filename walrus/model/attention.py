"""Attention, in the form that fused GPU kernels accept.

Axes: N sequences, A heads, Q queries, K keys, D head width.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

# Fused kernels need heads whose width is a multiple of this: 16 bytes in half precision.
WIDTH_MULTIPLE = 8


def attend(
    query_NAQD: Tensor, key_NAKD: Tensor, value_NAKD: Tensor, bias_AQK: Tensor | None = None
) -> Tensor:
    """softmax(query key / sqrt(D) + bias) value: [N, A, Q, D], in the precision of the values.

    Heads of another width are padded with channels of zeros, which change no product. The reasons, and the
    kernel that each attention uses, are in docs/decisions/0131-attention-kernels.md.
    """
    width, precision = value_NAKD.shape[-1], value_NAKD.dtype
    missing = -width % WIDTH_MULTIPLE
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
