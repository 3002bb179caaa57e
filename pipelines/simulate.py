"""walrus-pretrain --simulate: what waiting costs on 8, 96 and 1024 ranks, and what the published gain would take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipelines.dataset_facts import facts_of, plan_of
from pipelines.recipe import RunRecipe
from shards.remote import Root
from walrus.reading.plan import StreamPlan
from walrus.reading.ranks import Rank
from walrus.training.simulate import PUBLISHED_GAIN, ratio_for, shares, waiting_factor

WORLDS = (8, 96, 1024)
# As published: ranks of a sharding group, micro-batches of a group and step.
GROUP_RANKS = 4
ACCUMULATION = 4
# Micro-batches simulated for each row; for a few groups that is many steps.
SIMULATED = 12_000
FEWEST_STEPS = 12


def simulate(recipe: RunRecipe, root: Root) -> dict[str, Any]:
    """The shares of time spent computing under (a) random tasks, (b) grouped, (c) grouped, of equal cost, balanced."""
    model = recipe.model_settings
    known = {choice.name: facts_of(choice, root) for choice in recipe.datasets}
    plan = plan_of(recipe, known, model)
    group_ranks = recipe.engine.mics_shard_size or GROUP_RANKS
    rows = [
        _row(plan, ranks, size)
        for ranks in WORLDS
        for size in dict.fromkeys((group_ranks, ranks))
        if ranks % size == 0
    ]
    volumes = {task.name for task in plan.tasks if len(known[task.name].schema.grid.axes) == 3}
    return {"title": recipe.title, "rows": rows, "published": _published(plan, volumes, group_ranks)}


def _row(plan: StreamPlan, ranks: int, group_ranks: int) -> dict[str, Any]:
    rank = Rank(0, ranks, ranks // group_ranks)
    micros = ACCUMULATION * rank.groups
    found = shares(replace(plan, micro_batches=micros), rank, max(FEWEST_STEPS, SIMULATED // micros))
    grouped, balanced = found.gains
    return {
        "ranks": ranks,
        "group_ranks": group_ranks,
        "busy_random": found.random,
        "busy_grouped": found.grouped,
        "busy_balanced": found.balanced,
        "gain_grouped": grouped,
        "gain_balanced": balanced,
    }


def _published(plan: StreamPlan, volumes: set[str], group_ranks: int) -> dict[str, Any]:
    """Under which costs waiting alone makes up the published gain, and what gathers would have to take otherwise."""
    weights = {task.name: task.weight for task in plan.tasks}
    costs = {task.name: task.cost for task in plan.tasks}
    share = sum(weights[name] for name in volumes) / sum(weights.values())
    waiting = [
        {
            "ranks": ranks,
            "factor": (factor := waiting_factor(list(costs.values()), list(weights.values()), ranks)),
            "ratio": ratio_for(PUBLISHED_GAIN, share, ranks),
            "limit": (1 - (1 - share) ** ranks) / share if share else 1.0,
            "exchange": max(0.0, PUBLISHED_GAIN - factor),
        }
        for ranks in dict.fromkeys((group_ranks, *WORLDS))
    ]
    return {
        "share": share,
        "ratio": _ratio(costs, weights, volumes),
        "gain": PUBLISHED_GAIN,
        "waiting": waiting,
    }


def _ratio(costs: dict[str, float], weights: dict[str, int], volumes: set[str]) -> float | None:
    """The mean cost of a 3D window over that of a 2D one; None where there is but one kind."""
    means = []
    for names in (volumes, set(costs) - volumes):
        if not names:
            return None
        means.append(
            sum(costs[name] * weights[name] for name in names) / sum(weights[name] for name in names)
        )
    return means[0] / means[1]


def tell_simulation(document: dict[str, Any]) -> str:
    """The document for people."""
    lines = [
        f"{document['title']}: share of the ranks' time spent computing, by counted costs; "
        f"{ACCUMULATION} micro-batches a group and step",
        "(a) every rank a task of its own, a window each   (b) one task a group   (c) equal cost, groups balanced",
        "",
        f"{'ranks':>6} {'a group':>8} {'(a)':>7} {'(b)':>7} {'(c)':>7} {'b / a':>7} {'c / a':>7}",
    ]
    lines += [
        f"{row['ranks']:>6} {row['group_ranks']:>8} {row['busy_random']:>7.1%} {row['busy_grouped']:>7.1%} "
        f"{row['busy_balanced']:>7.1%} {row['gain_grouped']:>6.2f}x {row['gain_balanced']:>6.2f}x"
        for row in document["rows"]
    ]
    return "\n".join([*lines, "", *_tell_published(document["published"])])


def _tell_published(found: dict[str, Any]) -> list[str]:
    if found["ratio"] is None:
        return ["All tasks have as many axes: the published gain, of 2D and 3D together, does not apply."]
    lines = [
        f"The published gain is {found['gain']}x (+{100 * found['gain'] - 100:.0f} %). Here {found['share']:.0%} of "
        f"the micro-batches are 3D, and a 3D window costs {found['ratio']:.1f} 2D ones.",
        "",
        f"{'ranks that wait':>16} {'waiting costs':>14} {'gain at a cost ratio of':>24} {'or gathers of':>14}",
    ]
    for row in found["waiting"]:
        ratio = f"{row['ratio']:.0f}" if row["ratio"] else f"none, at most {row['limit']:.2f}x"
        lines.append(f"{row['ranks']:>16} {row['factor']:>13.2f}x {ratio:>24} {row['exchange']:>13.2f}x")
    return [
        *lines,
        "Gathers are in units of the mean computation of a micro-batch: what sharding over all of these ranks",
        "would have to spend on them, beside waiting, if sharding within a node spent nothing.",
    ]
