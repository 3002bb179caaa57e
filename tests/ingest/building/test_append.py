"""Files are added to a built dataset; what is there stays as it is."""

import json
import shutil
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import ingest.building.append
from shards.read import Dataset
from shards.verify import faults

PACKAGINGS = pytest.mark.parametrize("packaging", ["zarr", "webdataset"])


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "root" / "waves"


@pytest.fixture
def append(command, waves, tmp_path):
    """walrus-ingest append of the waves."""

    def call(*options: object, start: Path = waves.source):
        return command(
            "append", waves.recipe, "--from", start, "--to", tmp_path / "root", "--workers", 1, *options
        )

    return call


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@PACKAGINGS
def test_new_files_join_and_nothing_that_is_there_is_touched(
    good, build, append, command, folder, packaging, physical
):
    build("--format", packaging)
    before, powers = times(folder), Dataset(folder).card.powers
    path = good.write(
        "train/zero", rows=2, frames=6, height=100 * np.random.default_rng(1).normal(size=(2, 6, 6, 4))
    )
    with h5py.File(path, "r+") as file:
        values = file["t0_fields/height"][()].astype("f4")
        attributes = dict(file["t0_fields/height"].attrs)
        del file["t0_fields/height"]
        file["t0_fields/height"] = values
        file["t0_fields/height"].attrs.update(attributes)
    result = append()
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{folder}: 2 trajectories added; 7 train, 2 valid, 2 test trajectories\n"
    changed = {path.name for path, when in before.items() if path.stat().st_mtime_ns != when}
    assert changed == {"card.json", "index.json"}
    dataset = Dataset(folder)
    assert dataset.card.powers == powers
    assert list(faults(dataset)) == []
    assert command("verify", folder, "--against-source", good.source).exit_code == 0
    assert physical(folder, "train", 5)[:, 0].tobytes() == values[0].tobytes()


@PACKAGINGS
def test_moments_and_inputs_are_those_of_a_build_of_all(good, build, append, folder, tmp_path, packaging):
    build("--format", packaging)
    good.write("train/zero", rows=2, frames=6)
    append()
    build("--format", packaging, root=tmp_path / "fresh")
    card, fresh = Dataset(folder).card, Dataset(tmp_path / "fresh" / "waves").card
    assert set(card.inputs) == set(fresh.inputs)
    assert card.counts == fresh.counts
    for channel, moments in card.moments.items():
        expected = fresh.moments[channel]
        assert (moments.count, moments.min, moments.max) == (expected.count, expected.min, expected.max)
        assert moments.std == pytest.approx(expected.std, rel=1e-12)
        assert moments.change_rms == pytest.approx(expected.change_rms, rel=1e-12)


@PACKAGINGS
def test_running_twice_adds_nothing(good, build, append, folder, tree, packaging):
    build("--format", packaging)
    good.write("valid/zero", rows=2, frames=6)
    assert append().exit_code == 0
    before = tree(folder), times(folder)
    time.sleep(0.01)
    result = append()
    assert result.stdout == f"{folder}: nothing to add; 5 train, 4 valid, 2 test trajectories\n"
    shutil.copytree(good.source, good.source.parent / "copy")
    assert "nothing to add" in append(start=good.source.parent / "copy").stdout
    assert (tree(folder), times(folder)) == before


def test_a_file_of_the_same_name_from_elsewhere_has_keys_of_its_own(good, build, append, folder, tmp_path):
    build()
    elsewhere = tmp_path / "elsewhere"
    good.write("test/other/one", rows=3, frames=8)
    (elsewhere / "more").mkdir(parents=True)
    (good.source / "test" / "other" / "one.hdf5").rename(elsewhere / "more" / "one.hdf5")
    assert append(start=elsewhere).exit_code == 0
    keys = [(entry.split, entry.key) for entry in Dataset(folder).index.trajectories]
    assert len(set(keys)) == 12
    assert sum(key.startswith("one-") and len(key) > len("one-00000") for _, key in keys) == 3


