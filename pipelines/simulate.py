"""walrus-pretrain --simulate: how long 8, 96 and 1024 ranks would wait for each other."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from pipelines.dataset_facts import facts_of, plan_of
from pipelines.recipe import RunRecipe
from shards.remote import Root
from walrus.reading.plan import StreamPlan
from walrus.reading.ranks import Rank
from walrus.training.simulate import PUBLISHED_GAIN, ratio_for, shares, waiting_factor

WORLDS = (8, 96, 1024)
# As in the published run: ranks per sharding group, and micro-batches per group and step.
GROUP_RANKS = 4
ACCUMULATION = 4
# Micro-batches simulated for each row: with few groups these are many steps.
SIMULATED = 12_000
FEWEST_STEPS = 12


@dataclass(frozen=True)
class WorldShares:
    """The share of their time that so many ranks compute, for three ways to distribute tasks.

    The gains say how many times as many windows per second the other two ways process as the random one.
    """

    ranks: int
    group_ranks: int
    busy_random: float
    busy_grouped: float
    busy_balanced: float
    gain_grouped: float
    gain_balanced: float


@dataclass(frozen=True)
class Waiting:
    """How much so many ranks wait, and what would explain the published gain.

    - `factor`: how many times as long a micro-batch takes because of waiting.
    - `ratio`: the cost of a 3D window, divided by that of a 2D one, for which waiting alone would explain
      the gain; None if no ratio would. `limit` is the largest gain that waiting can explain.
    - `exchange`: the time that gathers must take to explain the rest, in units of the mean computation of a
      micro-batch.
    """

    ranks: int
    factor: float
    ratio: float | None
    limit: float
    exchange: float


@dataclass(frozen=True)
class PublishedGain:
    """The published gain, compared with this run.

    `share` is that of the 3D micro-batches. `ratio` is the cost of a 3D window divided by that of a 2D one;
    None if all tasks have the same number of axes.
    """

    share: float
    ratio: float | None
    gain: float
    waiting: tuple[Waiting, ...]


@dataclass(frozen=True)
class Simulation:
    """What `--simulate` predicts."""

    title: str
    rows: tuple[WorldShares, ...]
    published: PublishedGain

    @property
    def document(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


def simulate(recipe: RunRecipe, root: Root) -> Simulation:
    """Predicts waiting with (a) random tasks, (b) one task per group, (c) equal costs and balanced groups."""
    known = {choice.name: facts_of(choice, root) for choice in recipe.datasets}
    plan = plan_of(recipe, known, recipe.model_settings)
    group_ranks = recipe.engine.mics_shard_size or GROUP_RANKS
    rows = []
    for ranks in WORLDS:
        # Groups of the size in the recipe, and all ranks as one group.
        sizes = dict.fromkeys((group_ranks, ranks))
        rows += [_row(plan, ranks, size) for size in sizes if ranks % size == 0]
    volumes = {task.name for task in plan.tasks if len(known[task.name].schema.grid.axes) == 3}
    return Simulation(recipe.title, tuple(rows), _published(plan, volumes, group_ranks))


def _row(plan: StreamPlan, ranks: int, group_ranks: int) -> WorldShares:
    """One simulated world, with as many micro-batches per group as published."""
    rank = Rank(0, ranks, ranks // group_ranks)
    micros = ACCUMULATION * rank.groups
    steps = max(FEWEST_STEPS, SIMULATED // micros)
    found = shares(replace(plan, micro_batches=micros), rank, steps)
    grouped, balanced = found.gains
    return WorldShares(ranks, group_ranks, found.random, found.grouped, found.balanced, grouped, balanced)


def _published(plan: StreamPlan, volumes: set[str], group_ranks: int) -> PublishedGain:
    """The published gain, compared with this run; `volumes` are the names of its 3D tasks."""
    weights = {task.name: task.weight for task in plan.tasks}
    costs = {task.name: task.cost for task in plan.tasks}
    share = sum(weights[name] for name in volumes) / sum(weights.values())
    waiting = []
    for ranks in dict.fromkeys((group_ranks, *WORLDS)):
        factor = waiting_factor(list(costs.values()), list(weights.values()), ranks)
        waiting.append(
            Waiting(
                ranks=ranks,
                factor=factor,
                ratio=ratio_for(PUBLISHED_GAIN, share, ranks),
                limit=(1 - (1 - share) ** ranks) / share if share else 1.0,
                exchange=max(0.0, PUBLISHED_GAIN - factor),
            )
        )
    return PublishedGain(share, _ratio(costs, weights, volumes), PUBLISHED_GAIN, tuple(waiting))


def _ratio(costs: dict[str, float], weights: dict[str, int], volumes: set[str]) -> float | None:
    """The mean cost of a 3D window divided by that of a 2D one; None if all tasks are of one kind."""
    planes = set(costs) - volumes
    if not volumes or not planes:
        return None
    return _mean_cost(costs, weights, volumes) / _mean_cost(costs, weights, planes)


def _mean_cost(costs: dict[str, float], weights: dict[str, int], names: set[str]) -> float:
    return sum(costs[name] * weights[name] for name in names) / sum(weights[name] for name in names)


def simulation_text(simulation: Simulation) -> str:
    """The prediction for people."""
    lines = [
        f"{simulation.title}: share of the ranks' time spent computing, by counted costs; "
        f"{ACCUMULATION} micro-batches per group and step",
        "(a) each rank has its own task, one window   (b) one task per group   (c) equal costs, balanced",
        "",
        f"{'ranks':>6} {'a group':>8} {'(a)':>7} {'(b)':>7} {'(c)':>7} {'b / a':>7} {'c / a':>7}",
    ]
    lines += [
        f"{row.ranks:>6} {row.group_ranks:>8} {row.busy_random:>7.1%} {row.busy_grouped:>7.1%} "
        f"{row.busy_balanced:>7.1%} {row.gain_grouped:>6.2f}x {row.gain_balanced:>6.2f}x"
        for row in simulation.rows
    ]
    return "\n".join([*lines, "", *_published_lines(simulation.published)])


def _published_lines(found: PublishedGain) -> list[str]:
    """The published gain, and how much of it waiting explains, as lines of text."""
    if found.ratio is None:
        return ["All tasks have as many axes: the published gain, of 2D and 3D together, does not apply."]
    lines = [
        f"The published gain is {found.gain}x (+{100 * found.gain - 100:.0f} %). Here {found.share:.0%} of "
        f"the micro-batches are 3D, and a 3D window costs as much as {found.ratio:.1f} 2D ones.",
        "",
        f"{'ranks that wait':>16} {'waiting costs':>14} {'gain at a cost ratio of':>24} "
        f"{'or gathers of':>14}",
    ]
    for row in found.waiting:
        ratio = f"{row.ratio:.0f}" if row.ratio else f"none, at most {row.limit:.2f}x"
        lines.append(f"{row.ranks:>16} {row.factor:>13.2f}x {ratio:>24} {row.exchange:>13.2f}x")
    return [
        *lines,
        "Gathers are in units of the mean computation of a micro-batch: what sharding over all these ranks",
        "would have to spend on them in addition to waiting, if sharding within a node spent nothing.",
    ]
