"""Two ranks under ZeRO 1 that write a checkpoint every second step while they train: writer_run.py FOLDER

    unbroken   six steps; the thread of rank 1 writes its part of step 4 when step 5 is done, not before
    killed     the same, but rank 1 is killed then
    resumed    these go on from what was left

Prints the exit codes of the ranks.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from threading import Event

import torch

from tests.walrus.training.participation_run import RANKS, RATE, STEPS, inputs, module, settings
from walrus.training.checkpoint_writer import CheckpointWriter
from walrus.training.deepspeed_fence import load_deepspeed
from walrus.training.distributed import join_world, leave_world, sum_over_ranks
from walrus.training.engine import Engine
from walrus.training.run_checkpoint import Checkpoint, RunCheckpoint

LAST = 6
SLOW = ".tmp-step-0000004/rank-00001.safetensors"


def train(folder: Path, rank: int, meeting: Path, killed: bool) -> None:
    torch.set_num_threads(1)
    join_world(rank, RANKS, meeting)
    done = Event()

    def hold(event: str, arguments: tuple[object, ...]) -> None:
        """Holds the thread that is about to wait for the disk, until the main thread is a step further."""
        if event == "open" and str(arguments[0]).endswith(SLOW):
            went_on = done.wait(30)
            if killed:
                os.kill(os.getpid(), signal.SIGKILL)
            (folder / "waited-for-the-next-step").write_text(str(went_on))

    sys.addaudithook(hold)
    saved = RunCheckpoint.last(folder)
    first = saved.checkpoint.step if saved is not None else 0
    if rank == 0:
        (folder / "went-on-at").write_text(str(first))
    engine = Engine(module(), settings(1, "adamw", 0), len(STEPS[0]), saved)
    writer = CheckpointWriter(folder)
    for step in range(first, LAST):
        for number, stem in enumerate(STEPS[step]):
            engine.backward(engine.loss(stem, inputs(step, number, stem, rank)))
            if number == 0:
                engine.count()
        engine.step(RATE)
        (writing,) = sum_over_ranks([float(writer.is_writing)])
        if not writing:
            writer.finish()
        if step == 4:
            done.set()
        if step % 2:
            writer.begin(Checkpoint(step + 1, RANKS, engine.updates, {}), engine.fragments())
    writer.finish()
    leave_world()


def exit_codes(folder: Path, killed: bool) -> list[int]:
    """What became of the ranks; they are forked, as importing DeepSpeed takes longer than the steps."""
    with tempfile.TemporaryDirectory() as meeting:
        children = []
        for rank in range(RANKS):
            child = os.fork()
            if child == 0:
                try:
                    train(folder, rank, Path(meeting) / "meeting", killed)
                    os._exit(0)
                except RuntimeError as error:
                    print(error, file=sys.stderr)
                    os._exit(1)
            children.append(child)
        return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def main() -> None:
    load_deepspeed()
    root = Path(sys.argv[1])
    codes = {}
    for name, folder, killed in (
        ("unbroken", "unbroken", False),
        ("killed", "killed", True),
        ("resumed", "killed", False),
    ):
        (root / folder).mkdir(exist_ok=True)
        codes[name] = exit_codes(root / folder, killed)
    print(json.dumps(codes))


if __name__ == "__main__":
    main()
