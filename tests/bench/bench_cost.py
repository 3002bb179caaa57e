"""How well does the counted cost of a window predict the time of its training pass? bench_cost.py [--preset
small]

Shapes with very different numbers of tokens, frames and channels, interleaved in one run. The last column is
the time per operation over its mean: 1.00 everywhere is a perfect prediction. On a CPU the time is the
processor time of one thread, the least of all repeats, which other work on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import geometric_mean

import torch

from shards.program.machine import keep_freed_memory
from shards.schema import Boundary, FieldSpec, Grid, Schema, Sides
from walrus.batch import channels_of
from walrus.model.cost import Cost, window_cost
from walrus.model.random_draws import draw_shifts
from walrus.model.settings import PRESETS, ModelSettings
from walrus.model.walrus import Walrus

PERIODIC, OPEN = ((side, side) for side in (Boundary.PERIODIC, Boundary.OPEN))
VOCABULARY = 67


@dataclass(frozen=True)
class Case:
    """Windows of `history` frames on a grid, periodic or open."""

    grid: tuple[int, ...]
    history: int
    windows: int = 1
    scalars: int = 1
    sides: Sides = PERIODIC

    @property
    def name(self) -> str:
        kind = "periodic" if self.sides == PERIODIC else "open"
        shape = "x".join(map(str, self.grid))
        return f"{self.windows} x {self.history} x {shape} {kind}, {self.scalars + 3} channels"

    @property
    def schema(self) -> Schema:
        fields = (*(FieldSpec(f"scalar{n}") for n in range(self.scalars)), FieldSpec("velocity", rank=1))
        grid = Grid(
            ("x", "y", "z")[: len(self.grid)], tuple(tuple(map(float, range(size))) for size in self.grid)
        )
        return Schema(fields, grid, (self.sides,) * len(self.grid))


CASES = {
    "tiny": (
        Case((64, 48), 4, 2),
        Case((64, 48), 8, 2),
        Case((64, 48), 4, 4),
        Case((128, 128), 4),
        Case((128, 128), 4, sides=OPEN),
        Case((128, 128), 4, scalars=8),
        Case((256, 64), 6),
        Case((128, 384), 4),
        Case((24, 16, 24), 4, 2),
        Case((32, 32, 32), 3),
        Case((32, 32, 32), 3, sides=OPEN),
        Case((64, 32, 32), 3),
        Case((48, 48, 48), 2),
    ),
    "small": (
        Case((64, 48), 4),
        Case((128, 128), 3),
        Case((128, 128), 6),
        Case((128, 128), 3, sides=OPEN),
        Case((32, 32, 32), 3),
        Case((64, 32, 32), 2),
    ),
}


def training_pass(network: Walrus, case: Case) -> Callable[[], None]:
    """A forward and a backward pass on random fields."""
    thin = 3 - len(case.grid)
    height, width, depth = (*case.grid, *(1,) * thin)
    sides = (*(case.sides,) * len(case.grid), *(PERIODIC,) * thin)
    x = torch.randn(case.history, case.windows, len(channels_of(case.schema)), height, width, depth)
    shifts = draw_shifts(network.settings, (height, width, depth), sides, torch.Generator().manual_seed(1))

    def run() -> None:
        network(x, range(3, 3 + x.shape[2]), sides, shifts).abs().mean().backward()
        network.zero_grad()

    return run


def seconds(run: Callable[[], None]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def operations(model: ModelSettings, case: Case) -> tuple[Cost, float]:
    cost = window_cost(model, case.schema, case.history)
    return cost, case.windows * cost.total


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=sorted(CASES), default="tiny")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    model, cases = PRESETS[options.preset], CASES[options.preset]
    torch.manual_seed(0)
    network = Walrus(model, VOCABULARY).train()
    runs = {case.name: training_pass(network, case) for case in cases}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(1 + options.repeats):
        for name, run in runs.items():
            spent = seconds(run)
            if repeat:
                times[name].append(spent)
    counted = {case.name: operations(model, case) for case in cases}
    paces = {name: min(times[name]) / counted[name][1] for name in runs}
    mean = geometric_mean(paces.values())
    rows = [
        {
            "case": name,
            "tokens": counted[name][0].tokens,
            "stem_share": counted[name][0].stem / counted[name][0].forward,
            "attention_share": counted[name][0].space_attention / counted[name][0].forward,
            "gflop": counted[name][1] / 1e9,
            "milliseconds": 1e3 * min(times[name]),
            "pace": paces[name] / mean,
        }
        for name in runs
    ]
    if options.json:
        print(json.dumps({"preset": options.preset, "rows": rows}, indent=1))
        return
    print(f"{'case':44} {'tokens':>7} {'stem':>5} {'attn':>5} {'GFLOP':>8} {'ms':>8} {'pace':>5}")
    for row in rows:
        print(
            f"{row['case']:44} {row['tokens']:>7} {row['stem_share']:5.0%} {row['attention_share']:5.0%} "
            f"{row['gflop']:8.2f} {row['milliseconds']:8.1f} {row['pace']:5.2f}"
        )


if __name__ == "__main__":
    main()
