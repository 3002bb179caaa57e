"""The only module that imports DeepSpeed, with all of its internal names that this project uses.

DeepSpeed flattens the parameters of a group into one tensor and gives each rank a stretch of it: of the whole
group under ZeRO 1 and 2, of every parameter under ZeRO 3. Where each stretch is can only be read from tables
that are not part of its interface. They are checked when an engine starts, so that a version without them
ends in one sentence and not in the middle of a run (docs/decisions/0031-deepspeed-fence.md).
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from shards.errors import MismatchError
from walrus.training.muon import move, update_matrices
from walrus.training.parameter_slot import ParameterSlot
from walrus.training.participation import ParticipatingAdamW, Participation

TRIED = "0.19.8"
COMPILER = "deepspeed.runtime.compiler"
# What is used of modules.
NAMES = {
    COMPILER: ("compile",),
    "deepspeed.ops": ("__compatible_ops__",),
    "deepspeed.runtime.zero.partitioned_param_coordinator": ("assert_ints_same_as_other_ranks",),
    "deepspeed.runtime.zero.muon.muon_optimizer": ("MuonWithAuxAdam",),
}
# What is used of the optimiser of a ZeRO stage, and of each of its parameters.
_GROUPED = (
    "averaged_gradients",
    "bit16_groups",
    "optimizer",
    "overflow",
    "params_in_partition",
    "single_partition_of_fp32_groups",
)
_CUT = (
    "dp_process_group",
    "fp16_groups",
    "fp32_partitioned_groups_flat",
    "grad_partitions_flat_buffer",
    "optimizer",
    "overflow",
)
OF_OPTIMIZER: dict[int, tuple[str, ...]] = {0: (), 1: _GROUPED, 2: _GROUPED, 3: _CUT}
OF_PARAMETER: dict[int, tuple[str, ...]] = {
    0: (),
    1: ("_hp_mapping",),
    2: ("_hp_mapping",),
    3: ("ds_numel", "partition_numel"),
}


def load_deepspeed() -> Any:
    """DeepSpeed, imported late: data and forecasting work without it.

    Raises MismatchError if this version lacks what is used of it.
    """
    if not torch.cuda.is_available():
        # Nothing is compiled without a GPU: it would need a C++ compiler and minutes.
        torch.compiler.set_stance("force_eager")
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    # DeepSpeed calls torch by names that torch 2.13 warns of, on every rank; a user cannot change that.
    warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)
    import deepspeed

    if not torch.cuda.is_available():
        _leave_uncompiled()
    for module, names in NAMES.items():
        _require(import_module(module), names, module)

    # Otherwise the first start compiles an op with g++ that training never uses.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.utils.logger.setLevel(logging.ERROR)
    return deepspeed


def _leave_uncompiled() -> None:
    """Has DeepSpeed define Muon's update without a compiler, which takes a third of the start to load."""
    compiler: Any = import_module(COMPILER)
    _require(compiler, NAMES[COMPILER], COMPILER)
    compiler.compile = lambda: lambda function: function


def check_optimizer(optimizer: Any, zero_stage: int, parameters: Iterable[nn.Parameter]) -> None:
    """Raises MismatchError if an optimiser that DeepSpeed has made lacks what is read from it."""
    _require(optimizer, OF_OPTIMIZER[zero_stage], f"the optimiser of ZeRO {zero_stage}")
    for parameter in parameters:
        _require(parameter, OF_PARAMETER[zero_stage], f"a parameter under ZeRO {zero_stage}")


def _require(owner: object, names: Iterable[str], what: str) -> None:
    for name in names:
        try:
            # Some modules of DeepSpeed make an attribute when it is asked for.
            getattr(owner, name)
        except AttributeError as error:
            raise MismatchError(
                f"DeepSpeed {version('deepspeed')}: {what} has no {name}; "
                f"install the version that was tried: deepspeed=={TRIED}"
            ) from error


def let_groups_differ() -> None:
    """Allows each sharding group an order of modules of its own.

    DeepSpeed demands one order of all ranks. Here it is that of a group, and the plan sees to it.
    """
    coordinator: Any = import_module("deepspeed.runtime.zero.partitioned_param_coordinator")
    coordinator.assert_ints_same_as_other_ranks = lambda ints: None


