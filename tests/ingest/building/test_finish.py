"""Shares of a build, each done by a process of its own, and merged without the source files."""

import errno
import json
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.building.digests import recipe_digest
from ingest.building.finish import finish
from ingest.building.plan import plan_build
from ingest.building.shares import BuildOutline, share_out
from ingest.catalogue import find_recipe
from shards.json_text import dump, parse
from shards.read import Dataset
from shards.verify import faults

PACKAGINGS = pytest.mark.parametrize("packaging", ["zarr", "webdataset"])


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "root" / "waves"


def test_shares_are_balanced_by_bytes_and_cover_every_part_once():
    sizes = [7, 100, 30, 30, 30, 1, 9, 55]
    owners = share_out(sizes, 3)
    loads = [
        sum(size for size, owner in zip(sizes, owners, strict=True) if owner == job) for job in (1, 2, 3)
    ]
    assert sorted(loads) == [77, 85, 100]
    assert share_out(sizes, 3) == owners
    assert share_out([5, 5], 4) == (1, 2)


def test_an_outline_is_read_as_it_was_written(good):
    plan = plan_build(find_recipe(str(good.recipe)), good.source, "zarr", "lz4")
    outline = BuildOutline.of(plan, 4)
    again = parse(BuildOutline, dump(BuildOutline, outline), "")
    assert again == outline
    assert recipe_digest(again.recipe) == recipe_digest(plan.recipe)


@PACKAGINGS
def test_four_jobs_in_any_order_and_a_whole_build_give_the_same_bytes(
    good, build, command, tmp_path, folder, tree, packaging
):
    good.spoil(good.write("train/spoiled"))
    (good.source / "train" / "bad.hdf5").write_bytes(b"not HDF5")
    whole = build("--format", packaging, root=tmp_path / "whole")
    for job in (3, 1, 4, 2):
        assert build("--format", packaging, "--part", f"{job}/4").exit_code in (0, 3)
        assert not (folder / "index.json").exists()
        assert not (folder / "card.json").exists()
    shutil.rmtree(good.source)
    result = command("finish", folder)
    assert (result.exit_code, result.stderr) == (3, whole.stderr)
    assert result.stdout == f"{folder}: 5 train, 2 valid, 2 test trajectories, 4 left out; merged\n"
    assert tree(folder) == tree(tmp_path / "whole" / "waves")
    assert list(faults(Dataset(folder))) == []


def test_finish_names_what_is_missing_and_who_does_it(good, build, command, folder):
    build("--part", "2/4")
    result = command("finish", folder)
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert f"{folder}: 3 of 4 parts missing: train-00000 (--part 1/4), " in line
    assert "--part 2/4" not in line
    for job in (1, 3, 4):
        build("--part", f"{job}/4")
    assert command("finish", folder).exit_code == 0


def test_finish_twice_does_nothing_and_so_do_its_jobs(good, build, command, folder, tree):
    for job in (1, 2):
        build("--part", f"{job}/2")
    command("finish", folder)
    before = tree(folder), (folder / "index.json").stat().st_mtime_ns
    for job in (1, 2):
        assert "nothing to do" in build("--part", f"{job}/2").stdout
    assert json.loads(command("finish", folder, "--json").stdout)["written_bytes"] == 0
    assert "nothing to do" in command("finish", folder).stdout
    assert (tree(folder), (folder / "index.json").stat().st_mtime_ns) == before


def test_nothing_to_do_writes_nothing_not_even_a_lock(good, build, command, folder, waves, monkeypatch):
    """A colleague's dataset, or a read-only disk."""
    build()

    def lock(*arguments: object):
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    for module in ("append", "build", "finish"):
        monkeypatch.setattr(import_module(f"ingest.building.{module}"), "lock", lock)
    assert "nothing to do" in build("--part", "1/2").stdout
    assert "nothing to do" in command("finish", folder).stdout
    again = command("append", waves.recipe, "--from", waves.source, "--to", folder.parent)
    assert (again.exit_code, "nothing to add" in again.stdout) == (0, True)


def test_a_job_says_what_it_did(good, build, folder):
    document = json.loads(build("--part", "1/2", "--json").stdout)
    assert (document["folder"], document["written_parts"], document["reused_parts"]) == (str(folder), 2, 0)
    assert f"{folder}: share 1/2, 2 parts; nothing to do" in build("--part", "1/2").stdout
    assert (
        "share 9/9, 0 parts; nothing to do" in build("--part", "9/9", root=folder.parents[1] / "other").stdout
    )


