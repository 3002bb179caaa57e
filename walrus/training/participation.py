"""Which parameters take part in a step, and an AdamW that does not change the others.

In a step on 2D data, the encoder and decoder of 3D data get no gradient. Their weights, moments and step
counts must not change then, as in torch where `grad is None`: see docs/decisions/0030-idle-parameters.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from walrus.device import on_device_of
from walrus.training.distributed import sum_over_ranks
from walrus.training.parameter_slot import ParameterSlot

MOMENTS = ("exp_avg", "exp_avg_sq")


class Participation:
    """The parameters that had a gradient in this step (`active`), and the number of steps of each (`counts`).

    Both are the same on all ranks. `slots` says where the parameters are in each tensor of the optimiser.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self.counts = dict.fromkeys(parameters, 0)
        self.active: set[str] = set()
        self.slots: dict[Tensor, list[ParameterSlot]] = {}
        self._seen: set[str] = set()
        for name, parameter in parameters.items():
            parameter.register_hook(partial(self._see, name))

    def _see(self, name: str, gradient: Tensor) -> None:
        self._seen.add(name)

    def settle(self) -> None:
        """Ends the backward passes of a step: a parameter is active if it had a gradient on any rank.

        All ranks must call this.
        """
        seen = sum_over_ranks([float(name in self._seen) for name in self.counts])
        self.active = {name for name, ranks in zip(self.counts, seen, strict=True) if ranks > 0}
        self._seen.clear()

    def count(self) -> None:
        """Adds a step to each active parameter."""
        for name in self.active:
            self.counts[name] += 1

    @property
    def idle(self) -> set[str]:
        return set(self.counts) - self.active

    def idle_slots(self, flat: Tensor) -> list[ParameterSlot]:
        """The parts of a tensor that belong to idle parameters."""
        return [slot for slot in self.slots.get(flat, ()) if slot.name not in self.active]

    def active_slots(self, flat: Tensor) -> list[ParameterSlot]:
        """The parts of a tensor that belong to active parameters, which are updated."""
        return [slot for slot in self.slots.get(flat, ()) if slot.name in self.active]


class ParticipatingAdamW(torch.optim.Optimizer):
    """AdamW of torch on the active parts of flat tensors, with a step count for each parameter."""

    def __init__(self, groups: Any, participation: Participation) -> None:
        super().__init__(groups, {"lr": 0.0})
        self.participation = participation

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Updates each group by its `lr`, `betas`, `eps` and `weight_decay`."""
        for group in self.param_groups:
            weights, gradients, averages, squares, counts = [], [], [], [], []
            for flat in group["params"]:
                if flat.grad is None:
                    continue
                first, second = moments_of(self.state[flat], flat)
                for slot in self.participation.active_slots(flat):
                    weights.append(slot.of(flat))
                    gradients.append(slot.of(flat.grad))
                    averages.append(slot.of(first))
                    squares.append(slot.of(second))
                    counts.append(float(self.participation.counts[slot.name]))
            if not weights:
                continue
            beta1, beta2 = group["betas"]
            adamw(
                weights,
                gradients,
                averages,
                squares,
                [],
                list(on_device_of(counts, weights[0]).unbind()),
                fused=True,
                amsgrad=False,
                beta1=beta1,
                beta2=beta2,
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=False,
            )


def moments_of(state: dict[str, Tensor], flat: Tensor) -> tuple[Tensor, Tensor]:
    """The two moments of AdamW for a tensor, zeros before its first step."""
    for kind in MOMENTS:
        if kind not in state:
            state[kind] = torch.zeros_like(flat, memory_format=torch.contiguous_format)
    return state[MOMENTS[0]], state[MOMENTS[1]]
