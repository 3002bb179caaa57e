"""In how many steps ZeRO 3 knows the order of the modules, and can gather parameters ahead: one rank, a CPU.

    python tests/bench/zero_trace.py

DeepSpeed records the order of the modules in a step (*recording*), gathers ahead by it in the next one
(*complete*), and gives it up where a step goes another way (*invalid*): 2D and 3D data have another stem.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import torch
from torch import Tensor, nn

from shards.schema import Boundary
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.training.deepspeed_fence import load_deepspeed
from walrus.training.distributed import join_world, leave_world
from walrus.training.engine import Engine
from walrus.training.engine_settings import EngineSettings

PERIODIC = ((Boundary.PERIODIC,) * 2,) * 3
GRIDS = {2: (16, 16, 1), 3: (16, 16, 16)}
ORDERS = {
    "2D alone": [2] * 12,
    "2D and 3D in turn": [2, 3] * 6,
    "three of each in turn": [2, 2, 2, 3, 3, 3] * 2,
}


class Objective(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = Walrus(ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=3), 9)

    def forward(self, x_TBCHWD: Tensor) -> Tensor:
        loss: Tensor = self.network(x_TBCHWD, [4], PERIODIC).square().mean()
        return loss


def states(order: list[int]) -> Counter[str]:
    """What DeepSpeed's trace was in the middle of each step, on data of so many axes each."""
    engine = Engine(Objective(), EngineSettings(zero_stage=3), 1)
    found = Counter[str]()
    for axes in order:
        loss = engine.loss(torch.randn(3, 1, 1, *GRIDS[axes]))
        trace = engine.optimizer.parameter_offload.get_param_coordinator()
        recording = "recording" if trace.is_record_trace() else "invalid"
        found["complete" if trace.is_complete_trace() else recording] += 1
        engine.backward(loss)
        engine.step(1e-3)
    return found


def main() -> None:
    load_deepspeed()
    with tempfile.TemporaryDirectory() as folder:
        join_world(0, 1, Path(folder) / "meeting")
        for name, order in ORDERS.items():
            print(f"{name}: {dict(states(order))}")
        leave_world()


if __name__ == "__main__":
    main()
