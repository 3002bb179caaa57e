"""Runs one training, of pretraining or fine-tuning: starts the ranks, fits, writes the model files."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path

import torch
from torch.multiprocessing.spawn import ProcessException, ProcessExitedException, spawn

from pipelines.job import Job, identity, open_shards, write_recipe
from pipelines.live_report import in_turn, live_report
from pipelines.progress import progress
from shards.disk import write_atomically
from shards.errors import MismatchError, SettingsError, StoppedError, WalrusError
from shards.program.console import say
from shards.program.machine import keep_freed_memory, usable_cores
from shards.program.signals import end_with_parent, passed_on, withheld
from shards.program.starting import SIGNALS, STOPPED
from walrus.checkpoint import ModelDescription, load_model, save_model
from walrus.model.cost import cost_of
from walrus.model.walrus import Walrus
from walrus.normalize import card_scales
from walrus.reading.ranks import Rank, count_groups
from walrus.reading.stream import Shards, plan_stream
from walrus.rollout import Model
from walrus.training.distributed import LauncherRank, every_rank_needed, join_world, leave_world
from walrus.training.early_stopping import EarlyStopping
from walrus.training.fit_memory import enough_memory
from walrus.training.log import note
from walrus.training.lora import merged
from walrus.training.objective import TrainingObjective
from walrus.training.resume import (
    CHECKPOINTS,
    incomplete_checkpoints,
    last_checkpoint,
    remove_state,
    require_state,
)
from walrus.training.run_checkpoint import RunCheckpoint, whole_steps
from walrus.training.train import StoppedTogetherError, fit
from walrus.training.tuning import prepare
from walrus.training.warm_start import grow
from walrus.vocabulary import Vocabulary

# Why a process is killed by a signal; docs/decisions/0159-cut-while-it-is-read.md.
REASONS = {
    "SIGBUS": "a file was cut while it was read, or /dev/shm is full",
    "SIGABRT": "another rank ended or did not answer, and NCCL gave up waiting for it",
}
OTHERWISE = "memory ran out"


def train(job: Job) -> None:
    """Trains with `job.ranks` processes on this machine, or as one rank that a launcher has started.

    Writes the model files into the folder of the run. After a signal it writes a checkpoint and raises
    StoppedError.
    """
    launched = LauncherRank.find()
    with _says_where_it_continues(job, shown=launched is None or launched.rank == 0):
        _train(job, launched)


@contextmanager
def _says_where_it_continues(job: Job, *, shown: bool) -> Iterator[None]:
    """After Ctrl-C, which writes no checkpoint, says from which step the same command goes on."""
    try:
        yield
    except KeyboardInterrupt:
        if shown:
            say(f"{job.run}: {continuation(job.run, job.recipe.training.checkpoint_every)}")
        raise


def continuation(run: Path, every: int) -> str:
    """What the same command does after Ctrl-C, if a checkpoint is written `every` so many steps."""
    steps = whole_steps(run / CHECKPOINTS)
    where = f"continues after {steps[-1].name}" if steps else "begins again"
    return (
        f"the same command {where}: a checkpoint is written every {every:,} steps "
        "(training.checkpoint_every), and at SIGTERM (kill), but not at Ctrl-C"
    )


def _train(job: Job, launched: LauncherRank | None) -> None:
    """The ranks of this process: the one that a launcher has started, or all."""
    if launched is not None:
        if job.ranks != 1:
            raise SettingsError(
                f"--ranks {job.ranks}: a launcher has set {launched.ranks} ranks; leave --ranks out"
            )
        _rank(launched.rank, launched.ranks, job, None)
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        if job.ranks == 1:
            _rank(0, 1, job, meeting)
        else:
            # If each process had as many threads as there are cores, the processes would slow each other
            # (docs/decisions/0197-two-processes.md).
            os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // job.ranks)))
            _spawn(job, meeting)


def _spawn(job: Job, meeting: Path) -> None:
    """Starts a process per rank; if an error ends one of them, it is raised here with its own message."""
    try:
        with passed_on() as relay:
            # A terminal sends Ctrl-C to every process: this one ends the ranks.
            with withheld(signal.SIGINT):
                processes = spawn(_rank_process, (job, meeting, os.getpid()), nprocs=job.ranks, join=False)
            relay.to(processes.pids())
            while not processes.join():
                pass
    except KeyboardInterrupt:
        # A checkpoint that they have not finished does not count.
        for process in active_children():
            process.kill()
        note(job.run, "ended: interrupted")
        raise
    except ProcessException as error:
        reason = reason_of(error, meeting.parent)
        if reason is None:
            raise
        raise reason from error


def reason_of(error: ProcessException, folder: Path) -> WalrusError | None:
    """Why the ranks ended, by the file that one of them wrote into this folder; None for a bug of ours."""
    code, name = 0, None
    if isinstance(error, ProcessExitedException):
        code, name = error.exit_code, error.signal_name
    # A rank that has lost another one fails too, and its failure may be noticed first.
    reasons = sorted(folder.glob("reason-*"))
    if reasons:
        kind = StoppedError if code == STOPPED else MismatchError
        return kind(reasons[0].read_text(encoding="utf-8"))
    if code == STOPPED or name in {number.name for number in SIGNALS}:
        return StoppedError("stopped by a signal before the first step; the same command starts again")
    if name:
        return MismatchError(
            f"rank {error.error_index} was killed by {name}, perhaps because {REASONS.get(name, OTHERWISE)}; "
            "the same command continues from the last checkpoint"
        )
    return None


def _rank_process(rank: int, job: Job, meeting: Path, parent: int) -> None:
    """One of several ranks. It ends with its parent process; an error of it is left in a file."""
    end_with_parent(parent)
    try:
        _rank(rank, job.ranks, job, meeting)
    except WalrusError as error:
        write_atomically(meeting.with_name(f"reason-{rank}"), str(error).encode())
        sys.exit(STOPPED if isinstance(error, StoppedError) else 1)


def _rank(rank: int, ranks: int, job: Job, meeting: Path | None) -> None:
    """The work of one rank: connect to the others, resume or start, fit; rank 0 writes the model."""
    keep_freed_memory()
    join_world(rank, ranks, meeting)
    recipe = job.recipe
    shards = open_shards(job)
    run_identity = identity(job, shards)
    saved, changes = last_checkpoint(job.run, run_identity, job.allow)
    require_state(job.run, saved)
    if rank == 0:
        _note_start(job, ranks, saved, changes)
    plan = plan_stream(
        shards, recipe.weights, recipe.stream, recipe.training.seed, cost_of(job.model), recipe.rollout.steps
    )
    groups = count_groups(ranks, recipe.engine.zero_stage, recipe.engine.mics_shard_size, job.groups)
    description = _description(job, shards)
    objective = _objective(job, description, Rank(rank, ranks, groups))
    early_stopping = _early_stopping(job, shards, description, objective)
    with (
        _errors_of_the_run(job, rank),
        progress(shown=rank == 0) as shown,
        live_report(job, shown=rank == 0) as written,
        enough_memory(job.run),
        every_rank_needed(),
    ):
        values = fit(
            objective,
            plan=plan,
            shards=shards,
            engine_settings=recipe.engine,
            schedule=recipe.schedule,
            settings=recipe.training,
            run=job.run,
            report=in_turn(shown, written),
            stop_at=job.stop_at,
            identity=run_identity,
            saved=saved,
            trace=job.trace,
            early_stopping=early_stopping,
        )
    # Before the model is written and evaluated: no rank waits for that.
    leave_world()
    if rank == 0:
        if early_stopping:
            description = replace(description, step=early_stopping.best.step)
        _write_model(job, description, values)


@contextmanager
def _errors_of_the_run(job: Job, rank: int) -> Iterator[None]:
    """Notes in the log of the run which error ended it; an error of the disk says what to do."""
    try:
        yield
    except BaseException as error:
        if rank == 0:
            interrupted = isinstance(error, KeyboardInterrupt)
            note(job.run, f"ended: {'interrupted' if interrupted else str(error) or type(error).__name__}")
        if isinstance(error, StoppedTogetherError):
            leave_world()
        if isinstance(error, OSError) and not isinstance(error, WalrusError):
            raise MismatchError(
                f"{job.run}: cannot be written ({error.strerror}); make room there, or allow it, then the "
                "same command continues from the last checkpoint"
            ) from error
        raise


def _objective(job: Job, description: ModelDescription, rank: Rank) -> TrainingObjective:
    """The network of this run with its loss, for one rank."""
    recipe, vocabulary = job.recipe, Vocabulary(job.vocabulary)
    return TrainingObjective(
        network=_network(job, vocabulary),
        vocabulary=vocabulary,
        seed=recipe.training.seed,
        rotate=recipe.stream.rotate,
        jitters=recipe.training.jitter,
        eps=recipe.training.eps,
        rank=rank,
        scales=description.scales,
        rollout=recipe.rollout,
        loss=recipe.training.loss,
    )


def _write_model(job: Job, description: ModelDescription, values: dict[str, torch.Tensor]) -> None:
    """Writes the files of the trained model, and removes the state that only a run that continues needs."""
    save_model(job.run, description, merged(values))
    if job.stop_at is None and not job.keep_state:
        remove_state(job.run)
    note(job.run, "ended: model.safetensors and model.json are written")


def _note_start(job: Job, ranks: int, saved: RunCheckpoint | None, changes: list[str]) -> None:
    """Writes the recipe, and notes in the log of the run how it starts and what has changed."""
    write_recipe(job)
    for sentence in incomplete_checkpoints(job.run, saved):
        say(f"{job.run}: {sentence}")
        note(job.run, sentence)
    if saved is None:
        note(job.run, f"begins, ranks: {ranks}")
        return
    before = saved.checkpoint
    if before.ranks != ranks:
        changes = [*changes, f"goes on at step {before.step}, ranks: {ranks} instead of {before.ranks}"]
    for change in changes:
        say(f"{job.run}: {change}")
    for sentence in changes or [f"goes on at step {before.step}, ranks: {ranks}"]:
        note(job.run, sentence)


def _network(job: Job, vocabulary: Vocabulary) -> Walrus:
    """A network with new weights, drawn with the seed; or the base model, extended to this vocabulary."""
    with torch.random.fork_rng():
        torch.manual_seed(job.recipe.training.seed)
        network = Walrus(job.model, len(vocabulary))
    if job.base is not None:
        _, base = load_model(job.base)
        network.load_state_dict(
            grow(base.network.state_dict(), base.vocabulary, network.state_dict(), vocabulary)
        )
    with torch.random.fork_rng():
        torch.manual_seed(job.recipe.training.seed)
        prepare(network, job.recipe.tuning)
    return network


def _early_stopping(
    job: Job, shards: Shards, description: ModelDescription, objective: TrainingObjective
) -> EarlyStopping | None:
    """Early stopping by rollouts on the first dataset, if the recipe asks for it."""
    if not job.recipe.early_stopping.every:
        return None
    network, vocabulary = objective.network, objective.vocabulary
    model = Model(network, vocabulary, description.eps, description.jitters, scales=description.scales)
    dataset = next(iter(shards.datasets.values()))
    history = description.history(len(dataset.card.schema.grid.axes))
    return EarlyStopping(job.recipe.early_stopping, model, dataset, history, job.run)


def _description(job: Job, shards: Shards) -> ModelDescription:
    """The description of the model of this run, for `model.json`."""
    recipe = job.recipe
    cards = {name: dataset.card for name, dataset in shards.datasets.items()}
    by_dataset = recipe.training.normalise == "dataset"
    return ModelDescription(
        model=job.model,
        vocabulary=job.vocabulary,
        history_2d=recipe.stream.history_2d,
        history_3d=recipe.stream.history_3d,
        eps=recipe.training.eps,
        jitters=recipe.training.jitter,
        step=min(recipe.schedule.steps, job.stop_at or recipe.schedule.steps),
        seed=recipe.training.seed,
        datasets=tuple(cards),
        licences={name: card.licence for name, card in cards.items()},
        scales={name: card_scales(card) for name, card in cards.items()} if by_dataset else {},
    )
