"""A short training run for the tests: training_run.py ROOT FOLDER [options]."""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.multiprocessing.spawn import start_processes

from walrus.model.cost import cost_of
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.reading.plan import StreamSettings
from walrus.reading.ranks import Rank
from walrus.reading.stream import Shards, plan_stream
from walrus.rollout import Model
from walrus.training.distributed import join_world, leave_world
from walrus.training.early_stopping import EarlyStopping, EarlyStoppingSettings
from walrus.training.engine_settings import EngineSettings
from walrus.training.log import StepRecord
from walrus.training.objective import TrainingObjective
from walrus.training.resume import last_checkpoint
from walrus.training.rollout_training import RolloutSettings
from walrus.training.schedule import ScheduleSettings
from walrus.training.train import TrainSettings, fit
from walrus.vocabulary import PUBLISHED

MODEL = ModelSettings(hidden=32, heads=2, inner=4, mlp=64, blocks=2, drop_path=0.2, branch_scale=0.1)
STREAM = StreamSettings(
    micro_batches=2, windows_2d=2, windows_3d=2, history_2d=3, history_3d=3, largest_stride=2
)
# Some steps forecast from true frames, some from forecasts: all that is tested of a run holds for both.
ROLLOUT = RolloutSettings(steps=2, begin=0.0)
SCHEDULE = ScheduleSettings(rate=3e-3, epochs=6, steps_an_epoch=1, warm_up=1, cool_down=2)


def signal_at(step: int | None, progress: StepRecord) -> None:
    """Sends this process the signal of a scheduler, after a step."""
    if progress.step == step:
        os.kill(os.getpid(), signal.SIGTERM)


def rank_main(rank: int, options: argparse.Namespace, meeting: Path) -> None:
    torch.set_num_threads(1)
    join_world(rank, options.ranks, meeting)
    shards = Shards.open(options.root, options.tasks)
    torch.manual_seed(options.seed)
    network = Walrus(MODEL, len(PUBLISHED))
    objective = TrainingObjective(
        network,
        PUBLISHED,
        options.seed,
        rotate=True,
        jitters=True,
        eps=1e-5,
        rank=Rank(rank, options.ranks, options.groups),
        rollout=ROLLOUT,
    )
    weights = dict.fromkeys(options.tasks, 1)
    plan = plan_stream(shards, weights, STREAM, options.seed, cost_of(MODEL), ROLLOUT.steps)
    engine = EngineSettings(
        zero_stage=options.stage,
        optimizer=options.optimizer,
        clip=100.0,
        mics_shard_size=options.shard,
        ema=options.ema,
        autocast=options.autocast,
    )
    settings = TrainSettings(seed=options.seed, checkpoint_every=options.checkpoint_every)
    identity = {
        "data": dict(shards.fingerprints),
        "engine": engine.identity,
        "training": settings.identity,
    }
    stopping = None
    if options.early_stopping:
        model, dataset = Model(network, PUBLISHED, 1e-5), shards.datasets[options.tasks[0]]
        stopping = EarlyStopping(
            EarlyStoppingSettings(every=options.early_stopping),
            model,
            dataset,
            STREAM.history_2d,
            options.folder,
        )
    saved, _ = last_checkpoint(options.folder, identity, options.allow)
    trained = fit(
        objective,
        plan=plan,
        shards=shards,
        engine_settings=engine,
        schedule=replace(SCHEDULE, rate=options.rate),
        settings=settings,
        run=options.folder,
        report=partial(signal_at, options.signal_at),
        stop_at=options.stop_at,
        identity=identity,
        saved=saved,
        trace=options.trace,
        early_stopping=stopping,
    )
    if rank == 0:
        save_file(trained, options.folder / "weights.safetensors")
    leave_world()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--groups", type=int, default=1)
    parser.add_argument("--stage", type=int, default=1)
    parser.add_argument("--optimizer", default="muon")
    parser.add_argument("--checkpoint-every", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stop-at", type=int)
    parser.add_argument("--shard", type=int, default=0)
    parser.add_argument("--ema", type=float, default=0.0)
    parser.add_argument("--autocast", default="")
    parser.add_argument("--allow", nargs="*", default=[])
    parser.add_argument("--trace", type=Path)
    parser.add_argument("--early-stopping", type=int, default=0)
    parser.add_argument("--rate", type=float, default=SCHEDULE.rate)
    parser.add_argument("--signal-at", type=int)
    parser.add_argument("--tasks", nargs="+", default=["acoustic_scattering_discontinuous", "MHD_64"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        if options.ranks == 1:
            rank_main(0, options, meeting)
        else:
            # Forked: what this process has loaded need not be loaded again.
            start_processes(rank_main, (options, meeting), options.ranks, start_method="fork")


if __name__ == "__main__":
    main()
