"""What ranks send each other in a step under each ZeRO stage, counted: traffic_run.py RANKS

Every call of a collective is counted where torch hands it to gloo, with the bytes of what it sends, as a
JSON line for each placement: {"all_reduce": [calls, bytes], ...}.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.walrus.training.forked_ranks import Layers, run_forked
from walrus.training.deepspeed_fence import load_deepspeed
from walrus.training.distributed import join_world, leave_world
from walrus.training.engine import Engine
from walrus.training.engine_settings import EngineSettings

WIDTH, LAYERS, MICRO_BATCHES = 320, 4, 3
KINDS = {
    "allreduce": "all_reduce",
    "allgather": "all_gather",
    "reduce_scatter": "reduce_scatter",
    "broadcast": "broadcast",
    "reduce_": "reduce",
    "alltoall": "all_to_all",
}


class Traffic(TorchDispatchMode):
    """Counts collectives, and the bytes of the tensor that they are about."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, list[int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        space, _, name = func._schema.name.partition("::")
        if space == "c10d":
            sizes = [leaf.nbytes for leaf in tree_leaves(args) if isinstance(leaf, Tensor)]
            kind = next((word for start, word in KINDS.items() if start in name), name)
            count = self.counts.setdefault(kind, [0, 0])
            count[0] += 1
            # Of a gather or a scatter, the longer of its two tensors is the whole.
            count[1] += max(sizes, default=0)
        return func(*args, **(kwargs or {}))


def placements(ranks: int) -> list[EngineSettings]:
    stages: tuple[Any, ...] = (0, 1, 2, 3)
    return [
        *(EngineSettings(zero_stage=stage) for stage in stages),
        EngineSettings(zero_stage=3, mics_shard_size=ranks // 2),
    ]


def count(rank: int, meeting: Path, ranks: int) -> None:
    """The third step of each placement: in the first ones DeepSpeed learns the order of the parameters."""
    torch.set_num_threads(1)
    join_world(rank, ranks, meeting)
    for settings in placements(ranks):
        torch.manual_seed(0)
        engine = Engine(Layers([WIDTH] * (LAYERS + 1)), settings, MICRO_BATCHES)
        for _ in range(3):
            with Traffic() as traffic:
                for number in range(MICRO_BATCHES):
                    engine.backward(engine.loss(torch.ones(2, WIDTH)))
                    if number + 1 < MICRO_BATCHES:
                        engine.count()
                engine.step(1e-3)
        if rank == 0:
            print(json.dumps(traffic.counts), flush=True)
    leave_world()


def main() -> None:
    load_deepspeed()
    ranks = int(sys.argv[1])
    if not run_forked(ranks, partial(count, ranks=ranks)):
        sys.exit(1)


if __name__ == "__main__":
    main()
