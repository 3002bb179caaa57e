"""Three steps of a small module under each ZeRO stage, the third gradient not finite: a JSON line each."""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributed import distributed_c10d

from walrus.training.distributed import join_world, leave_world
from walrus.training.engine import Engine
from walrus.training.engine_settings import EngineSettings

PLACEMENTS = [
    *(EngineSettings(zero_stage=stage, ema=0.5) for stage in (0, 1, 2, 3)),
    *(EngineSettings(zero_stage=stage, ema=0.5, offload="optimizer") for stage in (1, 2, 3)),
    EngineSettings(zero_stage=3, ema=0.5, mics_shard_size=1),
]


class Module(nn.Module):
    """A finite loss, whose gradient is not where asked for: the root of zero has no slope."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(5))
        self.layer = nn.Linear(3, 2)

    def forward(self, broken: bool) -> Tensor:
        loss = self.layer(torch.ones(3)).sum() + self.weight.sum()
        return loss + (self.weight * 0).sqrt().sum() if broken else loss


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        join_world(0, 1, Path(folder) / "meeting")
        for settings in PLACEMENTS:
            torch.manual_seed(0)
            engine = Engine(Module(), replace(settings, weight_decay=0.0, wait_minutes=7.0), micro_batches=1)
            losses, norms = [], []
            for broken in (False, False, True):
                loss = engine.loss(broken)
                losses.append(float(loss.detach()))
                engine.backward(loss)
                norms.append(engine.step(1e-2))
            state = {f"{piece.kind} {piece.name}": piece.values.tolist() for piece in engine.fragments()}
            finite = [math.isfinite(norm) for norm in norms]
            line = {"losses": losses, "finite": finite, "updates": engine.updates, "state": state}
            groups = list(distributed_c10d._world.pg_map)
            line["waits"] = [group._get_backend(torch.device("cpu")).options._timeout for group in groups]
            line["waits"] = [wait.total_seconds() for wait in line["waits"]]
            print(json.dumps(line))
        leave_world()


if __name__ == "__main__":
    main()
