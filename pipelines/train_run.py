"""One training run in its folder: recipe, ranks, fit, model files. Pretraining and fine-tuning call it alike."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.multiprocessing.spawn import ProcessExitedException, spawn

from pipelines.recipe import RunRecipe
from shards.console import say, stderr
from shards.document import write_atomically
from shards.errors import MismatchError, WalrusError
from shards.machine import usable_cores
from shards.settings import dump_toml
from walrus.checkpoint import DESCRIPTION, Description, load_model, save_model
from walrus.engine import join_world, leave_world
from walrus.grow import grow
from walrus.memory import keep_freed_memory
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.stream import Shards, make_plan
from walrus.train import Progress as Step
from walrus.train import Report, fit
from walrus.trainee import Trainee
from walrus.vocabulary import Vocabulary

LINES_EVERY = 50


@dataclass(frozen=True)
class Job:
    """All that a rank needs, as plain values that cross a process border."""

    recipe: RunRecipe
    model: ModelSettings
    vocabulary: tuple[str, ...]
    root: Path
    run: Path
    ranks: int
    base: Path | None = None
    stop_at: int | None = None


def is_finished(job: Job) -> bool:
    """Whether the run's model exists, made by this very recipe; raises MismatchError for another recipe's folder."""
    recipe = job.run / "recipe.toml"
    text = resolved(job.recipe)
    if recipe.is_file() and recipe.read_text(encoding="utf-8") != text:
        raise MismatchError(f"{job.run}: holds a run of another recipe; give another --out, or remove the folder")
    if not (job.run / DESCRIPTION).is_file():
        return False
    return load_model(job.run)[0].step == job.recipe.schedule.steps


def resolved(recipe: RunRecipe) -> str:
    """The recipe as it was understood, as TOML."""
    return dump_toml(asdict(recipe))


def train(job: Job) -> None:
    """Trains with `job.ranks` processes on this machine and leaves the model's files in the run's folder."""
    job.run.mkdir(parents=True, exist_ok=True)
    write_atomically(job.run / "recipe.toml", resolved(job.recipe).encode())
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        if job.ranks == 1:
            _rank(0, job, meeting)
        else:
            # Two processes with as many threads each as there are cores would fight for them.
            os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // job.ranks)))
            _spawn(job, meeting)


def _spawn(job: Job, meeting: Path) -> None:
    """A process a rank; the mistake that ends one of them is raised here as it was there."""
    try:
        spawn(_rank_process, (job, meeting), nprocs=job.ranks)
    except ProcessExitedException as error:
        mistake = meeting.with_name("mistake")
        if not mistake.is_file():
            raise
        raise MismatchError(mistake.read_text(encoding="utf-8")) from error


def _rank_process(rank: int, job: Job, meeting: Path) -> None:
    try:
        _rank(rank, job, meeting)
    except WalrusError as error:
        write_atomically(meeting.with_name("mistake"), str(error).encode())
        sys.exit(1)


def _rank(rank: int, job: Job, meeting: Path) -> None:
    keep_freed_memory()
    join_world(rank, job.ranks, meeting)
    recipe = job.recipe
    shards = Shards.open(job.root, [choice.name for choice in recipe.datasets])
    weights = {choice.name: choice.weight for choice in recipe.datasets}
    plan = make_plan(shards, weights, recipe.stream, recipe.training.seed)
    vocabulary = Vocabulary(job.vocabulary)
    trainee = Trainee(
        network=_network(job, vocabulary),
        vocabulary=vocabulary,
        seed=recipe.training.seed,
        rotates=recipe.stream.rotate,
        jitters=recipe.training.jitter,
        eps=recipe.training.eps,
        share=(rank, job.ranks),
    )
    with _progress() as report:
        values = fit(
            trainee,
            plan,
            shards,
            recipe.engine,
            recipe.schedule,
            recipe.training,
            job.run,
            report,
            job.stop_at,
        )
    if rank == 0:
        save_model(job.run, _description(job, shards), values)
    leave_world()


def _network(job: Job, vocabulary: Vocabulary) -> Walrus:
    """A new network with weights that follow from the seed, or the base model grown to this vocabulary."""
    with torch.random.fork_rng():
        torch.manual_seed(job.recipe.training.seed)
        network = Walrus(job.model, len(vocabulary))
    if job.base is not None:
        _, base = load_model(job.base)
        network.load_state_dict(grow(base.network.state_dict(), base.vocabulary, network.state_dict(), vocabulary))
    return network


class _Terminal:
    """Progress for people: a bar on a terminal, a plain line now and then elsewhere."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar
        self.task = bar.add_task("training", total=None) if stderr.is_terminal else None

    def __call__(self, step: Step) -> None:
        done = step.step + 1
        wait = f"{100 * step.waited / step.seconds:.1f} % waiting for data"
        if self.task is not None:
            self.bar.update(self.task, completed=done, total=step.steps, description=f"loss {step.loss:6.2f}, {wait}")
        elif done % LINES_EVERY == 0 or done == step.steps:
            say(f"step {done} of {step.steps}: loss {step.loss:.2f}, {step.seconds:.2f} s a step, {wait}")


@contextmanager
def _progress() -> Iterator[Report]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        yield _Terminal(bar)


def _description(job: Job, shards: Shards) -> Description:
    recipe = job.recipe
    return Description(
        model=job.model,
        vocabulary=job.vocabulary,
        history_2d=recipe.stream.history_2d,
        history_3d=recipe.stream.history_3d,
        eps=recipe.training.eps,
        jitters=recipe.training.jitter,
        step=min(recipe.schedule.steps, job.stop_at or recipe.schedule.steps),
        seed=recipe.training.seed,
        datasets=tuple(shards.datasets),
        licences={name: dataset.card.licence for name, dataset in shards.datasets.items()},
    )
