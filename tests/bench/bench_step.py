"""CPU time of a training step of `tiny` under two ZeRO stages, and how far apart the weights are at the end.

    python tests/bench/bench_step.py data                       the shards of `make pretrain`; a minute
    python tests/bench/bench_step.py data --stages 1 1          how much of a difference is noise

The engines take turns, step by step, in one process with one thread. They begin with equal weights and see
the same micro-batches. Times are those of the processor, which other programs disturb less than a clock.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean

import torch

from pipelines.recipe import RunRecipe, find_run_recipe
from shards.program.machine import keep_freed_memory
from walrus.batch import Batch
from walrus.model.cost import cost_of
from walrus.model.walrus import Walrus
from walrus.reading.stream import Shards, plan_stream, stream
from walrus.training.distributed import join_world, leave_world
from walrus.training.engine import Engine
from walrus.training.objective import TrainingObjective
from walrus.training.schedule import learning_rate
from walrus.vocabulary import PUBLISHED

# The first steps have no task twice: memory is new, kernels are chosen.
WARM_UP = 6


@dataclass
class Measured:
    """An engine and the CPU seconds of its steps: forward, backward, update."""

    engine: Engine
    objective: TrainingObjective
    seconds: list[tuple[float, float, float]] = field(default_factory=list)

    def step(self, batch: Batch, number: int, rate: float) -> None:
        times = [time.process_time()]
        loss = self.engine.loss(batch, number)
        times.append(time.process_time())
        self.engine.backward(loss)
        times.append(time.process_time())
        self.engine.step(rate)
        times.append(time.process_time())
        self.seconds.append((times[1] - times[0], times[2] - times[1], times[3] - times[2]))

    def milliseconds(self) -> list[float]:
        """The mean of forward, backward, update and all of a step, without the first steps."""
        parts = [1000 * mean(part) for part in zip(*self.seconds[WARM_UP:], strict=True)]
        return [*parts, sum(parts)]


def measured(recipe: RunRecipe, stage: int) -> Measured:
    """An engine of this stage with the weights of seed 0."""
    torch.manual_seed(0)
    training = recipe.training
    objective = TrainingObjective(
        Walrus(recipe.model_settings, len(PUBLISHED)),
        PUBLISHED,
        training.seed,
        rotate=recipe.stream.rotate,
        jitters=training.jitter,
        eps=training.eps,
    )
    settings = replace(recipe.engine, zero_stage=stage)
    return Measured(Engine(objective, settings, recipe.stream.micro_batches), objective)


def run(root: Path, stages: Sequence[int], steps: int) -> list[Measured]:
    """Trains an engine of each stage for so many steps, in turns."""
    recipe = find_run_recipe("tiny")
    shards = Shards.open(root, list(recipe.weights), recipe.reading)
    plan = plan_stream(
        shards, recipe.weights, recipe.stream, recipe.training.seed, cost_of(recipe.model_settings)
    )
    engines = [measured(recipe, stage) for stage in stages]
    for step, (micro, batch) in enumerate(stream(plan, shards, 0, steps)):
        # Neither is always the one that finds the batch in the caches.
        for each in engines if step % 2 else reversed(engines):
            each.step(batch, micro.number, learning_rate(recipe.schedule, step))
    return engines


def furthest(one: Measured, other: Measured) -> float:
    """The largest difference between a weight of two engines."""
    pairs = zip(one.objective.parameters(), other.objective.parameters(), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--stages", type=int, nargs=2, default=[1, 0])
    parser.add_argument("--steps", type=int, default=48)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        join_world(0, 1, Path(folder) / "meeting")
        engines = run(options.root, options.stages, options.steps)
        leave_world()
    print(
        "| ZeRO | forward ms | backward ms | update ms | step ms | of the first |\n|---|---|---|---|---|---|"
    )
    first = engines[0].milliseconds()[-1]
    for stage, each in zip(options.stages, engines, strict=True):
        times = each.milliseconds()
        print(f"| {stage} | {' | '.join(f'{ms:.1f}' for ms in times)} | {times[-1] / first:.3f} |")
    print(f"largest difference of a weight after {options.steps} steps: {furthest(*engines):g}")


if __name__ == "__main__":
    main()
