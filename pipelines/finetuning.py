"""Fine-tuning: adapts a trained model to one dataset, evaluates it there and writes a model card."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch

from pipelines.job import Job
from pipelines.model_card import BaseModel, write_card
from pipelines.recipe import DatasetChoice, RunRecipe
from pipelines.train_and_evaluate import run_and_evaluate
from shards.counted import counted
from shards.errors import MismatchError
from shards.program.byte_size import size_in_words
from shards.program.console import say
from shards.read import Dataset
from shards.remote import Root
from shards.schema import SPLITS, Schema
from walrus.checkpoint import ModelDescription
from walrus.evaluation.score_tables import TaskScores
from walrus.model.cost import cost_of
from walrus.model.settings import PRESETS, ModelSettings
from walrus.reading.plan import StreamSettings
from walrus.reading.ranks import Rank
from walrus.reading.stream import Shards, empty_batch
from walrus.training.fit_memory import FittedSettings, TrainingLoad, fits, fitted, in_words, machine_memory
from walrus.training.rollout_training import RolloutSettings
from walrus.training.tuning import tuned_settings
from walrus.vocabulary import Vocabulary

# A number of windows that differs from the one asked for by at most this share needs no reason.
NEAR = 0.1


def finetune(
    dataset: str,
    root: Root,
    *,
    base: Path,
    description: ModelDescription,
    out: Path,
    samples: int,
    template: RunRecipe,
    ranks: int = 1,
    allow: tuple[str, ...] = (),
    trace: Path | None = None,
    keep_state: bool = False,
) -> dict[str, TaskScores]:
    """Fine-tunes a model on a dataset, evaluates it and writes its card; returns the scores by dataset.

    `base` is the folder of the model, and `description` what it says of it. It trains on about `samples`
    windows. Raises MismatchError if the base model does not fit the dataset.
    """
    shards = Shards.open(root, [dataset], template.reading)
    opened = shards.datasets[dataset]
    check_fit(description, opened)
    schema = opened.card.schema
    recipe = finetune_recipe(template, dataset, base, description, samples, schema)
    say(words_on_length(recipe, samples, _windows_a_step(recipe.stream, description, schema)))
    history = description.history(len(schema.grid.axes))
    recipe = replace(recipe, rollout=rollout_that_fits(recipe.rollout, opened, history))
    recipe = _without_early_stopping(recipe, opened, history)
    vocabulary = Vocabulary(description.vocabulary).extend(shards.channels)
    _report_new_channels(vocabulary.names[len(description.vocabulary) :], shards.channels)
    example = empty_batch(dataset, opened)
    model = tuned_settings(description.model, recipe.tuning, example, jitter=recipe.training.jitter)
    load = TrainingLoad(
        columns=len(vocabulary),
        tuning=recipe.tuning,
        schema=schema,
        history=history,
        windows=max(1, recipe.stream.windows(schema, cost_of(model)) // ranks),
        rank=Rank(0, ranks),
    )
    model, recipe = fit_memory(model, recipe, load)
    job = Job(
        recipe=recipe,
        model=model,
        vocabulary=vocabulary.names,
        root=root,
        run=out,
        ranks=ranks,
        base=base,
        allow=allow,
        trace=trace,
        keep_state=keep_state,
    )
    scores = run_and_evaluate(job, shards)
    if scores:
        write_card(out, recipe, [opened.card], scores, BaseModel(base.name, description))
    return scores


def recipe_for(base: ModelDescription) -> str:
    """The name of the run recipe that suits the width of this base model.

    Source: docs/decisions/0194-fine-tuning-narrow-networks.md.
    """
    return "finetune-tiny" if base.model.hidden < PRESETS["small"].hidden else "finetune"


def check_fit(description: ModelDescription, dataset: Dataset) -> None:
    """Raises MismatchError if fine-tuning would fail, or its model could not be evaluated."""
    schema, folder = dataset.card.schema, dataset.files.where()
    axes = sum(size > 1 for size in schema.grid.shape)
    if (3 if axes == 3 else 2) not in description.model.dimensions:
        raise MismatchError(
            f"{folder}: a grid of {axes} axes; the base model has dimensions {description.model.dimensions}; "
            "start from a model trained on such data"
        )
    history = description.history(len(schema.grid.axes))
    for split in ("train", "test"):
        if not dataset.entries(split):
            found = ", ".join(f"{len(dataset.entries(each))} {each}" for each in SPLITS)
            raise MismatchError(
                f"{folder}: has no {split} trajectories ({found}); say in its recipe which are for what "
                "([split] or [[held_out]]) and build it again"
            )
        longest = max(entry.frames for entry in dataset.entries(split))
        if longest <= history:
            raise MismatchError(
                f"{folder}: the longest {split} trajectory has {longest} frames; the base model "
                f"looks back {history} and forecasts one more; give longer trajectories, or a base model "
                "with a shorter history"
            )
    unknown = [name for name, moments in dataset.card.moments.items() if not math.isfinite(moments.rms)]
    if unknown:
        raise MismatchError(
            f"{folder}: {', '.join(unknown)} is not finite in training data; build it again from clean files"
        )


def finetune_recipe(
    recipe: RunRecipe, dataset: str, base: Path, description: ModelDescription, samples: int, schema: Schema
) -> RunRecipe:
    """The recipe for this dataset: history and jitter of the base model, and steps for `samples` windows.

    If each window is normalised by its own RMS, `eps` is that of the base model too.
    """
    stream = replace(recipe.stream, history_2d=description.history_2d, history_3d=description.history_3d)
    a_step = _windows_a_step(stream, description, schema)
    steps_an_epoch = max(1, round(samples / (a_step * recipe.schedule.epochs)))
    eps = description.eps if recipe.training.normalise == "sample" else recipe.training.eps
    return replace(
        recipe,
        title=f"Fine-tuning on {dataset}",
        datasets=(DatasetChoice(dataset),),
        base=str(base),
        stream=stream,
        schedule=replace(recipe.schedule, steps_an_epoch=steps_an_epoch),
        training=replace(recipe.training, jitter=description.jitters, eps=eps),
    )


def _windows_a_step(stream: StreamSettings, description: ModelDescription, schema: Schema) -> int:
    return stream.micro_batches * stream.windows(schema, cost_of(description.model))


def words_on_length(recipe: RunRecipe, samples: int, a_step: int) -> str:
    """How long the run is; and why, where that is not what `--samples` asks for."""
    schedule = recipe.schedule
    windows = schedule.steps * a_step
    length = f"length: {counted(schedule.steps, 'step')} of {counted(a_step, 'window')}"
    if abs(windows - samples) <= NEAR * samples:
        return length
    return (
        f"{length}, {windows:,} windows in all and not {samples:,}: each of the "
        f"{counted(schedule.epochs, 'epoch')} of the recipe has a whole number of steps; for fewer epochs "
        "set schedule.epochs, schedule.warm_up and schedule.cool_down"
    )


def fit_memory(
    model: ModelSettings, recipe: RunRecipe, load: TrainingLoad
) -> tuple[ModelSettings, RunRecipe]:
    """The settings with which a step fits the memory of the GPU, which are printed; on a CPU, unchanged."""
    memory, gpu = machine_memory(), torch.cuda.is_available()
    if gpu:
        chosen = fitted(model, recipe.engine, load, memory)
    else:
        chosen = FittedSettings.of(model, recipe.engine, load)
    say(
        f"memory: a step takes {in_words(chosen.needed)}; "
        f"{'the GPU' if gpu else 'this machine'} has {size_in_words(memory)}"
    )
    if chosen.model.checkpoint_every != model.checkpoint_every:
        say("memory: activations are computed again in the backward pass, to save memory")
    if chosen.engine.offload != recipe.engine.offload:
        say("memory: the state of the optimiser is kept in the memory of the CPU")
    if not fits(chosen.needed, memory):
        say(
            "memory: this will probably not be enough; lower stream.windows_2d and windows_3d, or "
            "set tuning.low_rank"
        )
    return chosen.model, replace(recipe, engine=chosen.engine)


def rollout_that_fits(asked: RolloutSettings, dataset: Dataset, history: int) -> RolloutSettings:
    """Shorter rollouts than asked for, where longer ones would lose a training trajectory; printed."""
    shortest = min(entry.frames for entry in dataset.entries("train") if entry.frames > history)
    steps = min(asked.steps, shortest - history)
    if steps == asked.steps:
        return asked
    say(
        f"{dataset.files.where()}: rollouts of {counted(steps, 'step')}, not {asked.steps}: a training "
        f"trajectory has {shortest} frames, and the model looks back {history}"
    )
    return replace(asked, steps=steps)


def _without_early_stopping(recipe: RunRecipe, dataset: Dataset, history: int) -> RunRecipe:
    """The recipe without early stopping, if there are no validation trajectories for it."""
    if not recipe.early_stopping.every or any(entry.frames > history for entry in dataset.entries("valid")):
        return recipe
    where = dataset.files.where()
    say(f"{where}: no validation trajectory is longer than {history} frames, so nothing ends the run early")
    return replace(recipe, early_stopping=replace(recipe.early_stopping, every=0))


def _report_new_channels(new: tuple[str, ...], channels: tuple[str, ...]) -> None:
    """Prints which channels the base model does not know."""
    if new:
        known = "the rest is known" if len(new) < len(channels) else "none of its fields is known"
        say(f"new to the base model: {', '.join(new)}; {known}")