def muon(groups: list[dict[str, Any]], participation: Participation) -> torch.optim.Optimizer:
    """DeepSpeed's Muon for groups with `use_muon`, AdamW for the others; idle parameters stay as they are."""
    base: Any = import_module("deepspeed.runtime.zero.muon.muon_optimizer").MuonWithAuxAdam

    # DeepSpeed tells Muon by this word in the name of the class.
    class ParticipatingMuon(base):  # type: ignore[misc]
        @torch.no_grad()
        def step(self, closure: Any = None) -> None:
            """Updates whole matrices here; for flat partitions DeepSpeed has computed the updates before."""
            for group in self.param_groups:
                if not group["use_muon"]:
                    continue
                matrices = []
                for values in group["params"]:
                    for slot in participation.active_slots(values):
                        if values.ndim == 2:
                            matrices.append(values)
                        elif values.grad is not None:
                            move(slot.of(values), slot.of(values.grad), group)
                update_matrices(matrices, self.state, group)
            self.aux_optimizer.step()

    optimizer: torch.optim.Optimizer = ParticipatingMuon(
        groups, ParticipatingAdamW, {"participation": participation}
    )
    return optimizer


def mark_for_muon(parameter: nn.Parameter, *, use_muon: bool) -> None:
    """Marks the matrices whose updates DeepSpeed makes orthogonal inside its flat partitions."""
    setattr(parameter, "use_muon", use_muon)  # noqa: B010


def is_muon(parameter: nn.Parameter) -> bool:
    return bool(getattr(parameter, "use_muon", False))


def torch_optimizer(optimizer: Any, zero_stage: int) -> torch.optim.Optimizer:
    """The optimiser that was given to DeepSpeed."""
    inner: torch.optim.Optimizer = optimizer.optimizer if zero_stage else optimizer
    return inner


def overflowed(optimizer: Any) -> bool:
    """Whether ZeRO 1, 2 or 3 has left out the last step, as a gradient was not finite."""
    return bool(optimizer.overflow)


def gradient_of_rank(optimizer: Any) -> Tensor:
    """Under ZeRO 3: this rank's stretch of the gradient of all parameters."""
    gradient: Tensor = optimizer.grad_partitions_flat_buffer
    return gradient


def parameter_slots(
    optimizer: Any, zero_stage: int, names: Mapping[nn.Parameter, str]
) -> Iterator[ParameterSlot]:
    """Where this rank holds which part of every trained parameter; of some it may hold nothing."""
    find = {0: _whole, 1: _of_groups, 2: _of_groups, 3: _of_parameters}[zero_stage]
    return find(optimizer, names)


def _whole(optimizer: Any, names: Mapping[nn.Parameter, str]) -> Iterator[ParameterSlot]:
    """ZeRO 0: each rank has all parameters whole."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            yield ParameterSlot(names[parameter], parameter, parameter, 0, 0, parameter.numel())


def _of_groups(optimizer: Any, names: Mapping[nn.Parameter, str]) -> Iterator[ParameterSlot]:
    """ZeRO 1 and 2: a group is one flat tensor, of which each rank has a stretch."""
    rows = zip(optimizer.bit16_groups, optimizer.single_partition_of_fp32_groups, strict=True)
    for parameters, flat in rows:
        for parameter in parameters:
            mapping = parameter._hp_mapping
            if mapping is not None:
                here, there = mapping.hp_fragment_address, mapping.lp_fragment_address
                yield ParameterSlot(names[parameter], parameter, flat, here.start, there.start, here.numel)


def _of_parameters(optimizer: Any, names: Mapping[nn.Parameter, str]) -> Iterator[ParameterSlot]:
    """ZeRO 3: each rank has an equal stretch of every parameter; the last may be shorter."""
    rank = dist.get_rank(optimizer.dp_process_group)
    for parameters, flat in zip(optimizer.fp16_groups, optimizer.fp32_partitioned_groups_flat, strict=True):
        offset = 0
        for parameter in parameters:
            length = parameter.partition_numel()
            start = rank * length
            count = min(length, parameter.ds_numel - start)
            yield ParameterSlot(names[parameter], parameter, flat, offset, start, count)
            offset += length


@dataclass(frozen=True, eq=False)
class MuonGroup:
    """Matrices that this rank has a stretch of, their flat tensor, and Muon's update of each.

    There is no update between steps.
    """

    matrices: list[nn.Parameter]
    flat: Tensor
    updates: list[Tensor] | None


def muon_groups(optimizer: Any) -> Iterator[MuonGroup]:
    """The groups of matrices under ZeRO 1 and 2."""
    rows = zip(optimizer.params_in_partition, optimizer.single_partition_of_fp32_groups, strict=True)
    for number, (parameters, flat) in enumerate(rows):
        if parameters and is_muon(parameters[0]):
            yield MuonGroup(parameters, flat, optimizer.averaged_gradients.get(number))
