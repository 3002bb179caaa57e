"""Normalise fields and back: divide by the RMS, predict the change in units of its own RMS.

No mean is removed, so zero stays zero and a field's sign keeps its meaning.
Axes: B batch, T time, C channel, H W D space.

The reasons are in docs/decisions/0023-whose-rms.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from shards.card import Card
from shards.errors import MismatchError
from shards.schema import NotNegative, checked
from walrus.batch import Batch, FieldSlice
from walrus.device import sent


@checked
class ChannelScale:
    """RMS of one channel over a whole dataset, and of its change from frame to frame, in physical units."""

    rms: NotNegative
    change_rms: NotNegative


# By dataset, then by channel. A model without any normalises each window by itself.
Scales = Mapping[str, Mapping[str, ChannelScale]]


@dataclass(frozen=True)
class WindowStatistics:
    """RMS of each channel, and of its change from frame to frame, [B, C] ([1, C] for a whole dataset)."""

    scale_BC: Tensor
    delta_BC: Tensor


def join_channels(batch: Batch) -> Tensor:
    """What the network sees, [T, B, C, H, W, D]: variable channels, then the constant ones repeated."""
    fields_TBCHWD = batch.fields_BTCHWD.transpose(0, 1)
    static_TBCHWD = batch.static_BCHWD.expand(len(fields_TBCHWD), *batch.static_BCHWD.shape)
    return torch.cat([fields_TBCHWD, static_TBCHWD], 2)


@torch.no_grad()
def window_statistics(u_TBCHWD: Tensor, eps: float) -> WindowStatistics:
    """Statistics of each window by itself, never below `eps`; the change of a single frame counts as 1.

    `eps` is relative: a field of a batch has an RMS near 1 over its dataset. See
    docs/decisions/0023-whose-rms.md.

    Source: arXiv 2511.15684, appendix A.1.
    """
    scale_BC = _rms(u_TBCHWD)
    delta_BC = _rms(u_TBCHWD.diff(dim=0)) if len(u_TBCHWD) > 1 else torch.ones_like(scale_BC)
    return WindowStatistics(scale_BC.clamp(min=eps), delta_BC.clamp(min=eps))


def card_scales(card: Card) -> dict[str, ChannelScale]:
    """RMS of each channel and of its change by the card, which counts the training split only."""
    return {name: ChannelScale(moments.rms, moments.change_rms) for name, moments in card.moments.items()}


def statistics_of(batch: Batch, u_TBCHWD: Tensor, eps: float, scales: Scales) -> WindowStatistics:
    """What `u`, the joined channels of the batch, is divided by: its own statistics, or those of its dataset.

    Raises MismatchError where there are scales, but none of this dataset or of one of its channels.
    """
    if not scales:
        return window_statistics(u_TBCHWD, eps)
    if batch.task not in scales:
        raise MismatchError(
            f"normalisation: found data of {batch.task or 'no named dataset'}; the model has the scales of "
            f"{', '.join(scales)}; name one of these datasets, or fine-tune on this one"
        )
    variable = len(batch.channels)
    constant = tuple(
        replace(field, start=field.start + variable, stop=field.stop + variable)
        for field in batch.static_layout
    )
    layout, channels = (*batch.layout, *constant), (*batch.channels, *batch.static_channels)
    known = [scales[batch.task].get(name) for name in channels]
    for field in layout:
        if not any(known[field.start : field.stop]):
            raise MismatchError(
                f"normalisation: {field.name} of {batch.task} has no scale; the model has those of "
                f"{', '.join(scales[batch.task])}; give the fields it was fine-tuned on"
            )
    # Components that only pad a vector have no scale, and count as zero.
    rms = [0.0 if scale is None else scale.rms for scale in known]
    change_rms = [0.0 if scale is None else scale.change_rms for scale in known]
    unit_C = torch.cat([batch.scale_C, batch.static_scale_C])
    physical = dataset_statistics(rms, change_rms, layout, eps)
    return WindowStatistics(
        sent(physical.scale_BC, unit_C, unit_C.dtype) / unit_C,
        sent(physical.delta_BC, unit_C, unit_C.dtype) / unit_C,
    )


def dataset_statistics(
    rms: Sequence[float], delta_rms: Sequence[float], layout: Sequence[FieldSlice], eps: float
) -> WindowStatistics:
    """Statistics of a whole dataset, [1, C]; the components of a vector or tensor share one RMS."""
    return WindowStatistics(
        _merged(rms, layout).clamp(min=eps)[None], _merged(delta_rms, layout).clamp(min=eps)[None]
    )


def normalise(u_TBCHWD: Tensor, statistics: WindowStatistics) -> Tensor:
    """The network's input u / scale."""
    return u_TBCHWD / _spread(statistics.scale_BC)


def denormalise(x_TBCHWD: Tensor, statistics: WindowStatistics) -> Tensor:
    """The exact way back from `normalise`."""
    return x_TBCHWD * _spread(statistics.scale_BC)


def normalise_change(change_TBCHWD: Tensor, statistics: WindowStatistics) -> Tensor:
    """A difference of frames in the units that the network predicts."""
    return change_TBCHWD / _spread(statistics.delta_BC)


def advance(u_TBCHWD: Tensor, output_TBCHWD: Tensor, statistics: WindowStatistics) -> Tensor:
    """The frames that follow `u` according to the network's output for them."""
    return u_TBCHWD + output_TBCHWD * _spread(statistics.delta_BC)


def _rms(u_TBCHWD: Tensor) -> Tensor:
    return u_TBCHWD.square().mean((0, 3, 4, 5)).sqrt()


def _merged(rms: Sequence[float], layout: Sequence[FieldSlice]) -> Tensor:
    """[C] with the root mean square of its components for every component of a vector or tensor."""
    merged_C = torch.tensor(rms)
    for field in layout:
        part = merged_C[field.start : field.stop]
        merged_C[field.start : field.stop] = part.square().mean().sqrt()
    return merged_C


def _spread(value_BC: Tensor) -> Tensor:
    return value_BC[..., None, None, None]
