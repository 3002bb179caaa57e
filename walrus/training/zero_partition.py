"""The state of each parameter on this rank, as fragments: its weights, and its state in the optimiser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from walrus.training.deepspeed_fence import is_muon, muon_groups, parameter_slots, torch_optimizer
from walrus.training.parameter_slot import ParameterSlot
from walrus.training.participation import MOMENTS, moments_of
from walrus.training.run_checkpoint import WEIGHT, Fragment

MUON = "momentum_buffer"


def slots(optimizer: Any, zero_stage: int, names: Mapping[nn.Parameter, str]) -> list[ParameterSlot]:
    """The parts of all trained parameters that this rank holds."""
    return [slot for slot in parameter_slots(optimizer, zero_stage, names) if slot.count > 0]


def weights(every: list[ParameterSlot]) -> list[Fragment]:
    """The weights in the precision that the optimiser updates."""
    return [slot.fragment(WEIGHT, slot.flat.data) for slot in every]


def optimizer_state(optimizer: Any, zero_stage: int, every: list[ParameterSlot]) -> list[Fragment]:
    """The moments of AdamW and the momentum of Muon; zeros are made where no step has been taken yet."""
    inner = torch_optimizer(optimizer, zero_stage)
    fragments = []
    for slot in every:
        state = inner.state[slot.flat]
        if not is_muon(slot.parameter):
            moments = moments_of(state, slot.flat)
            fragments += [slot.fragment(kind, values) for kind, values in zip(MOMENTS, moments, strict=True)]
        elif zero_stage not in (1, 2):
            if MUON not in state:
                state[MUON] = torch.zeros_like(slot.flat)
            fragments.append(slot.fragment(MUON, state[MUON]))
    if zero_stage in (1, 2):
        fragments += _whole_momenta(optimizer, inner, {slot.parameter: slot.name for slot in every})
    return fragments


def _whole_momenta(
    optimizer: Any, inner: torch.optim.Optimizer, names: Mapping[nn.Parameter, str]
) -> Iterator[Fragment]:
    """Under ZeRO 1 and 2 a rank that has a part of a matrix keeps the momentum of the whole."""
    for group in muon_groups(optimizer):
        state: dict[str, Tensor] = inner.state[group.flat]
        if MUON not in state:
            count = sum(matrix.numel() for matrix in group.matrices)
            state[MUON] = torch.zeros(count, dtype=group.flat.dtype, device=group.flat.device)
        offset = 0
        for matrix in group.matrices:
            yield Fragment(MUON, names[matrix], 0, state[MUON].narrow(0, offset, matrix.numel()))
            offset += matrix.numel()
