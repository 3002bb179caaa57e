"""Evaluates a trained model on one dataset: forecasts, scores, pictures and a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipelines.preflight import require_writable
from pipelines.train_and_evaluate import describe, evaluate_all
from shards.remote import Root, open_dataset
from shards.schema import Split
from walrus.checkpoint import load_model
from walrus.evaluation.forecast_protocol import EvaluationSettings
from walrus.evaluation.report import RunFacts
from walrus.evaluation.score_tables import TaskScores, task_scores
from walrus.evaluation.write import save
from walrus.rollout import ChangeBounds
from walrus.training.run_lock import owned

# Room on the disk for pictures, an animation, a report that holds both, and tables.
RESULT_BYTES = 10**7


def evaluate_model(
    checkpoint: Path,
    dataset: str,
    root: Root,
    out: Path,
    *,
    settings: EvaluationSettings,
    split: Split = "test",
    jitters: bool | None = None,
    bounds: ChangeBounds | None = None,
    draws: int = 1,
    trend_share: float = 0.0,
) -> dict[str, TaskScores]:
    """Forecasts the trajectories of a split, and writes the results to `out`; returns the scores by dataset.

    `jitters` turns patch jitter on or off; None: as the model was trained. Each frame is the mean over
    `draws` of the jitter. `bounds` limit the change of fields in rollouts; None: the usual ones. A share
    `trend_share` of each forecast is the trend of the window. Raises MismatchError if the model does not know
    a channel of the dataset, or another process writes into `out`.
    """
    require_writable(out, RESULT_BYTES)
    description, model = load_model(checkpoint)
    if jitters is not None:
        model = replace(model, jitters=jitters)
    model = replace(model, draws=draws, bounds=bounds or model.bounds, trend_share=trend_share)
    opened = open_dataset(root, dataset)
    with owned(out):
        results = evaluate_all(model, description, [opened], settings, split)
        facts = (("model", str(checkpoint)), *describe(description, model))
        save(out, RunFacts(f"{checkpoint.name} on {dataset}", facts), results)
    return task_scores([result.evaluation for result in results])
