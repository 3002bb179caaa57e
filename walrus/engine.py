"""DeepSpeed ZeRO behind a handful of verbs; the one place that imports it.

Its JSON is derived from our settings, its samplers and schedules are not used.
"""

from __future__ import annotations

import datetime
import logging
import os
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from shards.errors import MismatchError
from shards.spec import STRICT, NotNegative, Positive

TIMEOUT = datetime.timedelta(minutes=10)


@dataclass(frozen=True, config=STRICT)
class EngineSettings:
    """How weights are updated and where they lie: ZeRO stage 0 to 3, fp32 or bf16 autocast.

    `muon` is for the matrices of the blocks, whose rate is then `muon_factor` times that of the schedule; AdamW has
    the rest. DeepSpeed clips the gradient after Muon has made it orthogonal, so `clip` must leave room for that.
    """

    zero_stage: Literal[0, 1, 2, 3] = 1
    optimizer: Literal["adamw", "muon"] = "adamw"
    muon_factor: Positive = 10.0
    muon_momentum: NotNegative = 0.95
    weight_decay: NotNegative = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    eps: Positive = 1e-10
    clip: Positive = 10.0
    autocast: Literal["", "bfloat16"] = ""
    # As the published run: single precision, but GPUs round what they multiply to 10 bits.
    tf32: bool = False


def _deepspeed() -> Any:
    """DeepSpeed, imported late: data and forecasting work without it."""
    if not torch.cuda.is_available():
        # DeepSpeed compiles Muon's update; without a GPU that would need a C++ compiler and minutes.
        torch.compiler.set_stance("force_eager")
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    import deepspeed
    from deepspeed.ops import __compatible_ops__

    # Otherwise the first start compiles an op with g++ that training never uses.
    __compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.utils.logger.setLevel(logging.ERROR)
    return deepspeed


def device() -> torch.device:
    """Where this process computes."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def join_world(rank: int, ranks: int, meeting: Path) -> None:
    """Meets the other ranks at a file that no earlier world has used; gloo on the CPU, nccl on GPUs."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks)}
    _deepspeed().init_distributed(
        dist_backend="nccl" if torch.cuda.is_available() else "gloo",
        auto_mpi_discovery=False,
        init_method=f"file://{meeting}",
        rank=rank,
        world_size=ranks,
        timeout=TIMEOUT,
        verbose=False,
    )


def leave_world() -> None:
    """Waits for the other ranks and parts from them."""
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


class Engine:
    """Drives a module whose forward pass returns a loss."""

    def __init__(self, module: nn.Module, settings: EngineSettings, micro_batches: int) -> None:
        deepspeed = _deepspeed()
        allow_tf32(settings.tf32)
        self.settings = settings
        self.engine, self.optimizer, _, _ = deepspeed.initialize(
            model=module, optimizer=_optimizer(module, settings), config=deepspeed_config(settings, micro_batches)
        )

    def loss(self, *inputs: Any) -> Tensor:
        """Forward pass of one micro-batch."""
        loss: Tensor = self.engine(*inputs)
        return loss

    def backward(self, loss: Tensor) -> None:
        """Adds this micro-batch's share to the gradient."""
        self.engine.backward(loss)

    def step(self, rate: float) -> None:
        """Counts a micro-batch; after the last of a step, clips and updates the weights at this rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * (self.settings.muon_factor if group.get("use_muon") else 1)
        last = self.engine.is_gradient_accumulation_boundary()
        self.engine.step()
        if last and self.settings.zero_stage == 3:
            # DeepSpeed overwrites a gradient in the first micro-batch of a step only: that of a stem which has no part
            # in the first would be added to the one of the step before (docs/decisions/0003-one-task-a-micro-batch.md).
            self.optimizer.grad_partitions_flat_buffer.zero_()

    def save(self, folder: Path, step: int, state: dict[str, Any]) -> None:
        """A checkpoint of weights, optimiser and `state`; the file `latest` names it once it is whole."""
        self.engine.save_checkpoint(
            str(folder), tag=f"step-{step:07d}", client_state={**state, "universal_checkpoint_info": {}}
        )

    def load(self, folder: Path) -> dict[str, Any] | None:
        """The state of the last whole checkpoint, weights and optimiser put back; None where there is none."""
        if not (folder / "latest").is_file():
            return None
        path, state = self.engine.load_checkpoint(str(folder))
        if path is None:
            raise MismatchError(f"{folder}: the checkpoint cannot be loaded; remove the folder to train anew")
        loaded: dict[str, Any] = state
        return loaded

    def weights(self) -> dict[str, Tensor]:
        """All weights, gathered from all ranks, on the CPU; every rank must call this."""
        module = self.engine.module
        with _deepspeed().zero.GatheredParameters(list(module.parameters()), enabled=self.settings.zero_stage == 3):
            return {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}


def allow_tf32(allowed: bool) -> None:
    """Whether products of single-precision matrices, and convolutions, may use the tensor cores of a GPU."""
    torch.set_float32_matmul_precision("high" if allowed else "highest")
    torch.backends.cudnn.allow_tf32 = allowed


def _optimizer(module: nn.Module, settings: EngineSettings) -> torch.optim.Optimizer:
    adam: dict[str, Any] = {"betas": settings.betas, "eps": settings.eps, "weight_decay": settings.weight_decay}
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(module.parameters(), fused=True, **adam)
    from deepspeed.runtime.zero.muon.muon_optimizer import MuonWithAuxAdam

    matrices, others = matrices_and_others(module)
    for parameters, use_muon in ((matrices, True), (others, False)):
        for parameter in parameters:
            # By this mark DeepSpeed knows, inside its flat partitions, what to make orthogonal.
            setattr(parameter, "use_muon", use_muon)  # noqa: B010
    muon = {"momentum": settings.muon_momentum, "weight_decay": settings.weight_decay, "ns_method": "standard"}
    groups = [
        {"params": matrices, "use_muon": True, "lr": 0.0, **muon},
        {"params": others, "use_muon": False, "lr": 0.0, **adam},
    ]
    optimizer: torch.optim.Optimizer = MuonWithAuxAdam(groups, torch.optim.AdamW, {"fused": True})
    return optimizer


def matrices_and_others(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The weights of linear layers, and every other parameter."""
    linear = {id(layer.weight) for layer in module.modules() if isinstance(layer, nn.Linear)}
    parameters = list(module.parameters())
    return [p for p in parameters if id(p) in linear], [p for p in parameters if id(p) not in linear]


def deepspeed_config(settings: EngineSettings, micro_batches: int) -> dict[str, Any]:
    """DeepSpeed's own settings; the micro-batch size is nominal, windows are counted by the plan."""
    config: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": micro_batches,
        "gradient_clipping": settings.clip,
        "zero_allow_untested_optimizer": True,
        "steps_per_print": 10**9,
        "zero_optimization": {
            "stage": settings.zero_stage,
            "overlap_comm": False,
            # Muon needs whole matrices where gradients are reduced.
            "reduce_scatter": settings.optimizer != "muon",
        },
    }
    if settings.autocast:
        config["torch_autocast"] = {"enabled": True, "dtype": settings.autocast}
    return config