def test_jobs_that_planned_otherwise_are_refused_and_the_cure_helps(good, build, command, folder):
    build("--part", "1/2")
    for options in (
        ["--part", "2/3"],
        ["--part", "2/2", "--set", "note=other"],
        ["--part", "2/2", "--codec", "raw"],
    ):
        result = build(*options)
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert f"{folder}/unfinished.json: another job had other inputs, recipe, options" in line
    (folder / "unfinished.json").unlink()
    for job in (1, 2, 3):
        assert build("--part", f"{job}/3").exit_code == 0
    assert command("finish", folder).exit_code == 0


def test_a_whole_build_takes_over_from_jobs(good, build, folder, tmp_path, tree):
    build("--part", "1/2")
    assert build().exit_code == 0
    build(root=tmp_path / "whole")
    assert tree(folder) == tree(tmp_path / "whole" / "waves")


def test_jobs_never_cost_what_was_built_before(good, build, folder):
    """The first job withdraws the index: the second must still know what was there."""
    build()
    for name in ("train/one", "train/two"):
        with h5py.File(good.source / f"{name}.hdf5", "r+") as file:
            file["t0_fields/height"][1, 3, 2, 1] += 0.25
            if name == "train/two":
                file["t0_fields/height"][0, 2, 1, 1] = np.nan
    before = {path: path.read_bytes() for path in folder.glob("train/two-*/**/0") if path.is_file()}
    results = {job: build("--part", f"{job}/4") for job in (1, 2, 3, 4)}
    refused = [result for result in results.values() if result.exit_code == 1]
    assert len(refused) == 1
    assert "was built from train/two.hdf5, which has changed: row 0" in refused[0].stderr
    assert not (folder / "index.json").exists()
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("share", ["0/4", "5/4", "1", "1/0", "a/b", "-1/4"])
def test_a_share_that_is_none_is_wrong_usage(good, build, tmp_path, share):
    result = build(f"--part={share}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--part" in result.stderr
    assert not (tmp_path / "root").exists()


def test_finish_where_nothing_was_begun_is_one_line(command, tmp_path):
    for place in (tmp_path / "nowhere", tmp_path):
        result = command("finish", place)
        assert (result.exit_code, result.stdout) == (1, "")
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"walrus-ingest finish: {place}: ")
    assert not (tmp_path / "nowhere").exists()


def test_jobs_of_which_all_is_unfit_are_one_line(waves, build, command, folder):
    for name in ("train/one", "test/one"):
        waves.write(name, height=np.ones((3, 5, 6, 4), "f4"))
    for job in (1, 2):
        assert build("--part", f"{job}/2").exit_code == 3
    result = command("finish", folder)
    assert result.exit_code == 1
    assert "no trajectory is left to build" in result.stderr
    assert not folder.exists()


HOLD = """
import sys
from importlib import import_module
from pathlib import Path
from ingest.building.lock import lock
with lock(Path(sys.argv[1]), None if sys.argv[2] == "all" else [int(sys.argv[2])]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other():
    """Another process that holds a part of a folder, or all, until the test is through."""
    processes = []

    def hold(folder: Path, part: int | str) -> subprocess.Popen:
        command = [sys.executable, "-c", HOLD, str(folder), str(part)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in processes:
        process.communicate("")


def test_two_processes_never_do_the_same_part(good, build, command, folder, other):
    job = make_owner(good)
    process = other(folder, 0)
    for arguments in (["--part", f"{job[0]}/4"], []):
        result = build(*arguments)
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert f"{folder}: another process is writing the same parts" in line
    assert command("finish", folder).exit_code == 1
    assert build("--part", f"{job[1]}/4").exit_code == 0
    process.kill()
    process.wait()
    assert build().exit_code == 0


def make_owner(good) -> tuple[int, ...]:
    return BuildOutline.of(plan_build(find_recipe(str(good.recipe)), good.source, "zarr", "lz4"), 4).owners()


COMMAND = [sys.executable, "-c", "from ingest.cli import main; main()"]


@pytest.mark.slow
@PACKAGINGS
def test_jobs_killed_and_run_again_at_once_give_the_same_bytes(
    good, build, command, strike, tmp_path, folder, tree, packaging
):
    build("--format", packaging, root=tmp_path / "whole")
    base = [
        "build",
        good.recipe,
        "--from",
        good.source,
        "--to",
        folder.parent,
        "--format",
        packaging,
        "--workers",
        1,
    ]
    for job, moment in ((1, 15), (2, 30), (3, 40)):
        assert strike([*base, "--part", f"{job}/3"], folder, moment).code == -9
    again = [
        subprocess.Popen([*COMMAND, *map(str, base), "--part", f"{job}/3"], stdout=subprocess.DEVNULL)
        for job in (1, 2, 3)
    ]
    assert [process.wait() for process in again] == [0, 0, 0]
    assert finish(folder)[1] > 0
    assert tree(folder) == tree(tmp_path / "whole" / "waves")
