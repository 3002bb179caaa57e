"""A build stays within the memory that it was given, whatever the size of the file; the bytes do not depend
on it.
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import ingest.building.memory
import ingest.building.rounding
import ingest.building.scale
from ingest.building.memory import PROCESS_BYTES, SLAB_BYTES, process_bytes, slab_within
from ingest.building.plan import plan_build
from ingest.catalogue import find_recipe

PACKAGINGS = pytest.mark.parametrize("packaging", ["zarr", "webdataset"])


@PACKAGINGS
def test_the_slab_keeps_all_processes_within_the_bound(good, packaging):
    plan = plan_build(find_recipe(str(good.recipe)), good.source, packaging, "lz4")
    assert slab_within(plan.work, None, 8) == slab_within(plan.work, 10**12, 8) == SLAB_BYTES
    for workers in (1, 2, 3):
        slab = slab_within(plan.work, 5 * 10**8, workers)
        parent = PROCESS_BYTES if workers > 1 else 0
        assert parent + workers * process_bytes(plan.work, slab) <= 5 * 10**8
    one_part = replace(plan.work, parts=1)
    assert slab_within(one_part, 5 * 10**8, 8) == slab_within(plan.work, 5 * 10**8, 1)


def test_less_than_one_frame_needs_is_one_line_and_nothing_is_written(good, build, tmp_path):
    for options, words in (
        (["--workers", 1], "give this much"),
        (["--workers", 2], "or use fewer --workers"),
    ):
        result = build("--memory", "90MB", *options)
        assert (result.exit_code, result.stdout) == (1, "")
        (line,) = result.stderr.splitlines()
        assert "--memory 90MB for " in line
        assert words in line
    assert not (tmp_path / "root").exists()
    assert build("--memory", "lots").exit_code == 2


def test_too_little_is_told_before_a_frame_is_read(good, build, command, tmp_path, monkeypatch):
    def read(*arguments: object) -> None:
        raise AssertionError("a frame was read")

    monkeypatch.setattr(ingest.building.scale, "add_squares", read)
    monkeypatch.setattr(ingest.building.rounding, "add_squares", read)
    for options in ([], ["--keep-error", "0.1"], ["--format", "webdataset"]):
        assert "--memory 90MB for " in build("--memory", "90MB", *options).stderr
        ask = ("plan", good.recipe, "--from", good.source, "--to", tmp_path, "--memory", "90MB")
        assert "--memory 90MB for " in command(*ask, *options).stderr


@PACKAGINGS
def test_the_bytes_do_not_depend_on_the_memory(good, build, tmp_path, tree, monkeypatch, packaging):
    build("--format", packaging, root=tmp_path / "much")
    monkeypatch.setattr(ingest.building.memory, "SLAB_BYTES", 1)
    assert build("--format", packaging, "--memory", "500MB", root=tmp_path / "little").exit_code == 0
    assert tree(tmp_path / "much") == tree(tmp_path / "little")


# Not ru_maxrss: a process inherits that of the one that started it, here of all tests before.
PEAK = """
import pathlib, re, sys
from ingest.cli import app
code = app(sys.argv[1:], standalone_mode=False)
print(code or 0, re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])
"""


@pytest.fixture
def long_file(waves) -> Path:
    """320 MB: 400 frames of 3 x 256 x 260 values."""
    path = waves.write("train/long", rows=1, frames=2)
    rng, frames, shape = np.random.default_rng(0), 400, (256, 260)
    with h5py.File(path, "r+") as file:
        for name, parts in (("t0_fields/height", ()), ("t1_fields/flow", (2,))):
            attributes = dict(file[name].attrs)
            del file[name]
            values = file.create_dataset(name, (1, frames, *shape, *parts), "f4")
            values.attrs.update(attributes)
            noise = rng.normal(size=(*shape, *parts)).astype("f4")
            for frame in range(frames):
                values[0, frame] = noise * np.float32(1 + 0.1 * np.sin(frame))
        attributes = dict(file["t0_fields/depth"].attrs)
        del file["t0_fields/depth"], file["dimensions/time"]
        file["t0_fields/depth"] = rng.normal(size=(1, *shape)).astype("f4")
        file["t0_fields/depth"].attrs.update(attributes)
        file["dimensions/time"] = np.arange(frames) * 0.5
        for axis, length in zip("xy", shape, strict=True):
            del file[f"dimensions/{axis}"], file[f"boundary_conditions/{axis}/mask"]
            file[f"dimensions/{axis}"] = np.arange(length) + 0.5
            file[f"boundary_conditions/{axis}/mask"] = [True] + [False] * (length - 2) + [True]
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("packaging", "memory"), [("zarr", 130), ("webdataset", 130)])
def test_a_file_larger_than_the_memory_is_built_within_it(long_file, waves, tmp_path, packaging, memory):
    assert long_file.stat().st_size > 310e6
    arguments = ["build", waves.recipe, "--from", waves.source, "--to", tmp_path / "root", "--workers", 1]
    arguments += ["--format", packaging, "--memory", f"{memory}MB"]
    done = subprocess.run([sys.executable, "-c", PEAK, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    code, peak = map(int, done.stdout.splitlines()[-1].split())
    assert code == 0
    assert peak * 1024 < memory * 1e6
