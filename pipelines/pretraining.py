"""Pretrains, from source files to scores: ingest, train, evaluate, report; finished work is reused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ingest.building.build import build, quarantine_lines
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.catalogue import find_recipe
from pipelines.job import Job
from pipelines.model_card import write_card
from pipelines.preflight import require_writable
from pipelines.recipe import DatasetChoice, RunRecipe
from pipelines.train_and_evaluate import run_and_evaluate
from shards.counted import counted
from shards.errors import SourceError
from shards.program.console import say
from shards.program.machine import usable_cores
from shards.remote import Root, is_remote
from walrus.evaluation.score_tables import TaskScores
from walrus.reading.stream import Shards
from walrus.training.distributed import LauncherRank
from walrus.vocabulary import PUBLISHED


def ingest_all(choices: Sequence[DatasetChoice], root: Path, workers: int) -> None:
    """Builds each dataset for which the recipe names source files; one that is built already is checked."""
    for choice in choices:
        if not choice.path:
            continue
        if not Path(choice.path).exists():
            if (root / choice.name / "index.json").is_file():
                continue
            raise SourceError(
                f"{choice.path}: the source files of {choice.name} are not there (seen from {Path.cwd()}); "
                f"start in the folder where they are, or build {choice.name} in {root} first"
            )
        recipe = find_recipe(choice.recipe or choice.name, choice.set)
        built = build(plan_build(recipe, Path(choice.path), "zarr", "lz4"), root, Resources(workers))
        state = "ingested" if built.written_parts else "found"
        trajectories = sum(count.trajectories for count in built.card.counts.values())
        say(f"{state} {built.folder}: {counted(trajectories, 'trajectory')}")
        for line in quarantine_lines(built.card.quarantine):
            say(f"left out: {line}")


def pretrain(
    recipe: RunRecipe,
    root: Root,
    run: Path,
    *,
    ranks: int = 1,
    groups: int | None = None,
    allow: tuple[str, ...] = (),
    trace: Path | None = None,
    keep_state: bool = False,
) -> dict[str, TaskScores]:
    """Ingests, trains and evaluates, and writes the model card; returns the scores by dataset.

    Datasets behind a URL must be built already, and all datasets if a launcher starts the ranks. Then only
    the first rank returns scores.
    """
    if not run.exists():
        # Checked before hours of ingest.
        require_writable(run)
    if LauncherRank.find() is None and not is_remote(root):
        ingest_all(recipe.datasets, Path(root), usable_cores())
    shards = Shards.open(root, [choice.name for choice in recipe.datasets], recipe.reading)
    vocabulary = PUBLISHED.extend(shards.channels)
    job = Job(
        recipe=recipe,
        model=recipe.model_settings,
        vocabulary=vocabulary.names,
        root=root,
        run=run,
        ranks=ranks,
        groups=groups,
        allow=allow,
        trace=trace,
        keep_state=keep_state,
    )
    scores = run_and_evaluate(job, shards)
    if scores:
        write_card(run, recipe, [dataset.card for dataset in shards.datasets.values()], scores)
    return scores
