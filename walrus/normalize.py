"""Fields to numbers of order one and back: divide by the RMS, predict the change in units of its own RMS.

No mean is removed, so zero stays zero and a field's sign keeps its meaning.
Axes: B batch, T time, C channel, H W D space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from walrus.batch import Batch, FieldSlice


@dataclass(frozen=True)
class Statistics:
    """RMS of each channel, and of its change from frame to frame, [B, C] ([1, C] for a whole dataset)."""

    scale_BC: Tensor
    delta_BC: Tensor


def join_channels(batch: Batch) -> Tensor:
    """What the network sees of a batch, [T, B, C, H, W, D]: variable channels, then the constant ones repeated."""
    fields_TBCHWD = batch.fields_BTCHWD.transpose(0, 1)
    static_TBCHWD = batch.static_BCHWD.expand(len(fields_TBCHWD), *batch.static_BCHWD.shape)
    return torch.cat([fields_TBCHWD, static_TBCHWD], 2)


@torch.no_grad()
def window_statistics(u_TBCHWD: Tensor, eps: float) -> Statistics:
    """Statistics of each window by itself, never below `eps`; the change of a single frame counts as 1.

    Source: arXiv 2511.15684, appendix A.1.
    """
    scale_BC = _rms(u_TBCHWD)
    delta_BC = _rms(u_TBCHWD.diff(dim=0)) if len(u_TBCHWD) > 1 else torch.ones_like(scale_BC)
    return Statistics(scale_BC.clamp(min=eps), delta_BC.clamp(min=eps))


def dataset_statistics(
    rms: Sequence[float], delta_rms: Sequence[float], layout: Sequence[FieldSlice], eps: float
) -> Statistics:
    """Statistics of a whole dataset, [1, C]; the components of a vector or tensor share their root mean square."""
    return Statistics(_merged(rms, layout).clamp(min=eps)[None], _merged(delta_rms, layout).clamp(min=eps)[None])


def normalise(u_TBCHWD: Tensor, statistics: Statistics) -> Tensor:
    """The network's input u / scale."""
    return u_TBCHWD / _spread(statistics.scale_BC)


def denormalise(x_TBCHWD: Tensor, statistics: Statistics) -> Tensor:
    """The exact way back from `normalise`."""
    return x_TBCHWD * _spread(statistics.scale_BC)


def normalise_change(change_TBCHWD: Tensor, statistics: Statistics) -> Tensor:
    """A difference of frames in the units that the network predicts."""
    return change_TBCHWD / _spread(statistics.delta_BC)


def advance(u_TBCHWD: Tensor, output_TBCHWD: Tensor, statistics: Statistics) -> Tensor:
    """The frames that follow `u` according to the network's output for them."""
    return u_TBCHWD + output_TBCHWD * _spread(statistics.delta_BC)


def _rms(u_TBCHWD: Tensor) -> Tensor:
    return u_TBCHWD.square().mean((0, 3, 4, 5)).sqrt()


def _merged(rms: Sequence[float], layout: Sequence[FieldSlice]) -> Tensor:
    merged_C = torch.tensor(rms)
    for field in layout:
        part = merged_C[field.start : field.stop]
        merged_C[field.start : field.stop] = part.square().mean().sqrt()
    return merged_C


def _spread(value_BC: Tensor) -> Tensor:
    return value_BC[..., None, None, None]
