"""Puts load on one root: many readers, many files, a long trajectory, builds at once, Ctrl-C.

    python tests/reliability/load.py                      half a minute or two, a look
    python tests/reliability/load.py 600 5000 20000       seconds of reading, files, frames

Prints a row per load: its seconds, and the open files and the memory of all its processes, the most in the
first and in the second half of its time: flat where the second is not larger, or by little. Ends with 1 where
they grow, a write is lost, values differ, or Ctrl-C takes longer than two seconds.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import kills
import numpy as np
from result import Cell, Result, arguments, show

from shards.read import Dataset

READERS = 8
LONGEST_STOP = 2.0
LEAST_SECONDS = 10.0
# What may be added without being a leak: the first readers fill caches, the last parts merge.
MORE_FILES, MORE_MEMORY = 16, 60e6
INGEST = str(Path(sysconfig.get_path("scripts")) / "walrus-ingest")


@dataclass(frozen=True)
class Row:
    """What a load took: the most open files and bytes in the first and the second half of its time."""

    name: str
    seconds: float
    files: tuple[int, int]
    memory: tuple[float, float]
    fault: str = ""

    @property
    def is_flat(self) -> bool:
        """Does the second half take no more than the first? In a few seconds the first is only the start."""
        return self.seconds < LEAST_SECONDS or (
            self.files[1] <= self.files[0] + MORE_FILES
            and self.memory[1] <= 1.3 * self.memory[0] + MORE_MEMORY
        )

    @property
    def cells(self) -> list[Cell]:
        if not self.files[0]:
            return [self.name, round(self.seconds, 1), "", "", self.fault]
        files = f"{self.files[0]} to {self.files[1]}"
        memory = f"{self.memory[0] / 1e6:.0f} to {self.memory[1] / 1e6:.0f} MB"
        fault = self.fault or ("" if self.is_flat else "grows")
        return [self.name, round(self.seconds, 1), files, memory, fault]


def main(seconds: float, files: int, frames: int, json: Path | None) -> int:
    # A job in the background of a shell inherits, and hands on, that Ctrl-C is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with TemporaryDirectory() as folder:
        place = Path(folder)
        recipe = place / "small.toml"
        recipe.write_text(kills.RECIPE)
        kills.write_files(place / "few", kills.FILES)
        kills.write_files(place / "all", kills.FILES + kills.APPENDED)
        subprocess.run(_build(recipe, place / "few", place / "root", 2), check=False, capture_output=True)
        rows = [
            readers(place / "root" / "small", seconds),
            many_files(recipe, place, files),
            long_trajectory(recipe, place, frames),
            at_once(recipe, place),
            interrupted(recipe, place),
        ]
    columns = ["load", "seconds", "open files", "memory", "fault"]
    show(Result.of_now(columns, [row.cells for row in rows]), json)
    return 1 if any(row.fault or not row.is_flat for row in rows) else 0


def readers(folder: Path, seconds: float) -> Row:
    """Eight processes read one dataset at random, and compare windows with how they were the first time."""
    command = (sys.executable, __file__, str(seconds), "--read", str(folder), "--seed")
    return watched(f"{READERS} readers", [(*command, str(number)) for number in range(READERS)])


def read(folder: Path, seconds: float, seed: int) -> None:
    """One reader; every tenth window by a dataset that is opened anew."""
    dataset, draw, known = Dataset(folder), random.Random(seed), {}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if draw.random() < 0.1:
            dataset = Dataset(folder)
        entry = draw.choice(dataset.index.trajectories)
        first = draw.randrange(entry.frames - 1)
        window = np.empty((2, *dataset.card.schema.frame_shape), dataset.card.schema.dtype)
        dataset.read_frames(entry, [first, first + 1], window)
        if known.setdefault((entry.key, first), window.tobytes()) != window.tobytes():
            raise SystemExit(f"{entry.key}, frame {first}: other values than before")


def many_files(recipe: Path, place: Path, count: int) -> Row:
    """So many files of one trajectory each."""
    kills.write_files(place / "many", count)
    return watched(f"{count} files", [_build(recipe, place / "many", place / "many-root", 2)])


def long_trajectory(recipe: Path, place: Path, frames: int) -> Row:
    """One trajectory of so many frames, in slabs of little memory."""
    (place / "long").mkdir()
    density = np.random.default_rng(0).normal(size=(1, frames, 16, 12)).astype("f4")
    np.savez(place / "long" / "run_0.npz", density=density)
    command = _build(recipe, place / "long", place / "long-root", 1)
    return watched(f"{frames} frames in one trajectory", [(*command, "--memory", "500MB")])


def at_once(recipe: Path, place: Path) -> Row:
    """Three builds and an append of one dataset, then a build: every trajectory must be there."""
    alone, root = place / "alone", place / "at-once"
    subprocess.run(_build(recipe, place / "all", alone, 2), check=False, capture_output=True)
    shutil.copytree(place / "root", root)
    append = (
        INGEST,
        "append",
        str(recipe),
        "--from",
        str(place / "all"),
        "--to",
        str(root),
        "--workers",
        "1",
    )
    build = _build(recipe, place / "all", root, 2)
    row = watched("3 builds and an append at once", [build, build, build, append], refusals=True)
    subprocess.run(build, check=False, capture_output=True)
    whole = subprocess.run((INGEST, "verify", str(root / "small")), capture_output=True, text=True)
    found, wanted = (_values(folder / "small") for folder in (root, alone))
    fault = whole.stderr.strip() or ("" if found == wanted else "a write is lost")
    return Row(row.name, row.seconds, row.files, row.memory, row.fault or fault)


def interrupted(recipe: Path, place: Path) -> Row:
    """Ctrl-C in a build with two workers, as a terminal sends it to all processes."""
    longest = 0.0
    for moment in (0.7, 1.2, 2.0):
        shutil.rmtree(place / "stopped", ignore_errors=True)
        process = _started(_build(recipe, place / "many", place / "stopped", 2))
        time.sleep(moment)
        asked = time.monotonic()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.communicate()
        longest = max(longest, time.monotonic() - asked)
    fault = f"took more than {LONGEST_STOP} s" if longest > LONGEST_STOP else ""
    return Row("Ctrl-C, the longest of 3", longest, (0, 0), (0, 0), fault)


def watched(name: str, commands: Sequence[Sequence[str]], refusals: bool = False) -> Row:
    """Runs the commands at once, and looks at their processes twice a second.

    `refusals`: a command may be refused by a lock, which is exit code 1.
    """
    began = time.monotonic()
    processes = [_started(command) for command in commands]
    looks: list[tuple[int, float]] = []
    while any(process.poll() is None for process in processes):
        looks.append(_look({process.pid for process in processes}))
        time.sleep(0.5)
    errors = [process.communicate()[1].decode().strip() for process in processes]
    allowed = {0, 3, 1} if refusals else {0, 3}
    fault = next(
        (e[-200:] for p, e in zip(processes, errors, strict=True) if p.returncode not in allowed), ""
    )
    half = len(looks) // 2
    first, second = looks[:half] or looks, looks[half:]
    files = max(look[0] for look in first), max(look[0] for look in second)
    memory = max(look[1] for look in first), max(look[1] for look in second)
    return Row(name, time.monotonic() - began, files, memory, fault)


def _look(groups: set[int]) -> tuple[int, float]:
    """Open files and resident bytes of all processes of these groups."""
    files, memory = 0, 0.0
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            # A process may end at any moment.
            with suppress(OSError):
                if os.getpgid(int(process.name)) in groups:
                    pages = int((process / "statm").read_text().split()[1])
                    files += len(list((process / "fd").iterdir()))
                    memory += pages * os.sysconf("SC_PAGE_SIZE")
    return files, memory


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """In a process group of its own."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        command, stdout=quiet, stderr=subprocess.PIPE, stdin=quiet, start_new_session=True
    )


def _build(recipe: Path, source: Path, root: Path, workers: int) -> tuple[str, ...]:
    return INGEST, "build", str(recipe), "--from", str(source), "--to", str(root), "--workers", str(workers)


def _values(folder: Path) -> dict[str, bytes]:
    """All frames of each trajectory, in physical units but for the power of two of the dataset."""
    dataset, found = Dataset(folder), {}
    scale = 2.0 ** np.array(dataset.card.schema.per_channel(dataset.card.powers))[:, None, None]
    for entry in dataset.index.trajectories:
        frames = np.empty((entry.frames, *dataset.card.schema.frame_shape), dataset.card.schema.dtype)
        dataset.read_frames(entry, range(entry.frames), frames)
        found[entry.key] = (frames * scale).tobytes()
    return found


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=20)
    parser.add_argument("files", type=int, nargs="?", default=500)
    parser.add_argument("frames", type=int, nargs="?", default=2000)
    parser.add_argument("--read", type=Path, metavar="DATASET", help="be one of the readers")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.read:
        read(options.read, options.seconds, options.seed)
    else:
        sys.exit(main(options.seconds, options.files, options.frames, options.json))
