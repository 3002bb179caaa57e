"""Times a build of many files of one small trajectory each, into zarr and into tars, in turn.

    python tests/bench/bench_small_files.py 5000

Prints seconds, inodes per trajectory and the ratio. The aim is a ratio below 1.5: the reasons are
in docs/decisions/0075-waiting-once-for-many-files.md.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.recipe import Recipe
from shards.index import Packaging
from shards.program.settings import make

FRAMES, SIZES = 8, (16, 12)
TABLES = {
    "name": "small",
    "source": "arrays",
    "title": "Small files",
    "licence": "MIT",
    "axes": ["x", "y"],
    "layout": "n t x y",
    "fields": [{"name": "density", "stored": ["density"]}],
    "time": {"step": 0.5},
    "coordinates": {"x": {"lower": 0.0, "upper": 1.0}, "y": {"lower": 0.0, "upper": 1.0}},
    "boundaries": {"x": ["periodic", "periodic"], "y": ["wall", "wall"]},
}


def main(count: int, rounds: int = 2) -> int:
    """Ends with 1 where zarr took more than 1.5 times as long as tars."""
    seconds: dict[Packaging, list[float]] = {"zarr": [], "webdataset": []}
    with TemporaryDirectory() as place:
        source = Path(place) / "source"
        write_files(source, count)
        for number in range(rounds):
            for packaging, taken in seconds.items():
                root = Path(place) / f"{packaging}-{number}"
                started = time.perf_counter()
                plan = plan_build(make(Recipe, TABLES, "small.toml"), source, packaging, "lz4")
                build(plan, root, Resources(2))
                taken.append(time.perf_counter() - started)
        for packaging, taken in seconds.items():
            inodes = sum(1 for _ in (Path(place) / f"{packaging}-0").rglob("*")) / count
            print(f"{packaging:12}{min(taken):8.1f} s{inodes:8.1f} inodes per trajectory")
    ratio = min(seconds["zarr"]) / min(seconds["webdataset"])
    print(f"{count} files: zarr takes {ratio:.2f} times as long as tars")
    return 1 if ratio > 1.5 else 0


def write_files(folder: Path, count: int) -> None:
    """One trajectory each, no two alike."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        np.savez(
            folder / f"run_{number:05d}.npz", density=random.normal(size=(1, FRAMES, *SIZES)).astype("f4")
        )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000))
