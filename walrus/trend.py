"""The trend of a window: the next change by a linear rule that is fitted to the window itself.

The change of a cell is a sum of terms, each with a factor: the change before it, the one before that, and the
second difference of the former along each axis of space. Least squares find the factors of each window and
channel from the last change that is known; the same factors give the next one. The reasons are in
docs/decisions/0170-trend.md.

Axes: K terms, T time, B batch, C channel, H W D space, S all of space.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shards.schema import Boundary, Sides
from walrus.model.geometry import Boundaries

# Added to the diagonal of the normal equations, which is 1, because terms may depend on each other.
RIDGE = 1e-4


def trend(u_TBCHWD: Tensor, boundaries: Boundaries) -> Tensor:
    """[B, C, H, W, D] the change after the last frame; its RMS is at most that of the change before.

    It follows from the last four frames. With fewer than three there is no rule, and the change is zero.
    """
    none_TBCHWD = torch.zeros_like(u_TBCHWD[-1:]).expand(3, *u_TBCHWD.shape[1:])
    first, second, last = torch.cat([none_TBCHWD, u_TBCHWD[-4:].diff(dim=0)])[-3:]
    terms_BCKHWD = _terms(last, second, boundaries)
    factors_BCK = _least_squares(_terms(second, first, boundaries).flatten(3), last.flatten(2))
    trend_BCHWD = (factors_BCK[..., None, None, None] * terms_BCKHWD).sum(2)
    growth_BC = _rms(trend_BCHWD.flatten(2)) / _rms(last.flatten(2))
    return trend_BCHWD / growth_BC.clamp(min=1)[..., None, None, None]


def _terms(change_BCHWD: Tensor, before_BCHWD: Tensor, boundaries: Boundaries) -> Tensor:
    """[B, C, K, H, W, D] a change, the one before it, and the second differences of the former."""
    bent = [
        _second_difference(change_BCHWD, dim, sides)
        for dim, sides in enumerate(boundaries, 2)
        if change_BCHWD.shape[dim] > 1
    ]
    return torch.stack([change_BCHWD, before_BCHWD, *bent], 2)


def _second_difference(x: Tensor, dim: int, sides: Sides) -> Tensor:
    """Along one axis; beyond a side that is not periodic the last value goes on."""
    size = x.shape[dim]
    before, after = x.roll(1, dim), x.roll(-1, dim)
    for neighbour, edge, side in ((before, 0, sides[0]), (after, size - 1, sides[1])):
        if side != Boundary.PERIODIC:
            neighbour.select(dim, edge).copy_(x.select(dim, edge))
    return before + after - 2 * x


def _least_squares(terms_BCKS: Tensor, target_BCS: Tensor) -> Tensor:
    """[B, C, K] the factors for which the sum of the terms is closest to the target."""
    unit_BCK = _rms(terms_BCKS)
    scaled_BCKS = terms_BCKS / unit_BCK[..., None]
    cells = scaled_BCKS.shape[-1]
    ridge_KK = RIDGE * torch.eye(scaled_BCKS.shape[2], dtype=unit_BCK.dtype, device=unit_BCK.device)
    # The factors need more digits than autocast leaves.
    with torch.autocast(target_BCS.device.type, enabled=False):
        products_BCKK = scaled_BCKS @ scaled_BCKS.mT / cells
        along_BCK1 = scaled_BCKS @ target_BCS[..., None] / cells
    # The ridge makes the matrix regular. A check of that would wait for the device:
    # docs/decisions/0110-waits-for-the-host.md.
    factors_BCK1, _ = torch.linalg.solve_ex(products_BCKK + ridge_KK, along_BCK1)
    factors_BCK: Tensor = factors_BCK1[..., 0] / unit_BCK
    return factors_BCK


def _rms(x: Tensor) -> Tensor:
    """Over the cells of space; at least the smallest number that is not 0."""
    return x.square().mean(-1).sqrt().clamp(min=torch.finfo(x.dtype).tiny)
