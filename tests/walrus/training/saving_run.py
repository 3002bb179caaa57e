"""Saves three checkpoints and dies in the third, once at each moment: saving_run.py FOLDER.

A moment is an audit event of Python, in the main thread or in that of the writer; what was saved lies in
FOLDER/MOMENT/checkpoints. The last line that it prints has the exit code of each death.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch

from walrus.training.checkpoint_writer import CheckpointWriter
from walrus.training.run_checkpoint import Checkpoint, Fragment

MOMENTS = {
    "made": ("os.mkdir", ".tmp-step-0000003"),
    "written": ("open", ".tmp-step-0000003/rank-00000.safetensors"),
    "described": ("open", ".tmp-step-0000003/.tmp-checkpoint.json"),
    "named": ("os.rename", "step-0000003"),
    "tidied": ("shutil.rmtree", ".tmp-step-0000001"),
}


def save(folder: Path, checkpoint: Checkpoint, fragments: list[Fragment]) -> None:
    """Writes a checkpoint and waits for it."""
    writer = CheckpointWriter(folder)
    writer.begin(checkpoint, fragments)
    writer.finish()


def save_three(folder: Path, moment: str) -> None:
    wanted, target = MOMENTS[moment]

    def strike(event: str, arguments: tuple[object, ...]) -> None:
        # A rename tells its two names, the other events begin with their path.
        path = arguments[1 if event == "os.rename" else 0] if event == wanted else ""
        # The name of a temporary file ends in digits drawn anew.
        if f"checkpoints/{target}" in str(path):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(strike)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=0, world_size=1)
    for step in (1, 2, 3):
        piece = Fragment("weight", "w", 0, torch.arange(5.0) + step)
        save(folder / "checkpoints", Checkpoint(step, 1, float(step), {}), [piece])


def main() -> None:
    codes = []
    for moment in MOMENTS:
        folder = Path(sys.argv[1]) / moment
        folder.mkdir()
        child = os.fork()
        if child == 0:
            save_three(folder, moment)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        codes.append(os.waitstatus_to_exitcode(status))
    print(codes)


if __name__ == "__main__":
    main()
