"""A build is repeatable, goes on where it was stopped, and never costs what was built before."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.building.build import build as build_plan
from ingest.building.fingerprint import digest
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.catalogue import find_recipe
from shards.read import Dataset
from shards.verify import faults

SAMPLES = Path(__file__).parents[2] / "samples"
PACKAGINGS = pytest.mark.parametrize("packaging", ["zarr", "webdataset"])


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "root" / "waves"


@PACKAGINGS
def test_a_second_run_writes_nothing(good, build, folder, packaging):
    first = build("--format", packaging)
    before = times(folder)
    second = build("--format", packaging)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "nothing to do" in second.stdout
    assert times(folder) == before


@PACKAGINGS
def test_index_is_written_last_and_withdrawn_first(good, folder, packaging):
    seen: list[bool] = []

    def progress(done: int, total: int) -> None:
        seen.append((folder / "index.json").exists())

    def run() -> None:
        plan = plan_build(find_recipe(str(good.recipe)), good.source, packaging, "lz4")
        build_plan(plan, folder.parent, Resources(1), progress)
        assert (folder / "index.json").exists()

    run()
    with h5py.File(good.source / "train" / "two.hdf5", "r+") as file:
        file["t0_fields/height"][1, 3, 2, 1] += 0.25
    run()
    assert len(seen) > 4
    assert not any(seen)


@PACKAGINGS
def test_one_worker_and_two_give_the_same_bytes(good, build, tmp_path, tree, packaging):
    for workers in (1, 2):
        root = tmp_path / str(workers)
        assert build("--format", packaging, "--workers", workers, root=root).exit_code == 0
    assert tree(tmp_path / "1") == tree(tmp_path / "2")


@PACKAGINGS
def test_the_bytes_do_not_depend_on_where_the_source_lies(good, build, tmp_path, tree, packaging):
    height = np.asarray(h5py.File(good.source / "test" / "one.hdf5")["t0_fields/height"])
    height[0, 2, 1, 1] = np.inf
    good.write("test/one", rows=2, height=height)
    (good.source / "train" / "bad.hdf5").write_bytes(b"not HDF5")
    good.spoil(good.write("train/spoiled"))
    subprocess.run(["cp", "-a", good.source, tmp_path / "copy"], check=True)
    assert build("--format", packaging, root=tmp_path / "1").exit_code == 3
    assert build("--format", packaging, root=tmp_path / "2", start=tmp_path / "copy").exit_code == 3
    assert tree(tmp_path / "1") == tree(tmp_path / "2")


def test_a_changed_input_redoes_its_own_trajectories_only(good, build, folder, physical):
    build()
    before = times(folder)
    with h5py.File(good.source / "train" / "two.hdf5", "r+") as file:
        file["t0_fields/height"][1, 3, 2, 1] += 0.25
        expected = file["t0_fields/height"][1]
    assert build().exit_code == 0
    changed = {
        path for path, when in times(folder).items() if before.get(path) != when and Path(path).is_file()
    }
    assert changed
    allowed = (f"{folder}/train/two-", f"{folder}/parts/train-00001", f"{folder}/card", f"{folder}/index")
    assert all(path.startswith(allowed) for path in changed)
    assert physical(folder, "train", 4)[:, 0].tobytes() == expected.tobytes()


@PACKAGINGS
def test_a_new_input_joins_those_that_are_there(good, build, folder, tmp_path, tree, packaging):
    build("--format", packaging)
    good.write("train/early", rows=1)
    assert build("--format", packaging).exit_code == 0
    build("--format", packaging, root=tmp_path / "fresh")
    assert tree(folder) == tree(tmp_path / "fresh" / "waves")


def test_the_card_counts_and_has_the_moments_of_the_train_split_alone(good, build, folder):
    good.write(
        "test/one",
        rows=2,
        height=np.asarray(h5py.File(good.source / "test/one.hdf5")["t0_fields/height"]) * 100,
    )
    build()
    card = Dataset(folder).card
    assert {split: (c.trajectories, c.frames) for split, c in card.counts.items()} == {
        "train": (5, 29),
        "valid": (2, 10),
        "test": (2, 10),
    }
    values = []
    for name in ("one", "two"):
        with h5py.File(good.source / "train" / f"{name}.hdf5") as file:
            values += [row.astype("f8") for row in file["t0_fields/height"]]
    flat, change = np.concatenate([v.ravel() for v in values]), [np.diff(v, axis=0).ravel() for v in values]
    height = card.moments["height"]
    assert (height.count, height.min, height.max) == (flat.size, flat.min(), flat.max())
    np.testing.assert_allclose(
        [height.mean, height.std, height.rms, height.change_rms],
        [flat.mean(), flat.std(), np.sqrt(np.mean(flat**2)), np.sqrt(np.mean(np.concatenate(change) ** 2))],
        rtol=1e-12,
    )
    assert set(card.moments) == {"height", "flow_x", "flow_y", "depth"}


def test_a_card_is_json_for_strict_readers_even_where_all_of_train_is_unfit(good, build, folder):
    for name, rows, frames in (("one", 3, 5), ("two", 2, 7)):
        good.write(f"train/{name}", rows, frames, height=np.ones((rows, frames, 6, 4), "f4"))
    assert build().exit_code == 3

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    card = json.loads((folder / "card.json").read_text(), parse_constant=refuse)
    assert card["counts"]["train"]["trajectories"] == 0
    assert card["moments"]["height"]["count"] == 2 * 2 * 5 * 24


@PACKAGINGS
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_every_bit_of_the_source_is_kept(waves, build, folder, packaging, dtype, physical):
    """Denormals, -0.0 and huge values among ordinary ones; the RMS is near 1, so that k is 0 or 1."""
    tiny, huge = (1e-44, 3e38) if dtype == "f4" else (5e-324, 1e150)
    height = np.random.default_rng(5).normal(size=(3, 5, 6, 4)).astype(dtype)
    height[:, :, 0, 0] = np.array([tiny, -tiny, 0.0, -0.0, 1.0], dtype)
    height[0, 1, 5, 3] = huge
    fields = {"flow": np.random.default_rng(6).normal(size=(3, 5, 6, 4, 2)).astype(dtype) * 1e5}
    waves.write("train/one", height=height, depth=(1 + height[:, 4]) ** 2, **fields)
    waves.recipe.write_text(waves.recipe.read_text().replace('name = "height"', 'name = "height"\npower = 0'))
    assert build("--format", packaging).exit_code == 0
    card = Dataset(folder).card
    assert card.powers["flow"] == 17
    assert card.schema.dtype == {"f4": "float32", "f8": "float64"}[dtype]
    for row in range(3):
        found = physical(folder, "train", row)
        assert found[:, 0].tobytes() == height[row].tobytes()
        assert found[:, 1].tobytes() == fields["flow"][row, ..., 0].tobytes()


def test_a_value_that_would_lose_bits_is_left_out_and_the_cure_helps(good, build, folder, physical):
    height = 1e6 * np.random.default_rng(5).normal(size=(3, 5, 6, 4)).astype("f4")
    height[1, 3, 2, 2] = 1e-44
    good.write("train/one", height=height)
    result = build()
    assert result.exit_code == 3
    assert "left out: train/one.hdf5, row 1: values in frame 3 would lose bits" in result.stderr
    assert "set power = 0 for the field in the recipe" in result.stderr
    good.recipe.write_text(good.recipe.read_text().replace('name = "height"', 'name = "height"\npower = 0'))
    assert build().exit_code == 0
    assert physical(folder, "train", 1)[:, 0].tobytes() == height[1].tobytes()


@pytest.mark.parametrize("harm", ["vanished", "truncated", "another grid", "not a number", "bad time"])
@PACKAGINGS
def test_a_bad_input_never_costs_what_was_built_from_it(good, build, folder, tree, packaging, harm):
    build("--format", packaging)
    before, path = tree(folder), good.source / "train" / "two.hdf5"
    if harm == "vanished":
        path.unlink()
    elif harm == "truncated":
        path.write_bytes(path.read_bytes()[:3000])
    elif harm == "another grid":
        good.write("train/two", rows=2, frames=7, x=np.arange(6) * 10.0)
    else:
        with h5py.File(path, "r+") as file:
            where = file["t0_fields/height"] if harm == "not a number" else file["dimensions/time"]
            where[(1, 3, 2, 1) if harm == "not a number" else 3] = np.nan
    result = build("--format", packaging)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert f"{folder}: was built from train/two.hdf5, which" in line
    assert tree(folder) == before
    assert list(faults(Dataset(folder))) == []


def test_what_was_bad_before_may_stay_bad_in_a_changed_input(good, build, folder, physical):
    good.write("train/two", rows=2, frames=3, time=np.array([[0.0, 1.0, 2.0], [0.0, 1.0, 1.0]]))
    height = np.asarray(h5py.File(good.source / "train/one.hdf5")["t0_fields/height"])
    height[1, 3, 2, 1] = np.nan
    good.write("train/one", height=height)
    assert build().exit_code == 3
    height[0] += 1
    good.write("train/one", height=height)
    good.write("train/two", rows=2, frames=3, time=np.array([[0.0, 1.0, 2.5], [0.0, 1.0, 1.0]]))
    assert build().exit_code == 3
    assert physical(folder, "train", 0)[:, 0].tobytes() == height[0].tobytes()
    assert len(Dataset(folder).card.quarantine) == 2


def test_a_vanished_input_costs_nothing_when_the_index_is_gone_too(good, build, folder, tree):
    build()
    (folder / "index.json").unlink()
    before = tree(folder)
    (good.source / "train" / "two.hdf5").unlink()
    assert build().exit_code == 1
    assert tree(folder) == before


def test_an_input_is_never_in_the_way_of_the_build(good, build, tree):
    """The build clears its folder of what it does not know: an input there would be lost."""
    place = good.source.parent / "waves"
    good.source.rename(place)
    before = tree(place)
    result = build(start=place, root=place.parent)
    assert result.exit_code == 1
    assert "is in the folder to be built; name another root" in result.stderr
    assert tree(place) == before


def test_a_folder_of_someone_else_is_left_alone(good, build, folder, tree):
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "thesis.txt").write_text("the only copy")
    result = build()
    assert result.exit_code == 1
    assert f"{folder}: is not empty and not a built dataset" in result.stderr
    assert tree(folder) == {"train/thesis.txt": b"the only copy"}


def test_another_packaging_is_refused(good, build, folder, tree):
    build()
    before = tree(folder)
    result = build("--format", "webdataset")
    assert result.exit_code == 1
    assert "is built as zarr; use walrus-ingest convert, or another root" in result.stderr
    assert tree(folder) == before


@PACKAGINGS
def test_what_was_lost_of_a_dataset_is_built_again(waves, build, folder, tree, packaging):
    waves.write("train/one", rows=1)
    build("--format", packaging)
    before = tree(folder)
    # Who has nothing to do takes no lock.
    for name in sorted(before.keys() - {"parts/lock"}):
        (folder / name).unlink()
        assert build("--format", packaging).exit_code == 0, name
        assert tree(folder) == before, name


@PACKAGINGS
def test_a_full_disk_is_one_line_and_nothing_is_half_written(build, waves, full_disk, packaging):
    noise = np.random.default_rng(1).normal(size=(24, 300, 6, 4)).astype("f4")
    waves.write("train/one", rows=24, frames=300, height=noise)
    for workers in (1, 2):
        result = build("--format", packaging, "--workers", workers, root=full_disk)
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert str(full_disk / "waves") in line
        assert "No space left on device" in line
        assert not list(full_disk.rglob("index.json"))
        assert not list(full_disk.rglob(".tmp-*"))


def arguments(waves, root: Path, packaging: str, workers: int = 1) -> list[object]:
    return [
        "build",
        waves.recipe,
        "--from",
        waves.source,
        "--to",
        root,
        "--format",
        packaging,
        "--workers",
        workers,
    ]


def drawn(moments: str, count: int, seed: int) -> list[int]:
    """Different moments of a build, each equally likely."""
    return (1 + np.random.default_rng(seed).permutation(len(moments))[:count]).tolist()


def require_goes_on(build, packaging: str, cut: Path, expected: dict[str, bytes], tree) -> None:
    """What was cut short is finished by a run that gives these bytes, and then nothing is left to do."""
    assert build("--format", packaging, root=cut).exit_code == 0
    assert tree(cut) == expected
    before = times(cut)
    assert json.loads(build("--format", packaging, "--json", root=cut).stdout)["written_bytes"] == 0
    assert times(cut) == before


@pytest.mark.slow
@PACKAGINGS
def test_a_build_killed_at_any_moment_is_finished_by_the_next(good, build, strike, tmp_path, tree, packaging):
    whole = strike(arguments(good, tmp_path / "whole", packaging), tmp_path / "whole")
    assert whole.code == 0
    expected = tree(tmp_path / "whole")
    for moment in drawn(whole.moments, 6, seed=1):
        cut = tmp_path / f"cut-{moment}"
        killed = strike(arguments(good, cut, packaging), cut, moment)
        assert (killed.code, len(killed.moments)) == (-signal.SIGKILL, moment)
        require_goes_on(build, packaging, cut, expected, tree)


@pytest.mark.slow
@PACKAGINGS
def test_a_rebuild_killed_at_any_moment_is_finished_by_the_next(
    good, build, strike, tmp_path, tree, packaging
):
    """Of a finished dataset some trajectories are replaced: old and new are never taken for each other."""
    build("--format", packaging, root=tmp_path / "before")
    good.write(
        "train/one",
        rows=3,
        height=3 * np.asarray(h5py.File(good.source / "train/one.hdf5")["t0_fields/height"]),
    )
    good.write("train/a", rows=1)
    shutil.copytree(tmp_path / "before", tmp_path / "whole")
    whole = strike(arguments(good, tmp_path / "whole", packaging), tmp_path / "whole")
    assert whole.code == 0
    expected = tree(tmp_path / "whole")
    for moment in drawn(whole.moments, 3, seed=2):
        cut = tmp_path / f"cut-{moment}"
        shutil.copytree(tmp_path / "before", cut)
        assert strike(arguments(good, cut, packaging), cut, moment).code == -signal.SIGKILL
        require_goes_on(build, packaging, cut, expected, tree)


@pytest.mark.slow
@PACKAGINGS
@pytest.mark.parametrize("aim", ["group", "leader", "self"])
def test_one_or_all_of_several_processes_killed_are_finished_by_the_next(
    good, build, strike, tmp_path, tree, packaging, aim
):
    """A leader that is killed leaves no one behind who still writes; a worker that is killed is told in one
    line.
    """
    whole = strike(arguments(good, tmp_path / "whole", packaging, 2), tmp_path / "whole")
    assert whole.code == 0
    for moment in drawn(whole.moments, 1, seed=3):
        cut = tmp_path / f"cut-{moment}"
        killed = strike(arguments(good, cut, packaging, 2), cut, moment, aim=aim)
        assert_ended(killed, aim)
        require_goes_on(build, packaging, cut, tree(tmp_path / "whole"), tree)


def assert_ended(killed, aim: str) -> None:
    assert survivors(killed.session) == []
    if killed.code == 1:
        assert aim == "self"
        # Python may add that a killed process left semaphores to clean up.
        assert "a worker process was killed" in killed.err.splitlines()[0]
    else:
        assert killed.code == -signal.SIGKILL


def survivors(session: int) -> list[int]:
    """Processes that a killed one left behind, and that still run after half a minute."""
    for _ in range(600):
        alive = [
            pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if is_of_session(pid, session)
        ]
        if not alive:
            return []
        time.sleep(0.05)
    return alive


def is_of_session(pid: int, session: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return int(state[3]) == session and state[0] != "Z"


@pytest.mark.slow
@PACKAGINGS
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_is_one_line_and_the_next_run_goes_on(good, build, strike, tmp_path, tree, packaging, workers):
    whole = strike(arguments(good, tmp_path / "whole", packaging, workers), tmp_path / "whole")
    for moment in drawn(whole.moments, 8 // workers**2, seed=4):
        cut = tmp_path / f"cut-{moment}"
        struck = strike(arguments(good, cut, packaging, workers), cut, moment, signal.SIGINT)
        assert (struck.code, struck.out) == (130, "")
        (line,) = struck.err.splitlines()
        assert line.startswith("walrus-ingest build: interrupted")
        assert not list(cut.rglob(".tmp-*"))
        require_goes_on(build, packaging, cut, tree(tmp_path / "whole"), tree)


@pytest.mark.slow
def test_ctrl_c_is_one_line_from_a_worker_that_has_nothing_to_do_too(good, strike, tmp_path):
    """Struck where the last of all parts is done but for the name of its record; the documents of the whole
    follow.
    """
    whole = strike(arguments(good, tmp_path / "whole", "webdataset", 2), tmp_path / "whole")
    documents = ("recipe.toml", "card.json", "index.json")
    moment = [place for place, letter in enumerate(whole.moments, 1) if letter == "r"][-len(documents) - 1]
    struck = strike(
        arguments(good, tmp_path / "cut", "webdataset", 2), tmp_path / "cut", moment, signal.SIGINT
    )
    assert struck.code == 130
    assert len(struck.err.splitlines()) == 1
    assert not list((tmp_path / "cut").rglob("index.json"))


@PACKAGINGS
def test_what_only_the_card_tells_changes_the_card_and_no_shard(good, build, folder, packaging):
    build("--format", packaging)
    before = times(folder)
    recipe = good.recipe.read_text()
    good.recipe.write_text(
        "licence = 'CC0-1.0'\nnote = 'new'\n" + recipe.replace('"height"', '"height"\nunit = "m"')
    )
    result = build("--format", packaging, "--set", "title=Ripples")
    assert result.stdout.endswith("; no shard written, only card and index\n")
    assert (result.exit_code, Dataset(folder).card.title) == (0, "Ripples")
    assert Dataset(folder).card.schema.fields[0].unit == "m"
    paths = [Path(name) for name, time in times(folder).items() if before.get(name) != time]
    changed = {str(path.relative_to(folder)) for path in paths if path.is_file()}
    # The groups above the trajectories say what the card says.
    above = {
        "card.json",
        "index.json",
        "recipe.toml",
        "zarr.json",
        "train/zarr.json",
        "valid/zarr.json",
        "test/zarr.json",
    }
    assert changed <= above | {"parts/lock"}


def test_a_copy_of_the_sources_rebuilds_nothing_and_writes_nothing(good, build, folder, tmp_path):
    large = good.write("train/large", rows=3, frames=8)
    small = large.rename(tmp_path / "small.hdf5")
    noise = np.random.default_rng(1).integers(0, 256, 65 * 2**16, "u1")
    with h5py.File(small) as source, h5py.File(large, "w") as file:
        file["unread"] = noise
        for name in source:
            source.copy(name, file)
        file.attrs.update(source.attrs)
        file["unread too"] = noise
    build()
    before = times(folder)
    shutil.copytree(good.source, tmp_path / "copy")
    for path in (tmp_path / "copy").rglob("*.hdf5"):
        os.utime(path, (1, 1))
    assert "nothing to do" in build(start=tmp_path / "copy").stdout
    assert times(folder) == before
    # One value between two blocks that the digest of a large file reads, with another time.
    copied = tmp_path / "copy" / "train" / "large.hdf5"
    with h5py.File(copied, "r+") as file:
        file["t0_fields/height"][2, 5, 3, 2] += 0.25
    assert digest(copied) == digest(large)
    os.utime(copied, (2, 2))
    assert "nothing to do" not in build(start=tmp_path / "copy").stdout
