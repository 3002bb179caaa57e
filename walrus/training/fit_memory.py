"""Changes settings so that a training step fits the memory, or reports in one line that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from shards.errors import MismatchError
from shards.program.byte_size import size_in_words
from shards.program.machine import usable_memory
from shards.schema import Schema
from walrus.device import device, is_out_of_memory
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.reading.ranks import Rank
from walrus.training.engine_settings import EngineSettings
from walrus.training.memory_estimate import MemoryEstimate, ParameterCount, activations, footprint
from walrus.training.tuning import TuningSettings, prepare

# The share of the memory that a step may need by the estimate; the rest is for what the estimate leaves out.
MARGIN = 0.85
# On a CPU: what Python and torch hold, and how much more than the activations freed memory that is kept and
# intermediate results of a step take. Measured at 2.5 GB where the activations are 0.94 GB.
PROCESS_BYTES = 350e6
ACTIVATIONS_ON_A_CPU = 2.3


@dataclass(frozen=True)
class TrainingLoad:
    """What a rank trains: a network with so many columns, on `windows` windows at a time of such data."""

    columns: int
    tuning: TuningSettings
    schema: Schema
    history: int
    windows: int
    rank: Rank


def step_footprint(model: ModelSettings, engine: EngineSettings, load: TrainingLoad) -> MemoryEstimate:
    """The memory of a step on the device of a rank; untrained weights need no gradient and no optimiser."""
    every, learning = _parameters(model, load)
    kept = load.windows * (activations(model, load.schema, load.history) + _recomputed(model, load))
    whole, trained = (footprint(count, engine, load.rank, kept) for count in (every, learning))
    return replace(
        trained,
        weights=whole.weights,
        # ZeRO 3 gathers weights that are not trained too.
        buffers=whole.buffers if engine.zero_stage == 3 else trained.buffers,
    )


@dataclass(frozen=True)
class FittedSettings:
    """The settings of a run, and the memory that a step needs with them."""

    model: ModelSettings
    engine: EngineSettings
    needed: MemoryEstimate

    @classmethod
    def of(cls, model: ModelSettings, engine: EngineSettings, load: TrainingLoad) -> FittedSettings:
        """These settings as they are."""
        return cls(model, engine, step_footprint(model, engine, load))


def fitted(model: ModelSettings, engine: EngineSettings, load: TrainingLoad, memory: int) -> FittedSettings:
    """Settings with which a step fits into `memory` bytes: as they are, or with as few changes as possible.

    The first change is to recompute all activations, the second to keep the optimiser in the memory of the
    CPU as well, which needs ZeRO. If nothing fits, the last ones are returned: the estimate shows how much is
    missing.
    """
    recomputing = replace(model, checkpoint_every=1)
    choices = [FittedSettings.of(model, engine, load), FittedSettings.of(recomputing, engine, load)]
    if engine.optimizer == "adamw" and not engine.mics_shard_size:
        kept_by_cpu = replace(engine, zero_stage=max(1, engine.zero_stage), offload="optimizer")
        choices.append(FittedSettings.of(recomputing, kept_by_cpu, load))
    return next((each for each in choices if fits(each.needed, memory)), choices[-1])


def fits(needed: MemoryEstimate, memory: int) -> bool:
    """Whether a step is likely to fit into so many bytes of a GPU."""
    return needed.total <= MARGIN * memory


def process_bytes(needed: MemoryEstimate) -> float:
    """The most memory of a process that trains on a CPU, in bytes, about.

    >>> process_bytes(MemoryEstimate(weights=10e6, gradients=10e6, optimizer=20e6, activations=200e6)) / 1e6
    850.0
    """
    return PROCESS_BYTES + needed.total + (ACTIVATIONS_ON_A_CPU - 1) * needed.activations


def _parameters(model: ModelSettings, load: TrainingLoad) -> tuple[ParameterCount, ParameterCount]:
    """All parameters, and those that are trained."""
    with torch.device("meta"):
        network = Walrus(model, load.columns)
        prepare(network, load.tuning)
    return ParameterCount.of(network), ParameterCount.of(network, trained=True)


def _recomputed(model: ModelSettings, load: TrainingLoad) -> float:
    """The activations of one block for a window, in bytes, which exist while it is recomputed."""
    if not model.checkpoint_every:
        return 0.0
    one, two = (
        activations(replace(model, blocks=blocks, checkpoint_every=0), load.schema, load.history)
        for blocks in (1, 2)
    )
    return two - one


def machine_memory() -> int:
    """Bytes of the GPU; without one, those of the machine that this process may use."""
    if torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(device()).total_memory)
    return usable_memory()


def in_words(needed: MemoryEstimate) -> str:
    """The estimate in words, for the user."""
    parts = {
        "weights": needed.weights,
        "gradients": needed.gradients,
        "optimiser": needed.optimizer,
        "activations": needed.activations,
        "buffers": needed.buffers,
    }
    words = [f"{name} {size_in_words(part)}" for name, part in parts.items()]
    host = f", and {size_in_words(needed.host)} of the memory of the CPU" if needed.host else ""
    return f"about {size_in_words(needed.total)} ({', '.join(words)}){host}"


@contextmanager
def enough_memory(run: Path) -> Iterator[None]:
    """Raises MismatchError if the GPU or the CPU runs out of memory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise MismatchError(
            f"{run}: out of memory in a training step; lower stream.windows_2d and windows_3d, "
            "recompute activations (checkpoint_every = 1 of the model), adapt fewer weights "
            "(tuning.low_rank), "
            "or take engine.zero_stage 3 on more GPUs"
        ) from error
