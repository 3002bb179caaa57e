"""What grouping gains: real ranks under ZeRO 3, 2D and 3D windows mixed, next to the prediction of the
simulator.

    python tests/bench/bench_grouping.py               2 ranks, then 4; gloo on the CPU, one thread per rank
    python tests/bench/bench_grouping.py --ranks 2 --steps 6 --json grouping.json

(a) every rank draws a task of its own for each micro-batch; (b) all ranks work on one task, one window each;
(c) in addition there are as many 2D windows as cost the same as a 3D one. The three take turns, step by step,
in one run with the same weights. Under ZeRO 3, ranks on different tasks would wait for each other forever,
because 2D and 3D windows go through different encoders. Here both go through that of the volume, so all ranks
gather the same parameters in the same order. The work is the same, as its kernel is summed along the axis of
size 1 (walrus/model/convolution.py).

Simulated: walrus.training.simulate on the counted costs of the same draws, with one core per rank. Predicted:
from the time of each kind of micro-batch, measured alone on all ranks, and from the number of cores. With
fewer cores than ranks, a rank that waits leaves its core to another, and little is lost.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from shards.program.machine import keep_freed_memory, usable_cores
from shards.schema import Boundary, FieldSpec, Grid, Schema
from walrus.batch import Batch, embed
from walrus.model.cost import Cost, window_cost
from walrus.model.geometry import Axes
from walrus.model.settings import STEMS, ModelSettings
from walrus.model.walrus import Walrus
from walrus.randomness import below
from walrus.reading.ranks import Rank
from walrus.training.distributed import join_world, leave_world
from walrus.training.engine import Engine
from walrus.training.engine_settings import EngineSettings
from walrus.training.objective import TrainingObjective
from walrus.training.simulate import busy_share
from walrus.vocabulary import PUBLISHED

MODEL = ModelSettings(hidden=96, heads=4, inner=16, mlp=384, blocks=3, drop_path=0.0, dimensions=(3,))
GRIDS = {"plane": (64, 48), "volume": (32, 32, 32)}
HISTORY = {"plane": 4, "volume": 3}
ACCUMULATION = 4
STRATEGIES = {"random": "(a)", "grouped": "(b)", "balanced": "(c)"}
# (task, windows of one rank)
Work = tuple[str, int]


class OneStem(Walrus):
    """The network with one encoder and one decoder for any number of axes."""

    def _stem(self, axes: Axes) -> str:
        return STEMS[3]


@dataclass(frozen=True)
class Row:
    """One strategy on so many ranks: its speed, and its gain over (a) as measured, simulated, predicted."""

    ranks: int
    strategy: str
    tokens_per_second: float
    gflop_per_second: float
    gain: float
    simulated_gain: float
    predicted_gain: float


def schema(task: str) -> Schema:
    shape = GRIDS[task]
    grid = Grid(("x", "y", "z")[: len(shape)], tuple(tuple(map(float, range(size))) for size in shape))
    return Schema((FieldSpec("density"),), grid, ((Boundary.PERIODIC, Boundary.PERIODIC),) * len(shape))


def cost(task: str) -> Cost:
    return window_cost(MODEL, schema(task), HISTORY[task])


def windows(task: str, balanced: bool) -> int:
    """One window, or as many as cost what the dearest task's window does."""
    dearest = max(cost(each).total for each in GRIDS)
    return max(1, round(dearest / cost(task).total)) if balanced else 1


def work(strategy: str, step: int, rank: int) -> list[Work]:
    """What a rank does in the micro-batches of a step; tasks come evenly, as a fair coin falls."""
    tasks = tuple(GRIDS)
    owner = rank if strategy == "random" else 0
    drawn = [tasks[below(2, 0, "task", step, micro, owner)] for micro in range(ACCUMULATION)]
    return [(task, windows(task, strategy == "balanced")) for task in drawn]


def batch(task: str, count: int) -> Batch:
    """Random windows."""
    given = schema(task)
    fields = torch.randn(count, HISTORY[task] + 1, *given.frame_shape)
    static = torch.empty(count, *given.static_shape)
    cells = torch.zeros(count, *given.grid.shape, dtype=torch.uint8)
    return embed(task, given, (1.0,), (), fields, static, cells)


def seconds(engine: Engine, batches: dict[Work, Batch], todo: list[Work]) -> float:
    """The time of a step, as the slowest rank has it."""
    dist.barrier()
    began = time.perf_counter()
    for number, item in enumerate(todo):
        engine.backward(engine.loss(batches[item], number))
        if number + 1 < len(todo):
            engine.count()
    engine.step(1e-4)
    dist.barrier()
    return time.perf_counter() - began


