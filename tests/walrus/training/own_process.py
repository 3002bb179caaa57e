"""Runs a script in a process of its own, forked from one that has loaded torch and DeepSpeed.

DeepSpeed keeps one world per process. To load it takes longer than most runs of the tests.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from unittest import mock


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it wrote."""

    returncode: int | None
    stdout: str
    stderr: str


def run_script(script: Path, *options: object) -> Ended:
    """What `python SCRIPT OPTIONS` does, on CPUs: a process that has counted GPUs must not be forked."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.walrus.training.loaded_once"])
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, CUDA_VISIBLE_DEVICES=""):
        outputs = (Path(folder) / "stdout", Path(folder) / "stderr")
        process = context.Process(target=_run, args=(script, tuple(map(str, options)), outputs))
        process.start()
        process.join()
        return Ended(process.exitcode, *(path.read_text() for path in outputs))


def _run(script: Path, options: tuple[str, ...], outputs: tuple[Path, Path]) -> None:
    for stream, path in zip((sys.stdout, sys.stderr), outputs, strict=True):
        with path.open("w") as file:
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = [str(script), *options]
    # As Python does for a script: its neighbours can be imported.
    sys.path.insert(0, str(script.parent))
    runpy.run_path(str(script), run_name="__main__")
