"""Steps of a module with two stems on two ranks, under every stage and optimiser; checkpoints in FOLDER."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.multiprocessing.spawn import start_processes

from walrus.training.checkpoint_writer import CheckpointWriter
from walrus.training.distributed import join_world, leave_world, sum_over_ranks
from walrus.training.engine import Engine
from walrus.training.engine_settings import EngineSettings
from walrus.training.run_checkpoint import Checkpoint, RunCheckpoint

RANKS = 2
RATE = 1e-2
# Two micro-batches per step: in most of them one stem is idle.
STEPS = (
    *(("plane", "plane"), ("volume", "volume"), ("plane", "volume"), ("plane", "plane")),
    *(("plane", "plane"), ("volume", "plane"), ("volume", "volume"), ("plane", "plane")),
)
WIDTH = {"plane": 5, "volume": 3}


class TwoStems(nn.Module):
    """Sides that two ranks do not share evenly; one stem has a part in a micro-batch."""

    def __init__(self) -> None:
        super().__init__()
        self.stems = nn.ModuleDict({name: nn.Linear(width, 7) for name, width in WIDTH.items()})
        self.trunk = nn.Linear(7, 4, bias=False)
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, 4))

    def forward(self, stem: str, x_BI: Tensor) -> Tensor:
        y_BO: Tensor = self.trunk(self.stems[stem](x_BI).tanh()) * self.scale
        return 10 * (y_BO - 1).square().mean()


def module() -> TwoStems:
    torch.manual_seed(0)
    return TwoStems()


def inputs(step: int, number: int, stem: str, rank: int) -> Tensor:
    """What a rank reads of a micro-batch."""
    generator = torch.Generator().manual_seed(1000 * step + 10 * number + rank)
    return torch.randn(3, WIDTH[stem], generator=generator)


def settings(stage: int, optimizer: str, shard: int) -> EngineSettings:
    return EngineSettings(
        zero_stage=stage,
        optimizer="muon" if optimizer == "muon" else "adamw",
        mics_shard_size=shard,
        weight_decay=0.1,
        # ZeRO 0 clips before Muon has made a gradient orthogonal, the others after that.
        clip=1000.0 if optimizer == "muon" else 2.0,
    )


class CountingCheckpoint(RunCheckpoint):
    """Counts the elements that this rank reads."""

    elements = 0

    def read(self, kind: str, name: str, start: int, count: int) -> Tensor:
        self.elements += count
        return super().read(kind, name, start, count)


def train(folder: Path, rank: int, first: int, last: int, shard: int, chosen: EngineSettings) -> None:
    """Goes on from the last checkpoint in a folder, if there is one, and leaves the next."""
    groups = RANKS // shard if shard else 1
    saved = CountingCheckpoint.last(folder)
    engine = Engine(module(), chosen, len(STEPS[0]) // groups, saved)
    own = float(saved.elements) if saved is not None else 0.0
    read = sum_over_ranks([own if each == rank else 0.0 for each in range(RANKS)])
    norms = {}
    for step in range(first, last):
        micros = list(enumerate(STEPS[step]))
        own = micros[rank::groups] if groups > 1 else micros
        for position, (number, stem) in enumerate(own):
            # Ranks of one group read different windows of a micro-batch, groups read different micro-batches.
            engine.backward(engine.loss(stem, inputs(step, number, stem, 0 if groups > 1 else rank)))
            if position + 1 < len(own):
                engine.count()
        norms[str(step)] = engine.step(RATE)
    writer = CheckpointWriter(folder)
    identity = {"norms": norms, "read": {str(each): count for each, count in enumerate(read)}}
    writer.begin(Checkpoint(last, RANKS, engine.updates, identity), engine.fragments())
    writer.finish()


def stage_of(stage: int, step: int) -> int:
    """The stage of a step, in a run that begins and ends with `stage`: two steps have another."""
    return (stage + 2) % 4 if step in (5, 6) else stage


def rank_main(rank: int, folder: Path, meeting: Path) -> None:
    """Each optimiser begins under each stage, goes on under another one, and ends under the first."""
    torch.set_num_threads(1)
    join_world(rank, RANKS, meeting)
    for optimizer in ("adamw", "muon"):
        for stage in range(4):
            target = folder / f"{optimizer}-{stage}"
            for first, last in ((0, 5), (5, 7), (7, 8)):
                train(target, rank, first, last, 0, settings(stage_of(stage, first), optimizer, 0))
    for first, last in ((0, 7), (7, 8)):
        train(folder / "groups", rank, first, last, 1, settings(3, "adamw", 1))
    leave_world()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # Forked: what this process has loaded need not be loaded again.
        start_processes(rank_main, (options.folder, Path(folder) / "meeting"), RANKS, start_method="fork")


if __name__ == "__main__":
    main()
