"""A short training run for the tests: training_run.py ROOT FOLDER [options]."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.multiprocessing.spawn import spawn

from walrus.engine import EngineSettings, join_world, leave_world
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.plan import StreamSettings
from walrus.schedule import ScheduleSettings
from walrus.stream import Shards, make_plan
from walrus.train import TrainSettings, fit
from walrus.trainee import Trainee
from walrus.vocabulary import PUBLISHED

MODEL = ModelSettings(hidden=32, heads=2, inner=4, mlp=64, blocks=2, drop_path=0.2, branch_scale=0.1)
STREAM = StreamSettings(micro_batches=2, windows_2d=2, windows_3d=2, history_2d=3, history_3d=3, largest_stride=2)
SCHEDULE = ScheduleSettings(rate=3e-3, epochs=6, steps_an_epoch=1, warm_up=1, cool_down=2)


def rank_main(rank: int, options: argparse.Namespace, meeting: Path) -> None:
    torch.set_num_threads(1)
    join_world(rank, options.ranks, meeting)
    shards = Shards.open(options.root, options.tasks)
    torch.manual_seed(options.seed)
    network = Walrus(MODEL, len(PUBLISHED))
    trainee = Trainee(network, PUBLISHED, options.seed, True, True, 1e-5, (rank, options.ranks))
    plan = make_plan(shards, dict.fromkeys(options.tasks, 1), STREAM, options.seed)
    engine = EngineSettings(zero_stage=options.stage, optimizer=options.optimizer, clip=100.0)
    settings = TrainSettings(seed=options.seed, checkpoint_every=options.checkpoint_every)
    weights = fit(
        trainee, plan, shards, engine, SCHEDULE, settings, options.folder, lambda progress: None, options.stop_at
    )
    if rank == 0:
        save_file(weights, options.folder / "weights.safetensors")
    leave_world()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--stage", type=int, default=1)
    parser.add_argument("--optimizer", default="muon")
    parser.add_argument("--checkpoint-every", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stop-at", type=int)
    parser.add_argument("--tasks", nargs="+", default=["acoustic_scattering_discontinuous", "MHD_64"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        if options.ranks == 1:
            rank_main(0, options, meeting)
        else:
            spawn(rank_main, (options, meeting), nprocs=options.ranks)


if __name__ == "__main__":
    main()
