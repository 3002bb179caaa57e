"""Time and memory of `walrus-ingest build` next to a bare loop that reads, encodes and writes the same
frames.

    python tests/bench/bench_build.py                               time; about six minutes
    python tests/bench/bench_build.py memory --gigabytes 1 2 4 6    peak memory under --memory 1GB, and time

The bare loop reads slabs of the same size with h5py, stacks the fields into frames, encodes these with the
codec and threads of the build, writes the bytes and waits until the disk has them. It has no checks, no
moments, no scaling, no checksums, no documents. It uses as many processes as the build. Repeats are
interleaved and medians printed. `--folder` holds what is read and written. Memory is what all processes hold
together; pages that they share count each time (Linux only).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from shutil import rmtree
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple, get_args

import h5py
import numpy as np

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.part import SLAB_BYTES
from ingest.building.plan import plan_build
from ingest.catalogue import find_recipe
from shards.codec import CodecName, encode
from shards.index import Packaging

CODECS: tuple[CodecName, ...] = ("lz4", "raw")
PACKAGINGS: tuple[Packaging, ...] = get_args(Packaging)
Run = Callable[[], None]
COMMAND = "from ingest.cli import main; main()"


@dataclass(frozen=True)
class Case:
    """A system: scalar fields and one vector field, in files of some trajectories."""

    name: str
    scalars: tuple[str, ...]
    grid: tuple[int, ...]
    frames: int
    trajectories: int
    files: int

    @property
    def axes(self) -> tuple[str, ...]:
        return tuple("xyz"[: len(self.grid)])

    @property
    def channels(self) -> int:
        return len(self.scalars) + len(self.grid)

    @property
    def bytes(self) -> int:
        frames = self.frames * self.trajectories * self.files
        return 4 * self.channels * int(np.prod(self.grid)) * frames

    @property
    def recipe(self) -> str:
        fields = [f'{{ name = "{name}" }}' for name in self.scalars] + ['{ name = "velocity", rank = 1 }']
        return (
            f'name = "{self.name}"\nsource = "well"\ntitle = "{self.name}"\n'
            f"axes = {list(self.axes)}\nfields = [{', '.join(fields)}]\n"
        )


CASES = (
    Case("plane", ("density", "pressure"), (128, 384), frames=384, trajectories=2, files=4),
    Case("volume", ("density", "pressure", "energy"), (64, 64, 64), frames=48, trajectories=2, files=4),
)


def write_files(case: Case, folder: Path) -> Path:
    """Files in the layout of The Well: waves that travel, and noise a thousandth of their size."""
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(case.recipe)
    for number in range(case.files):
        place = folder / ("valid" if number == 0 else "train") / f"file{number}.hdf5"
        place.parent.mkdir(exist_ok=True)
        with h5py.File(place, "w") as file:
            _describe(file, case)
            for name, rank in (*((name, 0) for name in case.scalars), ("velocity", 1)):
                tail = (len(case.grid),) * rank
                shape = (case.trajectories, case.frames, *case.grid, *tail)
                dataset = file.require_group(f"t{rank}_fields").create_dataset(name, shape, "f4")
                dataset.attrs["sample_varying"] = dataset.attrs["time_varying"] = True
                dataset.attrs["dim_varying"] = [True] * len(case.grid)
                for row in range(case.trajectories):
                    for frame, values in enumerate(_waves(case, number * 100 + row, tail)):
                        dataset[row, frame] = values
    return folder


def _waves(case: Case, seed: int, tail: tuple[int, ...]) -> Iterator[np.ndarray]:
    """[*S, components] of each frame."""
    rng = np.random.default_rng(seed)
    places = np.meshgrid(*(np.arange(cells, dtype="f4") / cells for cells in case.grid), indexing="ij")
    noise = rng.normal(size=(*case.grid, *tail)).astype("f4")
    waves = rng.integers(1, 6, (*tail, 3, len(case.grid))) * 2 * np.pi
    phases = np.moveaxis(np.tensordot(waves.astype("f4"), np.stack(places), 1), len(tail), 0)
    phases = np.moveaxis(phases, 1, -1) if tail else phases
    for frame in range(case.frames):
        values = 1 + sum(np.sin(phase - np.float32(0.1 * frame)) / (n + 1) for n, phase in enumerate(phases))
        yield values + np.float32(1e-3) * np.roll(noise, frame, axis=0)


def _describe(file: h5py.File, case: Case) -> None:
    file.attrs["n_trajectories"], file.attrs["grid_type"] = case.trajectories, "cartesian"
    dimensions = file.create_group("dimensions")
    dimensions.attrs["spatial_dims"] = list(case.axes)
    dimensions["time"] = np.arange(case.frames) * 0.1
    for axis, cells in zip(case.axes, case.grid, strict=True):
        dimensions[axis] = (np.arange(cells) + 0.5) / cells
        group = file.create_group(f"boundary_conditions/{axis}")
        group.attrs["bc_type"], group.attrs["associated_dims"] = "PERIODIC", [axis]
        group["mask"] = [True] + [False] * (cells - 2) + [True]


def bare(case: Case, source: Path, out: Path, codec: CodecName, workers: int) -> None:
    """The bare loop over all files, by as many processes."""
    out.mkdir()
    paths = sorted(source.rglob("*.hdf5"))
    if workers == 1:
        for path in paths:
            bare_file(case, path, out, codec)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for job in [pool.submit(bare_file, case, path, out, codec) for path in paths]:
            job.result()


def bare_file(case: Case, path: Path, out: Path, codec: CodecName) -> None:
    slab = max(1, SLAB_BYTES // (4 * case.channels * int(np.prod(case.grid))))
    with h5py.File(path, "r") as file:
        fields = [file[f"t0_fields/{name}"] for name in case.scalars]
        velocity = file["t1_fields/velocity"]
        for row in range(case.trajectories):
            with (out / f"{path.stem}-{row}").open("wb") as written:
                for start in range(0, case.frames, slab):
                    stop = min(start + slab, case.frames)
                    frames = np.empty((stop - start, case.channels, *case.grid), "f4")
                    for channel, field in enumerate(fields):
                        frames[:, channel] = field[row, start:stop]
                    frames[:, len(fields) :] = np.moveaxis(velocity[row, start:stop], -1, 1)
                    for frame in frames:
                        written.write(encode(frame, codec))
                written.flush()
                os.fsync(written.fileno())


def built(source: Path, root: Path, packaging: Packaging, codec: CodecName, workers: int) -> None:
    """The whole of `walrus-ingest build`: plan, parts, card and index."""
    plan = plan_build(find_recipe(str(source / "recipe.toml")), source, packaging, codec)
    build(plan, root, Resources(workers))


class Cost(NamedTuple):
    """Seconds on the wall, and of all cores together."""

    wall: float
    cores: float


def cost(run: Run, out: Path) -> Cost:
    began, before = time.perf_counter(), sum(os.times()[:4])
    run()
    spent = Cost(time.perf_counter() - began, sum(os.times()[:4]) - before)
    rmtree(out)
    return spent


def compare_times(folder: Path, repeats: int) -> None:
    columns = "".join(f"{name:>12}{'time':>9}{'cores':>7}" for name in PACKAGINGS)
    print(f"{'':19}{'codec':>6}{'workers':>9}{'loop':>12}{columns}    time and cores: over those of the loop")
    for case in CASES:
        source = write_files(case, folder / case.name)
        for codec, workers in product(CODECS, (1, 2)):
            runs = runs_of(case, source, folder / "out", codec, workers)
            costs = [{name: cost(run, folder / "out") for name, run in runs.items()} for _ in range(repeats)]
            print(
                f"{case.name:8}{case.bytes / 1e6:8.0f} MB{codec:>6}{workers:>9}" + words(case, costs),
                flush=True,
            )
        rmtree(source)


def runs_of(case: Case, source: Path, out: Path, codec: CodecName, workers: int) -> dict[str, Run]:
    runs: dict[str, Run] = {"loop": partial(bare, case, source, out, codec, workers)}
    return runs | {name: partial(built, source, out, name, codec, workers) for name in PACKAGINGS}


def words(case: Case, costs: list[dict[str, Cost]]) -> str:
    """Bytes per second of the loop and of each packaging, and what it costs more than the loop measured in
    turn with it.
    """
    rate = {name: case.bytes / 1e6 / median(each[name].wall for each in costs) for name in costs[0]}
    wall = {name: median(each[name].wall / each["loop"].wall for each in costs) for name in PACKAGINGS}
    cores = {name: median(each[name].cores / each["loop"].cores for each in costs) for name in PACKAGINGS}
    columns = "".join(f"{rate[p]:>7.0f} MB/s{wall[p]:>9.2f}{cores[p]:>7.2f}" for p in PACKAGINGS)
    return f"{rate['loop']:>7.0f} MB/s{columns}"


def compare_memory(folder: Path, gigabytes: list[float], bound: str) -> None:
    print(
        f"{'':10}{'packaging':>12}{'workers':>8}{'time':>9}{'a GB':>8}{'peak':>10}   under --memory {bound}"
    )
    for size in gigabytes:
        case = Case("long", ("density", "pressure"), (256, 512), max(2, round(size * 1e9 / 2**21 / 2)), 2, 1)
        source = write_files(case, folder / "long")
        for packaging, workers in product(PACKAGINGS, (1, 2)):
            arguments = [
                "build",
                source / "recipe.toml",
                "--from",
                source,
                "--to",
                folder / "out",
                "--memory",
                bound,
            ]
            arguments += ["--format", packaging, "--workers", workers]
            took, peak = peak_of([sys.executable, "-c", COMMAND, *map(str, arguments)])
            rmtree(folder / "out")
            made = case.bytes / 1e9
            print(
                f"{made:7.2f} GB{packaging:>12}{workers:>8}{took:>7.1f} s{took / made:>6.1f} s",
                f"{peak / 1e6:>6.0f} MB",
                flush=True,
            )
        rmtree(source)


def peak_of(command: list[str]) -> tuple[float, int]:
    """Seconds that a command takes, and the most bytes that it and its children hold together."""
    began, highest = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            highest = max(highest, sum(_resident(pid) for pid in _family(process.pid)))
            time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"the build failed with {process.returncode}")
    return time.perf_counter() - began, highest


def _family(leader: int) -> Iterator[int]:
    yield leader
    try:
        children = Path(f"/proc/{leader}/task/{leader}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return
    for child in map(int, children):
        yield from _family(child)


def _resident(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=("time", "memory"), default="time")
    parser.add_argument("--folder", type=Path, help="where the files are made; the folder of temporary files")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[1, 2, 4])
    parser.add_argument("--memory", default="1GB", help="the bound under which memory is measured")
    arguments = parser.parse_args()
    with TemporaryDirectory(dir=arguments.folder) as place:
        if arguments.what == "time":
            compare_times(Path(place), arguments.repeats)
        else:
            compare_memory(Path(place), arguments.gigabytes, arguments.memory)


if __name__ == "__main__":
    main()