def rank_main(rank: int, ranks: int, steps: int, meeting: Path, out: Path) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    join_world(rank, ranks, meeting)
    torch.manual_seed(0)
    trainee = TrainingObjective(
        OneStem(MODEL, len(PUBLISHED)),
        PUBLISHED,
        0,
        rotate=False,
        jitters=True,
        eps=1e-5,
        rank=Rank(rank, ranks),
    ).train()
    engine = Engine(trainee, EngineSettings(zero_stage=3), ACCUMULATION)
    kinds = sorted({(task, windows(task, balanced)) for task in GRIDS for balanced in (False, True)})
    batches = {kind: batch(*kind) for kind in kinds}
    alone = {kind: [seconds(engine, batches, [kind] * ACCUMULATION) for _ in range(3)] for kind in kinds}
    times: dict[str, list[float]] = {strategy: [] for strategy in STRATEGIES}
    for step in range(steps):
        for strategy in STRATEGIES:
            times[strategy].append(seconds(engine, batches, work(strategy, step, rank)))
    if rank == 0:
        measured = {
            "alone": [[*kind, min(found[1:]) / ACCUMULATION] for kind, found in alone.items()],
            "times": times,
        }
        out.write_text(json.dumps(measured), encoding="utf-8")
    leave_world()


def predicted(strategy: str, steps: int, ranks: int, alone: dict[Work, float], cores: int) -> float:
    """Seconds of all steps: in each micro-batch the slowest rank, or all work shared by the cores if few."""
    crowded = max(1.0, ranks / cores)
    times_SRM = np.array(
        [
            [[alone[item] / crowded for item in work(strategy, step, rank)] for rank in range(ranks)]
            for step in range(steps)
        ]
    )
    return float(np.maximum(times_SRM.max(1), times_SRM.sum(1) / min(cores, ranks)).sum())


def simulated(strategy: str, steps: int, ranks: int) -> float:
    """The share of the ranks' time that is work."""
    costs_SRM = [
        [[count * cost(task).total for task, count in work(strategy, step, rank)] for rank in range(ranks)]
        for step in range(steps)
    ]
    return busy_share(np.array(costs_SRM).swapaxes(1, 2), ranks)


def rows(ranks: int, steps: int, alone: dict[Work, float], times: dict[str, list[float]]) -> list[Row]:
    done, speeds, forecasts = {}, {}, {}
    for strategy in STRATEGIES:
        items = [
            item for step in range(steps) for rank in range(ranks) for item in work(strategy, step, rank)
        ]
        tokens = sum(count * cost(task).tokens for task, count in items)
        gflop = sum(count * cost(task).total for task, count in items) / 1e9
        elapsed = sum(times[strategy])
        done[strategy] = tokens / elapsed
        speeds[strategy] = gflop / elapsed
        forecasts[strategy] = gflop / predicted(strategy, steps, ranks, alone, usable_cores())
    return [
        Row(
            ranks,
            strategy,
            done[strategy],
            speeds[strategy],
            speeds[strategy] / speeds["random"],
            simulated(strategy, steps, ranks) / simulated("random", steps, ranks),
            forecasts[strategy] / forecasts["random"],
        )
        for strategy in STRATEGIES
    ]


def measure(ranks: int, steps: int) -> list[Row]:
    # DeepSpeed calls what PyTorch has renamed.
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore::FutureWarning"}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "measured.json"
        spawn(rank_main, (ranks, steps, Path(folder) / "meeting", out), nprocs=ranks)
        measured = json.loads(out.read_text(encoding="utf-8"))
    alone = {(task, count): found for task, count, found in measured["alone"]}
    print(
        f"{ranks} ranks, a micro-batch alone: "
        + ", ".join(f"{n} x {t} {s:.3f} s" for (t, n), s in alone.items())
    )
    return rows(ranks, steps, alone, measured["times"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--json", type=Path, help="where to write the numbers as well")
    options = parser.parse_args()
    ratio = cost("volume").total / cost("plane").total
    print(f"a 3D window has {ratio:.1f} times the operations of a 2D one; {usable_cores()} cores")
    found = [row for ranks in options.ranks for row in measure(ranks, options.steps)]
    print(
        f"{'ranks':>5} {'':<13} {'tokens/s':>9} {'GFLOP/s':>8} {'gain':>6} {'simulated':>9} {'predicted':>9}"
    )
    for row in found:
        name = f"{STRATEGIES[row.strategy]} {row.strategy}"
        print(
            f"{row.ranks:>5} {name:<13} {row.tokens_per_second:>9.0f} {row.gflop_per_second:>8.1f} "
            f"{row.gain:>5.2f}x {row.simulated_gain:>8.2f}x {row.predicted_gain:>8.2f}x"
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in found], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
