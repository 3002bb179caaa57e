"""Runs a script in a process of its own, forked from one that has loaded torch and DeepSpeed.

DeepSpeed keeps one world per process. To load it takes longer than most runs of the tests.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from subprocess import TimeoutExpired
from unittest import mock

CONTEXT = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it wrote."""

    returncode: int | None
    stdout: str
    stderr: str


@dataclass(frozen=True)
class _Call:
    """A script with its options, the files for its streams, and what is special about its process."""

    script: Path
    options: tuple[str, ...]
    outputs: tuple[Path, Path]
    folder: Path | None
    group: bool
    variables: dict[str, str]


class RunningScript:
    """`python SCRIPT OPTIONS` while it runs, on CPUs: a process that has counted GPUs must not be forked.

    It runs in `folder`, with `variables` next to those of the first forked process. `group`: with its
    own as one that a terminal or a scheduler signals. Its methods are those of subprocess.Popen.
    """

    def __init__(
        self,
        script: Path,
        *options: object,
        folder: Path | None = None,
        group: bool = False,
        variables: dict[str, str] | None = None,
    ) -> None:
        self._streams = tempfile.TemporaryDirectory()
        self._outputs = (Path(self._streams.name) / "stdout", Path(self._streams.name) / "stderr")
        call = _Call(script, tuple(map(str, options)), self._outputs, folder, group, variables or {})
        self._process = CONTEXT.Process(target=_run, args=(call,))
        CONTEXT.set_forkserver_preload(["tests.walrus.training.loaded_once"])
        with mock.patch.dict(os.environ, CUDA_VISIBLE_DEVICES=""):
            self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Waits for its end; what it wrote. Raises TimeoutExpired after so many seconds."""
        self._process.join(timeout)
        if self.returncode is None and timeout is not None:
            raise TimeoutExpired(f"process {self.pid}", timeout)
        stdout, stderr = (path.read_text() for path in self._outputs)
        return stdout, stderr


def run_script(script: Path, *options: object, folder: Path | None = None) -> Ended:
    """What `python SCRIPT OPTIONS` does in this folder, on CPUs."""
    running = RunningScript(script, *options, folder=folder)
    stdout, stderr = running.communicate()
    return Ended(running.returncode, stdout, stderr)


def _run(call: _Call) -> None:
    if call.group:
        os.setsid()
    for stream, path in zip((sys.stdout, sys.stderr), call.outputs, strict=True):
        with path.open("w") as file:
            os.dup2(file.fileno(), stream.fileno())
    # A shell that starts the tests in the background has them, and all they start, ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(call.variables)
    if call.folder is not None:
        os.chdir(call.folder)
    sys.argv = [str(call.script), *call.options]
    # As Python does for a script: its neighbours can be imported.
    sys.path.insert(0, str(call.script.parent))
    runpy.run_path(str(call.script), run_name="__main__")
