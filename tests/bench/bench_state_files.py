"""Measures a run of many files of one state each: seconds, memory and open files of plan and build.

    python tests/bench/bench_state_files.py 5000

`plan` reads the header of each file and tries a few frames; `build` reads all values.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np

SIZES = (64, 48)
RECIPE = """
name = "states"
source = "arrays"
title = "One state per file"
licence = "MIT"
files = "state_{step}.h5"
axes = ["x", "y"]
layout = "t x y"
time = { stored = "@time" }
split = { train = 1, valid = 0, test = 0 }

[coordinates]
x = { lower = 0.0, upper = 1.0 }
y = { lower = 0.0, upper = 1.0 }

[boundaries]
x = ["periodic", "periodic"]
y = ["wall", "wall"]

[[fields]]
name = "density"
"""


def main(count: int) -> None:
    with TemporaryDirectory() as place:
        folder = Path(place)
        write_files(folder / "run", count)
        (folder / "states.toml").write_text(RECIPE)
        arguments = [str(folder / "states.toml"), "--from", str(folder / "run"), "--to", str(folder / "data")]
        for command in ("plan", "build"):
            started = time.perf_counter()
            memory, handles = watched([sys.executable, "-m", "ingest.cli", command, *arguments])
            seconds = time.perf_counter() - started
            print(f"{command:6} {seconds:6.1f} s  {memory / 1e6:6.0f} MB  {handles} open files at once")


def write_files(folder: Path, count: int) -> None:
    """The states of one run, no two alike."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        with h5py.File(folder / f"state_{number:05d}.h5", "w") as file:
            file["density"] = random.normal(size=SIZES).astype("f4")
            file.attrs["time"] = 0.5 * number


def watched(command: Sequence[str]) -> tuple[int, int]:
    """The largest memory in bytes and number of open files of a command, looked at every 20 ms."""
    memory = handles = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        status, opened = Path(f"/proc/{process.pid}/status"), Path(f"/proc/{process.pid}/fd")
        while process.poll() is None:
            try:
                pages = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
                handles = max(handles, sum(1 for _ in opened.iterdir()))
            except OSError:
                # It has just ended.
                continue
            if pages:
                memory = max(memory, 1024 * int(pages[0].split()[1]))
            time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: ended with {process.returncode}")
    return memory, handles


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
