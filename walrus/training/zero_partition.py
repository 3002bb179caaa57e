"""Where the engine keeps the state of each parameter on this rank: its weight and what the optimiser has of it.

DeepSpeed flattens the parameters of a group into one tensor and gives each rank a stretch of it: of the whole
group under ZeRO 1 and 2, of every parameter under ZeRO 3. What lies where is read off its own tables here,
and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from walrus.training.run_checkpoint import WEIGHT, Fragment

ADAM = ("exp_avg", "exp_avg_sq")
MUON = "momentum_buffer"


@dataclass(frozen=True)
class Slot:
    """Elements `start` ... of a parameter lie at `offset` ... of `flat`, which is what the optimiser knows."""

    name: str
    parameter: nn.Parameter
    flat: Tensor
    offset: int
    start: int
    count: int

    def fragment(self, kind: str, flat: Tensor) -> Fragment:
        """This stretch of a tensor that lies like the flat one."""
        return Fragment(kind, self.name, self.start, flat.view(-1).narrow(0, self.offset, self.count))


def slots(optimizer: Any, zero_stage: int, names: Mapping[nn.Parameter, str]) -> list[Slot]:
    """The stretches of all trained parameters that this rank holds."""
    find = {0: _whole_slots, 1: _group_slots, 2: _group_slots, 3: _parameter_slots}[zero_stage]
    return [
        Slot(names[parameter], parameter, flat, offset, start, count)
        for parameter, flat, offset, start, count in find(optimizer)
        if count > 0
    ]


# Parameter, flat tensor, offset, start, count: see Slot.
Stretch = tuple[nn.Parameter, Tensor, int, int, int]


def _whole_slots(optimizer: Any) -> Iterator[Stretch]:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            yield parameter, parameter.data, 0, 0, parameter.numel()


def _group_slots(optimizer: Any) -> Iterator[Stretch]:
    for parameters, flat in zip(
        optimizer.bit16_groups, optimizer.single_partition_of_fp32_groups, strict=True
    ):
        for parameter in parameters:
            mapping = parameter._hp_mapping
            if mapping is not None:
                here, there = mapping.hp_fragment_address, mapping.lp_fragment_address
                yield parameter, flat, here.start, there.start, here.numel


def _parameter_slots(optimizer: Any) -> Iterator[Stretch]:
    rank = dist.get_rank(optimizer.dp_process_group)
    for parameters, flat in zip(optimizer.fp16_groups, optimizer.fp32_partitioned_groups_flat, strict=True):
        offset = 0
        for parameter in parameters:
            length = parameter.partition_numel()
            start = rank * length
            yield parameter, flat, offset, start, min(length, parameter.ds_numel - start)
            offset += length


def weights(every: list[Slot]) -> list[Fragment]:
    """The weights in the precision that the optimiser updates."""
    return [slot.fragment(WEIGHT, slot.flat) for slot in every]


def optimizer_state(optimizer: Any, zero_stage: int, every: list[Slot]) -> list[Fragment]:
    """The moments of AdamW and the momentum of Muon; made, as zeros, where no step has been taken yet."""
    inner = optimizer.optimizer if zero_stage else optimizer
    fragments = []
    for slot in every:
        # A flat tensor of ZeRO is known by itself, a whole parameter as the parameter.
        state = inner.state[slot.flat if zero_stage else slot.parameter]
        if not is_muon(slot.parameter):
            _begin(state, ADAM, slot.flat)
            state.setdefault("step", torch.zeros((), device=slot.flat.device))
            fragments += [slot.fragment(kind, state[kind]) for kind in ADAM]
        elif zero_stage not in (1, 2):
            _begin(state, (MUON,), slot.flat)
            fragments.append(slot.fragment(MUON, state[MUON]))
    if zero_stage in (1, 2):
        fragments += _whole_momenta(optimizer, {slot.parameter: slot.name for slot in every})
    return fragments


def is_muon(parameter: nn.Parameter) -> bool:
    return bool(getattr(parameter, "use_muon", False))


def _begin(state: dict[str, Tensor], kinds: tuple[str, ...], like: Tensor) -> None:
    for kind in kinds:
        if kind not in state:
            state[kind] = torch.zeros_like(like)


def _whole_momenta(optimizer: Any, names: Mapping[nn.Parameter, str]) -> Iterator[Fragment]:
    """Under ZeRO 1 and 2 a rank keeps the momentum of a matrix whole, even of one that it shares with its neighbour."""
    rows = zip(optimizer.params_in_partition, optimizer.single_partition_of_fp32_groups, strict=True)
    for parameters, flat in rows:
        if not parameters or not is_muon(parameters[0]):
            continue
        state = optimizer.optimizer.state[flat]
        if MUON not in state:
            state[MUON] = torch.zeros(
                sum(p.numel() for p in parameters), dtype=flat.dtype, device=flat.device
            )
        offset = 0
        for parameter in parameters:
            yield Fragment(MUON, names[parameter], 0, state[MUON].narrow(0, offset, parameter.numel()))
            offset += parameter.numel()


def updates(optimizer: Any, zero_stage: int, every: list[Slot]) -> list[Tensor]:
    """AdamW's counters of its own steps, one a tensor that it knows."""
    inner = optimizer.optimizer if zero_stage else optimizer
    keys = {slot.flat if zero_stage else slot.parameter for slot in every if not is_muon(slot.parameter)}
    return [inner.state[key]["step"] for key in keys]