def test_what_is_bad_is_left_out_and_counted_once(good, build, append, folder):
    build()
    (good.source / "train" / "bad.hdf5").write_bytes(b"not HDF5")
    height = np.ones((2, 5, 6, 4), "f4") * np.arange(5, dtype="f4").reshape(1, 5, 1, 1)
    height[1, 2, 1, 1] = np.nan
    good.write("train/nan", rows=2, height=height)
    result = append()
    assert result.exit_code == 3
    assert [line.split(":")[1].strip() for line in result.stderr.splitlines()] == [
        "train/bad.hdf5",
        "train/nan.hdf5, row 1",
    ]
    assert "1 trajectory added; 6 train, 2 valid, 2 test trajectories, 2 left out" in result.stdout
    again = append()
    assert again.exit_code == 3
    assert "nothing to add" in again.stdout
    assert len(Dataset(folder).card.quarantine) == 2


def test_parameters_of_other_names_are_told_in_one_line(good, build, append, folder):
    build()
    path = good.write("train/zero", rows=2, frames=6)
    with h5py.File(path, "r+") as file:
        file["scalars"].move("slope", "steepness")
        file["scalars"].attrs["field_names"] = ["steepness"]
    result = append()
    assert result.exit_code == 3
    assert result.stderr == (
        "left out: train/zero.hdf5: parameters ['steepness'], expected ['slope'] as in the dataset; build "
        "a dataset of its own from it\n"
    )
    assert len(Dataset(folder).index.trajectories) == 9


def test_a_killed_append_is_finished_by_the_next(good, build, append, folder, tmp_path, tree, monkeypatch):
    build()
    before = (folder / "index.json").read_bytes()
    for frames, name in enumerate(("train/new1", "train/new2", "test/new3"), start=8):
        good.write(name, rows=2, frames=frames)
    shutil.copytree(folder.parent, tmp_path / "whole")
    whole = tmp_path / "whole" / "waves"

    class Killed(BaseException):
        pass

    def kill(*arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ingest.building.append, "merge", kill)
        with pytest.raises(Killed):
            append()
    assert (folder / "index.json").read_bytes() == before
    (folder / "parts" / "train-00003.json").unlink()
    assert append().exit_code == 0
    folder.rename(tmp_path / "resumed")
    whole.rename(folder)
    assert append().exit_code == 0
    assert tree(tmp_path / "resumed") == tree(folder)


def test_one_killed_between_card_and_index_is_finished_by_the_next(
    good, build, append, folder, tree, monkeypatch
):
    build()
    good.write("train/new", rows=2, frames=6)
    index = (folder / "index.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.unlink", lambda path, missing_ok=False: None)
        assert append().exit_code == 0
    whole = tree(folder)
    (folder / "index.json").write_bytes(index)
    assert append().exit_code == 0
    del whole["unfinished.json"]
    assert tree(folder) == whole


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (
            lambda good, folder: shutil.rmtree(folder),
            "is not a built dataset; run walrus-ingest build first",
        ),
        (
            lambda good, folder: (folder / "index.json").unlink(),
            "is not finished; run walrus-ingest build, or finish",
        ),
        (
            lambda good, folder: good.recipe.write_text("skip_frames = 1\n" + good.recipe.read_text()),
            "another recipe",
        ),
        (lambda good, folder: shutil.rmtree(folder / "parts"), "records of its parts are missing in parts/"),
        (
            lambda good, folder: good.write("train/one", rows=1),
            "differs from the file train/one.hdf5 that the dataset",
        ),
    ],
)
def test_what_cannot_be_added_to_is_one_line(good, build, append, folder, harm, words):
    build()
    good.write("train/zero", rows=2, frames=6)
    harm(good, folder)
    result = append()
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("walrus-ingest append: ")
    assert words in line


def test_the_saved_recipe_is_the_recipe(good, build, command, folder, tmp_path):
    build()
    good.write("train/zero", rows=2, frames=6)
    result = command(
        "append", folder / "recipe.toml", "--from", good.source, "--to", tmp_path / "root", "--json"
    )
    assert result.exit_code == 0
    assert json.loads(result.stdout)["trajectories"] == 2
