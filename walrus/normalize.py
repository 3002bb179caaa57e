"""Normalise fields, and undo it: fields are divided by their RMS, their changes by that of the changes.

No mean is subtracted, so that zero stays zero and a field keeps its sign. The RMS is that of the window, or
of the whole dataset: docs/decisions/0023-whose-rms.md.

Axes: B batch, T time, C channel, H W D space.
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
from walrus.device import on_device_of


@checked
class ChannelScale:
    """RMS of one channel over a whole dataset, and of its change from frame to frame, in physical units."""

    rms: NotNegative
    change_rms: NotNegative


# By dataset, then by channel. Without any, each window is normalised by its own RMS.
Scales = Mapping[str, Mapping[str, ChannelScale]]


@dataclass(frozen=True)
class WindowStatistics:
    """What fields and changes are divided by: [B, C], or [1, C] where it is that of a whole dataset.

    `scale_BC` is the RMS of each channel, `delta_BC` that of its change from frame to frame; both in the
    units of the batch.
    """

    scale_BC: Tensor
    delta_BC: Tensor


def join_channels(batch: Batch) -> Tensor:
    """[T, B, C, H, W, D] the variable channels, then the constant ones, repeated for each frame.

    Variable channels are zero inside obstacles; constant ones stay, since a mask may be one of them. See
    docs/decisions/0035-solid-cells.md.
    """
    fields_TBCHWD = batch.fields_BTCHWD.transpose(0, 1).masked_fill(batch.solid[:, None], 0.0)
    static_TBCHWD = batch.static_BCHWD.expand(len(fields_TBCHWD), *batch.static_BCHWD.shape)
    return torch.cat([fields_TBCHWD, static_TBCHWD], 2)


@torch.no_grad()
def window_statistics(u_TBCHWD: Tensor, eps: float) -> WindowStatistics:
    """The RMS of each window, and that of its changes; both at least `eps`.

    `eps` needs no unit: a field in stored units has an RMS near 1 over its dataset. A window of one frame has
    no change; the RMS of its change is 1. Source: arXiv 2511.15684, appendix A.1.
    """
    scale_BC = _rms(u_TBCHWD)
    delta_BC = _rms(u_TBCHWD.diff(dim=0)) if len(u_TBCHWD) > 1 else torch.ones_like(scale_BC)
    return WindowStatistics(scale_BC.clamp(min=eps), delta_BC.clamp(min=eps))


def card_scales(card: Card) -> dict[str, ChannelScale]:
    """RMS of each channel and of its change, from the card: those of the training split."""
    return {name: ChannelScale(moments.rms, moments.change_rms) for name, moments in card.moments.items()}


def statistics_of(batch: Batch, u_TBCHWD: Tensor, eps: float, scales: Scales) -> WindowStatistics:
    """What `u`, the joined channels of a batch, is divided by.

    Without `scales` it is the RMS of each window, otherwise that of its dataset. Raises MismatchError if
    `scales` lacks this dataset or one of its fields.
    """
    if not scales:
        return window_statistics(u_TBCHWD, eps)
    variable = len(batch.channels)
    constant = [
        replace(each, start=each.start + variable, stop=each.stop + variable) for each in batch.static_layout
    ]
    layout = (*batch.layout, *constant)
    known = _known_scales(batch, layout, scales)
    # The padding of a vector has no scale, and counts as zero.
    rms = [0.0 if scale is None else scale.rms for scale in known]
    change_rms = [0.0 if scale is None else scale.change_rms for scale in known]
    unit_C = torch.cat([batch.scale_C, batch.static_scale_C])
    physical = dataset_statistics(rms, change_rms, layout, eps)
    return WindowStatistics(
        on_device_of(physical.scale_BC, unit_C, unit_C.dtype) / unit_C,
        on_device_of(physical.delta_BC, unit_C, unit_C.dtype) / unit_C,
    )


def _known_scales(batch: Batch, layout: Sequence[FieldSlice], scales: Scales) -> list[ChannelScale | None]:
    """[C] the scale of each channel, None for padding; raises MismatchError if a field has none."""
    if batch.task not in scales:
        raise MismatchError(
            f"normalisation: found data of {batch.task or 'no named dataset'}; the model has the scales of "
            f"{', '.join(scales)}; name one of these datasets, or fine-tune on this one"
        )
    of_task = scales[batch.task]
    known = [of_task.get(name) for name in (*batch.channels, *batch.static_channels)]
    for field in layout:
        if not any(known[field.start : field.stop]):
            raise MismatchError(
                f"normalisation: {field.name} of {batch.task} has no scale; the model has those of "
                f"{', '.join(of_task)}; give the fields it was fine-tuned on"
            )
    return known


def dataset_statistics(
    rms: Sequence[float], change_rms: Sequence[float], layout: Sequence[FieldSlice], eps: float
) -> WindowStatistics:
    """[1, C] statistics of a whole dataset, at least `eps`; the components of a vector share one RMS."""
    scale_C, delta_C = _shared_rms(rms, layout), _shared_rms(change_rms, layout)
    return WindowStatistics(scale_C.clamp(min=eps)[None], delta_C.clamp(min=eps)[None])


def normalise(u_TBCHWD: Tensor, statistics: WindowStatistics) -> Tensor:
    """The input of the network, u / scale."""
    return u_TBCHWD / _over_space(statistics.scale_BC)


def denormalise(x_TBCHWD: Tensor, statistics: WindowStatistics) -> Tensor:
    """Undoes `normalise`: x * scale."""
    return x_TBCHWD * _over_space(statistics.scale_BC)


def normalise_change(change_TBCHWD: Tensor, statistics: WindowStatistics) -> Tensor:
    """A difference of two frames in the units of the network's output, change / delta."""
    return change_TBCHWD / _over_space(statistics.delta_BC)


def advance(u_TBCHWD: Tensor, output_TBCHWD: Tensor, statistics: WindowStatistics) -> Tensor:
    """The next frame for each frame of `u`, by the output of the network: u + output * delta."""
    return u_TBCHWD + output_TBCHWD * _over_space(statistics.delta_BC)


def _rms(u_TBCHWD: Tensor) -> Tensor:
    return u_TBCHWD.square().mean((0, 3, 4, 5)).sqrt()


def _shared_rms(rms: Sequence[float], layout: Sequence[FieldSlice]) -> Tensor:
    """[C] where each component of a vector or tensor has the root mean square over all its components."""
    shared_C = torch.tensor(rms)
    for field in layout:
        part = shared_C[field.start : field.stop]
        shared_C[field.start : field.stop] = part.square().mean().sqrt()
    return shared_C


def _over_space(value_BC: Tensor) -> Tensor:
    return value_BC[..., None, None, None]
