"""In how many steps ZeRO 3 can gather parameters ahead, and what leaf modules and hpZ change: on CPUs.

    python tests/bench/zero_trace.py            one rank
    python tests/bench/zero_trace.py --ranks 4  also what a rank gathers; hpZ needs four ranks

DeepSpeed records the order of the modules in a step, gathers ahead by it in the next one (the trace is
*complete*), and gives it up where a step goes another way: 2D and 3D data have another stem. A leaf module is
gathered as a whole, and the order inside it does not matter. hpZ (ZeRO++) keeps a second copy of the
parameters, shared by pairs of ranks here, for what the backward pass gathers again.

A row is twelve steps with a rate of 0: those with a complete trace; what a rank gathers in a step from all
ranks and from its pair, as the mean of the last six, where 1 is all parameters once; and the largest error of
the norm of a step's gradient next to that of plain autograd. More than rounding is a wrong gradient.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

sys.path.insert(0, str(Path(__file__).parents[2]))

from shards.schema import Boundary
from tests.walrus.training.forked_ranks import run_forked
from walrus.model.block import Block
from walrus.model.decoder import Decoder
from walrus.model.encoder import Encoder
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.training.deepspeed_fence import gradient_of_rank, load_deepspeed
from walrus.training.distributed import join_world, leave_world
from walrus.training.engine_settings import EngineSettings, deepspeed_config

PERIODIC = ((Boundary.PERIODIC,) * 2,) * 3
GRIDS = {2: (16, 16, 1), 3: (16, 16, 16)}
ORDERS = {
    "2D alone": [2] * 12,
    "2D and 3D in turn": [2, 3] * 6,
    "three of each in turn": [2, 2, 2, 3, 3, 3] * 2,
}
SETTINGS = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=3, drop_path=0.0)
VOCABULARY = 9
# Otherwise DeepSpeed keeps parameters of less than 100,000 numbers on every rank.
ALL_SHARED = {"stage3_param_persistence_threshold": 0}
# Nothing is kept from the forward pass to the backward pass, as with more than 10^9 parameters.
AGAIN = {"stage3_max_reuse_distance": 0, "stage3_prefetch_bucket_size": 0}


class Stems(nn.ModuleDict):
    """The stems of 2D and 3D data as one module, which can be a leaf: both are gathered, one is used."""

    def __getitem__(self, key: str) -> Any:
        return partial(self, key)

    def forward(self, key: str, *inputs: Any) -> Tensor:
        output: Tensor = super().__getitem__(key)(*inputs)
        return output


@dataclass(frozen=True)
class Variant:
    """Which modules are leaves, and what differs in DeepSpeed's own settings.

    If the input of a leaf needs no gradient, DeepSpeed takes the gradients of the leaf before they are
    computed. With `input_learns` the input needs one.
    """

    name: str
    leaves: tuple[type[nn.Module], ...] = ()
    input_learns: bool = False
    zero: tuple[tuple[str, int], ...] = ()


VARIANTS = (
    Variant("as it is"),
    Variant("leaves: blocks", (Block,)),
    Variant("leaves: blocks, stems", (Block, Encoder, Decoder)),
    Variant("the same, input learns", (Block, Encoder, Decoder), input_learns=True),
    Variant("leaves: blocks, both stems in one", (Block, Stems), input_learns=True),
    Variant("gathered again", zero=tuple(AGAIN.items())),
    Variant("gathered again, hpZ", zero=(*AGAIN.items(), ("zero_hpz_partition_size", 2))),
)


class Objective(nn.Module):
    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.network = Walrus(SETTINGS, VOCABULARY)
        if Stems in variant.leaves:
            self.network.encoders = Stems(self.network.encoders)
            self.network.decoders = Stems(self.network.decoders)

    def forward(self, x_TBCHWD: Tensor) -> Tensor:
        loss: Tensor = self.network(x_TBCHWD, [4], PERIODIC).square().mean()
        return loss


class Gathers(TorchDispatchMode):
    """Counts the bytes that are gathered, by the number of ranks that take part."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = Counter[int]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "allgather" in func._schema.name:
            sizes = [leaf.nbytes for leaf in tree_leaves(args) if isinstance(leaf, Tensor)]
            self.bytes[max(sizes) // min(sizes)] += max(sizes)
        return func(*args, **(kwargs or {}))


def gradient_norm(objective: Objective, x_TBCHWD: Tensor) -> float:
    """That of plain autograd."""
    objective(x_TBCHWD).backward()
    gradients = [each.grad.flatten() for each in objective.parameters() if each.grad is not None]
    objective.zero_grad(set_to_none=True)
    return float(torch.cat(gradients).double().norm())


def row(variant: Variant, order: list[int], ranks: int, deepspeed: Any) -> str:
    """Twelve steps on data of so many axes each, as cells of a table."""
    torch.manual_seed(0)
    objective = Objective(variant)
    fields = {}
    for axes, grid in GRIDS.items():
        fields[axes] = torch.randn(3, 1, 1, *grid, requires_grad=variant.input_learns)
    expected = {axes: gradient_norm(objective, field) for axes, field in fields.items()}
    if variant.leaves:
        deepspeed.utils.set_z3_leaf_modules(objective, list(variant.leaves))
    count = sum(parameter.numel() for parameter in objective.parameters())
    whole = 4 * count
    config = deepspeed_config(EngineSettings(zero_stage=3), 1, count)
    config["zero_optimization"] |= ALL_SHARED | dict(variant.zero)
    still = torch.optim.AdamW(objective.parameters(), lr=0.0)
    engine, optimizer, _, _ = deepspeed.initialize(model=objective, optimizer=still, config=config)

    complete, error, gathered = 0, 0.0, Counter[int]()
    for number, axes in enumerate(order):
        with Gathers() as gathers:
            loss = engine(fields[axes])
            complete += optimizer.parameter_offload.get_param_coordinator().is_complete_trace()
            engine.backward(loss)
            engine.step()
        # As the engine of this project does: docs/decisions/0003-one-task-a-micro-batch.md.
        gradient_of_rank(optimizer).zero_()
        error = max(error, abs(float(engine.get_global_grad_norm()) / expected[axes] - 1))
        if number >= 6:
            gathered += gathers.bytes
    of_all, of_pair = (gathered[size] / 6 / whole for size in (ranks, 2))
    pair = f"{of_pair:.2f}" if ranks > 2 else ""
    return f"{complete} of {len(order)} | {of_all:.2f} | {pair} | {error:.0e}"


def measure(rank: int, meeting: Path, ranks: int, variant: Variant) -> None:
    """A row for each order of one variant; in processes of their own, as DeepSpeed keeps groups of ranks."""
    torch.set_num_threads(1)
    deepspeed = load_deepspeed()
    join_world(rank, ranks, meeting)
    for name, order in ORDERS.items():
        cells = row(variant, order, ranks, deepspeed)
        if rank == 0:
            print(f"| {variant.name} | {name} | {cells} |", flush=True)
    leave_world()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ranks", type=int, default=1)
    ranks = parser.parse_args().ranks
    load_deepspeed()
    print("| | order | complete | from all | from a pair | error |\n|---|---|---|---|---|---|", flush=True)
    for variant in VARIANTS:
        if not run_forked(ranks, partial(measure, ranks=ranks, variant=variant)):
            print(f"| {variant.name} | ended with an error |")


if __name__ == "__main__":
    main()
