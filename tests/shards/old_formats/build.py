"""Builds the small dataset in both packagings with the format of today: run it once per format version.

    python tests/shards/old_formats/build.py v1

The folder is committed and never changed again: tests/shards/test_old_formats.py reads it with every later
version.
"""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

import numpy as np

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.recipe import Recipe
from shards.program.settings import make

HERE = Path(__file__).parent
# Axes: N trajectory, T time, X Y space.
N, T, X, Y = 2, 5, 6, 4
TABLES = {
    "name": "small",
    "source": "arrays",
    "title": "A small dataset of known values",
    "licence": "MIT",
    "axes": ["x", "y"],
    "layout": "n t x y",
    "fields": [
        {"name": "pressure", "stored": ["p"]},
        {"name": "velocity", "rank": 1, "stored": ["u", "v"]},
        {"name": "viscosity", "constant": True, "stored": ["nu"], "layout": "x y"},
    ],
    "time": {"stored": "t"},
    "coordinates": {"x": {"lower": 0.0, "upper": 3.0}, "y": {"lower": 0.0, "upper": 1.0}},
    "boundaries": {"x": ["periodic", "periodic"], "y": ["wall", "open"]},
    "scalars": {"Re": "Re"},
    "split": {"train": 0.5, "valid": 0.0, "test": 0.5},
}


def arrays() -> dict[str, np.ndarray]:
    """The source file: every value is exact in float32 and none is there twice."""
    cells = np.arange(N * T * X * Y, dtype="f4").reshape(N, T, X, Y)
    return {
        "p": cells + 0.5,
        "u": -3 * cells - 1.25,
        "v": cells / 256,
        "nu": np.arange(1, 1 + X * Y, dtype="f4").reshape(X, Y) / 8,
        "t": np.arange(T) * 0.25,
        "Re": np.array([100.0, 200.0]),
    }


def build_small(root: Path, packaging: str, codec: str) -> Path:
    """The dataset below `root`, in frames of one chunk and shards of one trajectory."""
    with TemporaryDirectory() as source:
        np.savez(Path(source) / "small.npz", **arrays())
        plan = plan_build(make(Recipe, TABLES, "small.toml"), Path(source), packaging, codec)
        return build(plan, root, Resources(1)).folder


if __name__ == "__main__":
    version = HERE / sys.argv[1]
    for packaging, codec in (("zarr", "lz4"), ("webdataset", "zstd")):
        rmtree(build_small(version / packaging, packaging, codec) / "parts")
