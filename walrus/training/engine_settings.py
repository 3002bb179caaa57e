"""How weights are updated and where they are kept: our settings, and DeepSpeed's JSON made from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, TypeAdapter, model_validator

from shards.errors import SettingsError
from shards.schema import Natural, NotNegative, Positive, checked

# Gradients are summed over ranks, and ZeRO 3 gathers parameters, in pieces of so many numbers: 200 MB
# (docs/decisions/0171-buffers.md).
LARGEST_BUCKET = 50_000_000


@checked
class EngineSettings:
    """How weights are updated and where they are kept: ZeRO stage 0 to 3, fp32 or bf16 autocast.

    With `muon`, Muon updates the matrices of linear layers, at `muon_factor` times the rate of the schedule,
    and AdamW the rest. DeepSpeed clips the gradient after Muon has made it orthogonal (with ZeRO 0 before),
    so `clip` must allow for its larger norm.
    """

    # 0 is the fastest on one process: docs/decisions/0167-no-zero-on-one-process.md.
    zero_stage: Literal[0, 1, 2, 3] = 1
    # Number of neighbouring ranks that share one copy of the state, as in MiCS (arXiv 2205.00119) and hybrid
    # FSDP; 0: all ranks.
    mics_shard_size: Natural = 0
    # Keep AdamW's moments and the weights that it updates in the memory of the CPU.
    offload: Literal["none", "optimizer"] = "none"
    # Compile the blocks of the network; only on a GPU (docs/decisions/0172-fast-on-gpus.md).
    compile: bool = False
    optimizer: Literal["adamw", "muon"] = "adamw"
    muon_factor: Positive = 10.0
    muon_momentum: NotNegative = 0.95
    # The rate of the blocks, divided by that of encoder and decoder; below 1, fine-tuning changes them less.
    blocks_factor: Positive = 1.0
    weight_decay: NotNegative = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    eps: Positive = 1e-10
    clip: Positive = 10.0
    # The decay of an exponential average of the weights, which is then the model of the run; 0: no average.
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    autocast: Literal["", "bfloat16"] = ""
    # Single precision, but GPUs round the factors of products to 10 bits, as in the published run.
    tf32: bool = False
    # How long ranks wait for one that reads or saves; after that it counts as lost, and the run ends.
    wait_minutes: Positive = 30.0

    @model_validator(mode="after")
    def _possible(self) -> EngineSettings:
        """Refuse settings that DeepSpeed cannot combine."""
        if self.mics_shard_size and self.zero_stage != 3:
            raise ValueError(
                f"mics_shard_size is for zero_stage 3, which shares parameters; found {self.zero_stage}"
            )
        if self.offload == "optimizer" and (
            self.zero_stage == 0 or self.optimizer == "muon" or self.mics_shard_size
        ):
            raise ValueError("offload needs zero_stage 1, 2 or 3, optimizer adamw and no mics_shard_size")
        if self.compile and self.zero_stage == 3:
            raise ValueError(
                "compile cannot see the weights that zero_stage 3 gathers; take zero_stage 0, 1 or 2"
            )
        return self

    def check_machine(self, *, gpu: bool) -> None:
        """Raises SettingsError if a setting needs a GPU and there is none."""
        if self.offload != "none" and not gpu:
            raise SettingsError(
                f"engine.offload {self.offload}: moves memory off a GPU, and there is none; set it to none"
            )
        if self.compile and not gpu:
            raise SettingsError("engine.compile: is for GPUs, and there is none; set it to false")

    @property
    def identity(self) -> dict[str, JsonValue]:
        """The settings that the losses depend on; where the state is kept is not one of them."""
        placement = {"zero_stage", "mics_shard_size", "offload", "compile", "wait_minutes"}
        every: dict[str, JsonValue] = TypeAdapter(EngineSettings).dump_python(self, mode="json")
        return {name: value for name, value in every.items() if name not in placement}


def deepspeed_config(settings: EngineSettings, micro_batches: int, parameters: int) -> dict[str, Any]:
    """DeepSpeed's own settings for a module with so many trained parameters.

    The micro-batch size is nominal: windows are counted by the plan.
    """
    bucket = max(1, min(parameters, LARGEST_BUCKET))
    config: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": micro_batches,
        "gradient_clipping": settings.clip,
        "zero_allow_untested_optimizer": True,
        "steps_per_print": 10**9,
        "zero_optimization": {
            "stage": settings.zero_stage,
            "overlap_comm": False,
            # Left out, 2 GB would be taken for it, whatever the size of the module.
            "reduce_bucket_size": bucket,
            "stage3_prefetch_bucket_size": bucket,
            # Muon needs whole matrices where gradients are reduced.
            "reduce_scatter": settings.optimizer != "muon",
        },
    }
    if settings.zero_stage == 0:
        # We clip ourselves, to see the norm before the weights are changed. Left out it would be 1.
        config["gradient_clipping"] = 0.0
    if settings.offload == "optimizer":
        config["zero_optimization"]["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
        # PyTorch's fused AdamW on the CPU: DeepSpeed's own would be compiled, and is hardly faster.
        config["zero_force_ds_cpu_optimizer"] = False
    if settings.autocast:
        # No module is named whose gradients may be summed in half precision.
        config["torch_autocast"] = {
            "enabled": True,
            "dtype": settings.autocast,
            "lower_precision_safe_modules": [],
        }
    return config
