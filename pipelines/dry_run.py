"""walrus-pretrain --dry-run: what the first steps would read, cost and need, without reading it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from pipelines.dataset_facts import DatasetFacts, facts_of, plan_of
from pipelines.recipe import RunRecipe
from shards.program.byte_size import size_in_words
from shards.remote import Root
from walrus.batch import channels_of
from walrus.model.cost import window_cost
from walrus.reading.plan import MicroBatch, StreamPlan, Task
from walrus.reading.ranks import Rank, count_groups
from walrus.training.memory_estimate import activations, footprint, parameters
from walrus.training.simulate import balanced_times, busy_share
from walrus.vocabulary import PUBLISHED

STEPS_SHOWN = 2
MICRO_BATCHES_SHOWN = 12
STEPS_PREDICTED = 100


def dry_run(recipe: RunRecipe, root: Root, ranks: int, groups: int | None) -> dict[str, Any]:
    """All that is known of a run before it begins, as one document.

    Raises MismatchError where ranks and groups cannot share what a step reads.
    """
    model = recipe.model_settings
    known = {choice.name: facts_of(choice, root) for choice in recipe.datasets}
    plan = plan_of(recipe, known, model)
    engine = recipe.engine
    rank = Rank(0, ranks, count_groups(ranks, engine.zero_stage, engine.mics_shard_size, groups))
    plan.check(rank)
    times_SMG = balanced_times(plan, STEPS_PREDICTED, rank.groups)
    names = [name for each in known.values() for name in channels_of(each.schema)]
    count = parameters(model, len(PUBLISHED.extend(names)))
    largest = max(
        task.windows // rank.group_ranks * activations(model, known[task.name].schema, task.history)
        for task in plan.tasks
    )
    memory = footprint(count, engine, rank, largest)
    return {
        "title": recipe.title,
        "parameters": count,
        "steps": recipe.schedule.steps,
        "micro_batches": plan.micro_batches,
        "ranks": ranks,
        "groups": rank.groups,
        "tasks": {task.name: _task(task, known[task.name], recipe) for task in plan.tasks},
        "first_steps": [
            _step(plan, known, step, rank) for step in range(min(STEPS_SHOWN, recipe.schedule.steps))
        ],
        "tflop_a_step_and_rank": float(np.mean(times_SMG.sum(1))) / rank.group_ranks / 1e12,
        "idle_share": 1 - busy_share(times_SMG, 1),
        "memory": {**asdict(memory), "total": memory.total},
    }


def _task(task: Task, known: DatasetFacts, recipe: RunRecipe) -> dict[str, Any]:
    return {
        "known_from": known.origin,
        "grid": list(known.schema.grid.shape),
        "weight": task.weight,
        "trajectories": len(task.trajectory_frames),
        "starts": task.starts,
        "history": task.history,
        "windows": task.windows,
        "tokens_a_window": window_cost(recipe.model_settings, known.schema, task.history).tokens,
        "tflop_a_window": task.cost / 1e12,
        "tflop": task.micro_batch_cost / 1e12,
        "bytes": task.windows * (task.history + 1) * known.schema.frame_bytes,
    }


def _step(plan: StreamPlan, known: dict[str, DatasetFacts], step: int, rank: Rank) -> list[dict[str, Any]]:
    group_of = {
        micro.number: group
        for group in range(rank.groups)
        for micro in plan.of_group(step, Rank(group * rank.group_ranks, rank.ranks, rank.groups))
    }
    return [_micro_batch(micro, group_of[micro.number]) for micro in plan.step(step)]


def _micro_batch(micro: MicroBatch, group: int) -> dict[str, Any]:
    windows = [[window.trajectory, window.first, window.stride] for window in micro.windows]
    return {"number": micro.number, "group": group, "task": micro.task, "windows": windows}


def tell_dry_run(document: dict[str, Any]) -> str:
    """The document for people."""
    tasks = document["tasks"]
    width = max(len(name) for name in tasks)
    head = f"{'task':{width}} {'known from':>10} {'grid':>12} {'starts':>9} {'windows':>7} {'tokens':>7}"
    lines = [
        f"{document['title']}: {document['parameters'] / 1e6:.1f} million parameters, {document['steps']} steps of "
        f"{_micro_batches(document['micro_batches'])} on {_ranks(document)}",
        "",
        f"{head} {'TFLOP':>8} {'MB':>8}",
    ]
    for name, task in tasks.items():
        grid = "x".join(map(str, task["grid"]))
        lines.append(
            f"{name:{width}} {task['known_from']:>10} {grid:>12} {task['starts']:>9} {task['windows']:>7} "
            f"{task['windows'] * task['tokens_a_window']:>7} {task['tflop']:>8.3g} {task['bytes'] / 1e6:>8.1f}"
        )
    lines += [
        "Starts: window starts of a pass. The rest is of a micro-batch: windows, tokens, operations forward and "
        "backward, decoded bytes.",
        "",
    ]
    for step, micros in enumerate(document["first_steps"]):
        lines += [_line(step, micro, width) for micro in micros[:MICRO_BATCHES_SHOWN]]
        if len(micros) > MICRO_BATCHES_SHOWN:
            lines.append(f"step {step}: {len(micros) - MICRO_BATCHES_SHOWN} more (all with --json)")
    lines.append("")
    memory = {part: size_in_words(size) for part, size in document["memory"].items()}
    lines += [
        f"A rank computes {document['tflop_a_step_and_rank']:.3g} TFLOP a step and waits for others "
        f"{100 * document['idle_share']:.1f} % of the time (predicted from the costs).",
        f"Memory of a rank, about: {memory['total']} (weights {memory['weights']}, gradients {memory['gradients']}, "
        f"optimiser {memory['optimizer']}, activations {memory['activations']} in single precision).",
    ]
    return "\n".join(lines)


def _micro_batches(count: int) -> str:
    return "one micro-batch" if count == 1 else f"{count} micro-batches"


def _ranks(document: dict[str, Any]) -> str:
    if document["groups"] == 1:
        return f"{document['ranks']} ranks in one group" if document["ranks"] > 1 else "1 rank"
    return f"{document['ranks']} ranks in {document['groups']} groups"


def _line(step: int, micro: dict[str, Any], width: int) -> str:
    windows = " ".join(f"{trajectory}:{first}+{stride}" for trajectory, first, stride in micro["windows"])
    return f"step {step} group {micro['group']:<3} {micro['task']:{width}} {windows}"
