"""Trains and evaluates a run, as far as this has not been done, and prints the scores."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from pipelines.job import Job, has_this_recipe, is_finished, write_recipe
from pipelines.live_page import curves
from pipelines.preflight import check_run
from pipelines.progress import evaluation_progress
from pipelines.run import train
from shards.counted import counted
from shards.program.console import print_json, print_text, say
from shards.read import Dataset
from shards.schema import Split
from walrus.checkpoint import ModelDescription, load_description, load_model
from walrus.evaluation.evaluate import evaluate
from walrus.evaluation.figures import draw
from walrus.evaluation.forecast_protocol import EvaluationSettings
from walrus.evaluation.report import DatasetResult, RunFacts, count, duration
from walrus.evaluation.score_tables import TaskScores, read_scores, score_table, scores_document
from walrus.evaluation.write import save
from walrus.reading.stream import Shards
from walrus.rollout import ChangeBounds, Model
from walrus.training.distributed import LauncherRank
from walrus.training.log import LOSSES, LoggedStep, read_lines
from walrus.training.run_lock import owned

EVALUATION = "evaluation"


def run_and_evaluate(job: Job, shards: Shards) -> dict[str, TaskScores]:
    """Trains and evaluates, as far as this has not been done; returns the scores by dataset.

    If a launcher has started the ranks, the first one evaluates; the others return no scores.
    """
    launched = LauncherRank.find()
    if launched is not None and launched.rank > 0:
        if not is_finished(job):
            train(job)
        return {}
    scores = job.run / EVALUATION / "scores.json"
    if not (is_finished(job) and has_this_recipe(job) and scores.is_file()):
        with owned(job.run):
            _train_and_evaluate(job, shards, scores)
    else:
        _report_finished(job)
    return read_scores(scores)


def _train_and_evaluate(job: Job, shards: Shards, scores: Path) -> None:
    """Does what is left of a run; this process must own the folder."""
    finished = is_finished(job)
    if not (finished and has_this_recipe(job)):
        scores.unlink(missing_ok=True)
    if finished:
        write_recipe(job)
        _report_finished(job)
    else:
        check_run(job, shards)
        train(job)
    if not scores.is_file():
        _evaluate(job, shards)


def _report_finished(job: Job) -> None:
    say(f"found {job.run}: trained, with the weights of step {load_description(job.run).step}")


def _evaluate(job: Job, shards: Shards) -> None:
    """Evaluates the trained model on all datasets of the run, and writes report and scores."""
    began = time.perf_counter()
    description, model = load_model(job.run)
    results = evaluate_all(model, description, list(shards.datasets.values()), job.recipe.evaluation)
    losses = read_lines(job.run / LOSSES, LoggedStep)
    facts = (
        *describe(description, model),
        ("training time", duration(sum(line.seconds for line in losses))),
        ("evaluation time", duration(time.perf_counter() - began)),
    )
    save(job.run / EVALUATION, RunFacts(job.recipe.title, facts), results, curves(losses))


def evaluate_all(
    model: Model,
    description: ModelDescription,
    datasets: Sequence[Dataset],
    settings: EvaluationSettings,
    split: Split = "test",
) -> list[DatasetResult]:
    """One result per dataset; raises MismatchError if the model does not know a channel."""
    results = []
    for dataset in datasets:
        history = description.history(len(dataset.card.schema.grid.axes))
        with evaluation_progress(dataset.card.name) as progress:
            evaluation = evaluate(model, dataset, settings.protocol(history, split), progress)
        results.append(DatasetResult(evaluation, draw(evaluation)))
        trajectories = counted(len(evaluation.trajectories), f"{split} trajectory")
        say(f"evaluated {dataset.card.name}: {trajectories}")
    return results


def describe(description: ModelDescription, model: Model) -> tuple[tuple[str, str], ...]:
    """Facts about a model (name, value), for a report."""
    parameters = sum(parameter.numel() for parameter in model.network.parameters())
    facts = [("published file", description.origin)] if description.origin else []
    facts += [
        ("parameters", count(parameters)),
        ("steps", str(description.step)),
        ("trained on", ", ".join(description.datasets)),
        ("patch jitter", "on" if model.jitters else "off"),
    ]
    # What a user has changed.
    if model.jitters and model.draws > 1:
        facts.append(("draws of the jitter", str(model.draws)))
    if model.trend_share:
        facts.append(("share of the trend", f"{model.trend_share:g}"))
    if model.bounds != ChangeBounds():
        facts.append(("change per step", f"{model.bounds.lowest:g} to {model.bounds.highest:g}"))
    return tuple(facts)


def print_scores(scores: dict[str, TaskScores], run: Path, *, as_json: bool) -> None:
    """Prints the scores and the paths of report and pictures; nothing where there are no scores."""
    if not scores:
        return
    if as_json:
        print_json(scores_document(scores))
        return
    print_text(score_table(scores, "model"))
    print_text(f"\nVRMSE: 0 is a perfect forecast, 1 is the score of the spatial mean.\nmodel     {run}")
    print_text(f"report    {run / EVALUATION / 'report.html'}\npictures  {run / EVALUATION / 'pictures'}")
