"""The training engine: a small interface to DeepSpeed ZeRO.

The configuration of DeepSpeed is derived from our settings (walrus/training/engine_settings.py). Its
samplers, schedules and checkpoints are not used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from walrus.training.deepspeed_fence import (
    check_optimizer,
    gradient_of_rank,
    let_groups_differ,
    load_deepspeed,
    mark_for_muon,
    muon,
    muon_groups,
    overflowed,
)
from walrus.training.distributed import ShardingGroup, let_ranks_wait
from walrus.training.engine_settings import EngineSettings, deepspeed_config
from walrus.training.muon import matrices_and_others
from walrus.training.participation import ParticipatingAdamW, Participation
from walrus.training.run_checkpoint import WEIGHT, Fragment, RunCheckpoint
from walrus.training.weight_average import WeightAverage
from walrus.training.zero_partition import MUON, optimizer_state, slots, weights


class Engine:
    """Drives a module whose forward pass returns a loss; `saved` is the state to go on from."""

    def __init__(
        self,
        module: nn.Module,
        settings: EngineSettings,
        micro_batches: int,
        saved: RunCheckpoint | None = None,
    ) -> None:
        deepspeed = load_deepspeed()
        allow_tf32(settings.tf32)
        self.settings = settings
        trained = {name: value for name, value in module.named_parameters() if value.requires_grad}
        self.names = {parameter: name for name, parameter in trained.items()}
        self.participation = Participation(trained)
        if saved is not None:
            # Before `initialize`, which copies the weights into flat partitions and sees no later change.
            whole = [Fragment(WEIGHT, name, 0, value.data.view(-1)) for name, value in trained.items()]
            read_together(saved, whole, range(dist.get_world_size()))
        count = sum(parameter.numel() for parameter in trained.values())
        self.group = ShardingGroup(settings.mics_shard_size) if settings.mics_shard_size else None
        self.engine, self.optimizer, _, _ = deepspeed.initialize(
            model=module,
            optimizer=_optimizer(module, settings, self.participation),
            config=deepspeed_config(settings, micro_batches, count),
            mpu=self.group,
        )
        if self.group is not None:
            let_groups_differ()
        let_ranks_wait(settings.wait_minutes)
        check_optimizer(self.optimizer, settings.zero_stage, self.names)
        self.slots = slots(self.optimizer, settings.zero_stage, self.names)
        for slot in self.slots:
            self.participation.slots.setdefault(slot.flat, []).append(slot)
        self.average = WeightAverage(settings.ema, weights(self.slots)) if settings.ema else None
        self.steps = 0
        if saved is not None:
            self._restore(saved)

    def loss(self, *inputs: Any) -> Tensor:
        """Forward pass of one micro-batch."""
        loss: Tensor = self.engine(*inputs)
        return loss

    def backward(self, loss: Tensor) -> None:
        """Adds this micro-batch's share to the gradient."""
        if self.settings.zero_stage == 1 and self.engine.is_gradient_accumulation_boundary():
            # Stage 1 sums the gradients that a rank has, in their order; but a group on another task uses
            # another encoder. The zeros change no weight, because the optimiser skips idle parameters.
            for parameter in self.engine.module.parameters():
                if parameter.requires_grad and parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
        with self._alone():
            self.engine.backward(loss)

    def _alone(self) -> AbstractContextManager[None]:
        """One process under ZeRO 0 has no gradients to sum, and DeepSpeed would copy all of them twice."""
        alone = self.settings.zero_stage == 0 and dist.get_world_size() == 1
        context: AbstractContextManager[None] = self.engine.no_sync() if alone else nullcontext()
        return context

    def count(self) -> None:
        """Ends a micro-batch that is not the last of its step."""
        self.engine.step()

    def step(self, rate: float) -> float:
        """Ends a step: clips the gradient, updates the weights, returns the norm before clipping.

        If the norm is not finite, nothing is updated.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        self.participation.settle()
        if self.settings.zero_stage == 0:
            norm = self._clip()
            if not math.isfinite(norm):
                return norm
        if self.group is not None:
            # So far each group has the gradient of its own micro-batches.
            gradient = gradient_of_rank(self.optimizer)
            dist.all_reduce(gradient, group=self.group.replicas)
            gradient /= self.group.count
        with self._momentum_kept():
            self.engine.step()
        if self.settings.zero_stage == 3:
            # DeepSpeed overwrites a gradient in the first micro-batch of a step only: that of a stem which
            # has no part in the first would be added to the one of the step before
            # (docs/decisions/0003-one-task-a-micro-batch.md).
            gradient_of_rank(self.optimizer).zero_()
        if self.settings.zero_stage > 0:
            norm = math.inf if overflowed(self.optimizer) else float(self.engine.get_global_grad_norm())
        if math.isfinite(norm):
            self.participation.count()
            if self.average is not None:
                self.average.follow(self.steps)
        self.steps += 1
        return norm

    def _clip(self) -> float:
        """Clips the gradients, and returns their norm before that."""
        norm = get_total_norm([parameter.grad for parameter in self.names if parameter.grad is not None])
        if norm > self.settings.clip:
            clip_grads_with_norm_(list(self.names), self.settings.clip, norm)
        return float(norm)

    @contextmanager
    def _momentum_kept(self) -> Iterator[None]:
        """Keeps Muon's momentum of idle parameters unchanged in a step, and leaves it out of the norm.

        Under ZeRO 1, 2 and 3, DeepSpeed passes every matrix to Muon in each step: one without a gradient
        would move by its momentum.
        """
        idle = self.participation.idle
        if self.settings.optimizer != "muon" or self.settings.zero_stage == 0 or not idle:
            yield
            return
        kept = {}
        for piece in self._momenta(idle):
            kept[piece.name, piece.start] = piece.values.clone()
            piece.values.zero_()
        if self.settings.zero_stage in (1, 2):
            # These stages have made the updates already, at the end of the backward pass.
            for group in muon_groups(self.optimizer):
                # Padding may follow the updates.
                for matrix, update in zip(group.matrices, group.updates or (), strict=False):
                    if self.names[matrix] in idle:
                        update.zero_()
        yield
        for piece in self._momenta(idle):
            piece.values.copy_(kept[piece.name, piece.start])

    def _momenta(self, names: set[str]) -> list[Fragment]:
        return [piece for piece in self._moments() if piece.kind == MUON and piece.name in names]

    def _moments(self) -> list[Fragment]:
        """The state of the optimiser."""
        return optimizer_state(self.optimizer, self.settings.zero_stage, self.slots)

    def _averages(self) -> list[Fragment]:
        """The average of the weights; none without one."""
        return self.average.fragments if self.average is not None else []

    @property
    def updates(self) -> dict[str, int]:
        """The number of steps in which each parameter was updated."""
        return dict(self.participation.counts)

    def fragments(self) -> list[Fragment]:
        """The state that this rank writes: weights, optimiser, average; all ranks together write all."""
        # The first of the ranks that hold equal copies writes.
        writers = self.settings.mics_shard_size or dist.get_world_size()
        if self.settings.zero_stage == 0:
            writers = 1
        if dist.get_rank() >= writers:
            return []
        return [*weights(self.slots), *self._averages(), *self._moments()]

    def _restore(self, saved: RunCheckpoint) -> None:
        """Restores the state of the optimiser and the average, as far as the checkpoint has them."""
        averages, moments = self._averages(), self._moments()
        if _are_in(saved, averages):
            self._read(saved, averages)
        if _are_in(saved, moments):
            self._read(saved, moments)
            for name in self.participation.counts:
                self.participation.counts[name] = saved.checkpoint.updates_of(name)
        self.steps = saved.checkpoint.step

    def _read(self, saved: RunCheckpoint, pieces: Sequence[Fragment]) -> None:
        """Reads the pieces of this rank; a piece that several ranks need is read from the disk once."""
        if self.settings.zero_stage == 0:
            read_together(saved, pieces, range(dist.get_world_size()))
        elif self.group is not None:
            replicas = self.group.replicas
            read_together(saved, pieces, dist.get_process_group_ranks(replicas), replicas)
        else:
            read_together(saved, pieces, [dist.get_rank()])


def _are_in(saved: RunCheckpoint, pieces: Sequence[Fragment]) -> bool:
    return all(saved.holds(piece.kind, piece.name) for piece in pieces)


@torch.no_grad()
def read_together(
    saved: RunCheckpoint,
    pieces: Sequence[Fragment],
    ranks: Sequence[int],
    group: dist.ProcessGroup | None = None,
) -> None:
    """Fills pieces that all these ranks need: each is read by one rank, which sends it to the others.

    `group` is the group of these ranks, in this order; None: all ranks of the run.
    """
    own = ranks.index(dist.get_rank())
    for piece in pieces[own :: len(ranks)]:
        piece.values.copy_(saved.read(piece.kind, piece.name, piece.start, len(piece.values)))
    if len(ranks) > 1:
        for number, piece in enumerate(pieces):
            dist.broadcast(piece.values, ranks[number % len(ranks)], group)


def allow_tf32(allowed: bool) -> None:
    """Sets whether products of single-precision matrices, and convolutions, use the tensor cores of a GPU."""
    torch.set_float32_matmul_precision("high" if allowed else "highest")
    torch.backends.cudnn.allow_tf32 = allowed


def _optimizer(
    module: nn.Module, settings: EngineSettings, participation: Participation
) -> torch.optim.Optimizer:
    """AdamW; or Muon for matrices and AdamW for the rest. Each group of parameters has its own rate."""
    adam: dict[str, Any] = {
        "betas": settings.betas,
        "eps": settings.eps,
        "weight_decay": settings.weight_decay,
    }
    if settings.optimizer == "adamw":
        groups = by_rate(module, list(module.parameters()), settings)
        return ParticipatingAdamW([{**group, **adam} for group in groups], participation)

    matrices, others = matrices_and_others(module)
    for parameters, use_muon in ((matrices, True), (others, False)):
        for parameter in parameters:
            mark_for_muon(parameter, use_muon=use_muon)
    of_muon = {
        "momentum": settings.muon_momentum,
        "weight_decay": settings.weight_decay,
        "ns_method": "standard",
    }
    groups = []
    for group in by_rate(module, matrices, settings, muon=True):
        groups.append({**group, "use_muon": True, "lr": 0.0, **of_muon})
    for group in by_rate(module, others, settings):
        groups.append({**group, "use_muon": False, "lr": 0.0, **adam})
    return muon(groups, participation)


def by_rate(
    module: nn.Module, parameters: Sequence[nn.Parameter], settings: EngineSettings, *, muon: bool = False
) -> list[dict[str, Any]]:
    """The trained parameters, in groups; the rate of a group is `factor` times that of the schedule."""
    in_blocks = {parameter for name, parameter in module.named_parameters() if "blocks" in name.split(".")}
    by_factor: dict[float, list[nn.Parameter]] = {}
    for parameter in parameters:
        if parameter.requires_grad:
            factor = settings.blocks_factor if parameter in in_blocks else 1.0
            by_factor.setdefault(factor, []).append(parameter)
    scale = settings.muon_factor if muon else 1.0
    return [{"params": by_factor[factor], "factor": scale * factor} for factor in sorted(by_factor)]
