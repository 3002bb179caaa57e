"""What real ranks hold in a step under each ZeRO stage, counted: state_run.py RANKS BUCKET

Of each placement a JSON line: the bytes of all tensors that rank 0 holds at most during a step.
Gradients are summed, and matrices moved by Muon, in pieces of BUCKET numbers. Layers are of unequal sizes, of
which no number of ranks is a divisor.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tests.bench.live_bytes import LiveBytes
from tests.walrus.training.forked_ranks import Layers, run_forked
from walrus.training import engine_settings, muon
from walrus.training.deepspeed_fence import load_deepspeed
from walrus.training.distributed import join_world, leave_world
from walrus.training.engine import Engine
from walrus.training.engine_settings import EngineSettings

# Each layer has more than the 10^5 numbers below which ZeRO 3 shares none.
WIDTHS = (
    *(371, 337, 341, 329, 347, 331, 359, 323, 353, 325, 343, 327),
    *(349, 333, 361, 335, 339, 321, 351, 319, 345, 317, 355, 318),
)
MICRO_BATCHES, STEPS = 2, 3


def placements(ranks: int) -> list[EngineSettings]:
    stages: tuple[Any, ...] = (0, 1, 2, 3)
    return [
        *(EngineSettings(zero_stage=stage, ema=0.9 if stage == 1 else 0.0) for stage in stages),
        EngineSettings(zero_stage=3, mics_shard_size=ranks // 2),
        *(EngineSettings(zero_stage=stage, optimizer="muon") for stage in stages),
        *(EngineSettings(zero_stage=stage, offload="optimizer") for stage in stages[1:]),
    ]


def count(rank: int, meeting: Path, ranks: int, settings: EngineSettings) -> None:
    """The smallest peak of several steps: a thread of gloo that drops a buffer late only adds to one.

    The first step is left out: in it the optimiser makes its state, and DeepSpeed learns an order.
    """
    torch.set_num_threads(1)
    join_world(rank, ranks, meeting)
    with LiveBytes() as live:
        engine = Engine(Layers(WIDTHS), settings, MICRO_BATCHES)
        peaks = []
        for _ in range(STEPS):
            live.peak = live.now
            for number in range(MICRO_BATCHES):
                engine.backward(engine.loss(torch.ones(1, WIDTHS[0])))
                if number + 1 < MICRO_BATCHES:
                    engine.count()
            engine.step(1e-3)
            peaks.append(live.peak)
    if rank == 0:
        print(min(peaks[1:]), flush=True)
    leave_world()


def main() -> None:
    """A world of its own for each placement, or the tensors of one would count for the next."""
    load_deepspeed()
    # Muon's iteration would be compiled in each world.
    torch.compiler.set_stance("force_eager")
    ranks, engine_settings.LARGEST_BUCKET = map(int, sys.argv[1:])
    muon.LARGEST_PIECE = 4 * engine_settings.LARGEST_BUCKET
    for settings in placements(ranks):
        if not run_forked(ranks, partial(count, ranks=ranks, settings=settings)):
            sys.exit(1)


if __name__ == "__main__":
    main()
