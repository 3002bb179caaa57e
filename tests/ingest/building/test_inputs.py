"""Input files are found in a fixed order, each with its fingerprint."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from ingest.building.caveats import caveats
from ingest.building.fingerprint import BLOCK, digest
from ingest.building.inputs import find_inputs, split_of_root
from ingest.catalogue import find_recipe
from ingest.recipe import Recipe
from shards.errors import SourceError
from shards.program.settings import make
from tests.ingest import solvers
from tests.ingest.formats.test_hdf5_virtual import write

OWN = {
    "name": "waves",
    "source": "arrays",
    "title": "Waves",
    "axes": ["x", "y"],
    "layout": "t x y",
    "fields": [{"name": "u"}],
}


@pytest.fixture
def recipe(waves):
    return find_recipe(str(waves.recipe))


def test_files_are_sorted_with_the_split_of_their_folder(good, recipe):
    found = find_inputs(recipe, good.source)
    assert [(f.path, f.split) for f in found] == [
        ("test/one.hdf5", "test"),
        ("train/one.hdf5", "train"),
        ("train/two.hdf5", "train"),
        ("valid/one.hdf5", "valid"),
    ]
    assert all(f.place.stat().st_size == f.bytes for f in found)
    assert found[1].digest != found[2].digest


def test_numbers_in_names_count_by_their_value(recipe, tmp_path):
    names = ["part_10", "part_2", "part_02", "part_1", "run 9/part_3", "run 10/part_1", "part_" + "9" * 200]
    for name in names:
        path = tmp_path / "source" / f"{name}.hdf5"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    found = [file.path.removesuffix(".hdf5") for file in find_inputs(recipe, tmp_path / "source")]
    assert found == ["part_1", "part_02", "part_2", "part_10", names[-1], "run 9/part_3", "run 10/part_1"]


@pytest.mark.parametrize("version", [2, 3])
def test_a_zarr_store_is_one_file_wherever_the_path_points(recipe, tmp_path, version):
    recipe, store = replace(recipe, source="arrays"), tmp_path / "train" / "run.zarr"
    group = zarr.create_group(store, zarr_format=version)
    group.create_array("u", data=np.ones(3), chunks=(1,))
    marker = "zarr.json" if version == 3 else ".zgroup"
    for start, path in ((tmp_path, "train/run.zarr"), (store, "run.zarr"), (store / marker, "run.zarr")):
        (found,) = find_inputs(recipe, start)
        assert (found.path, found.split, found.stem) == (f"{path}/{marker}", "train", "run")
        assert found.place == store / marker


def test_one_file_may_be_named(good, recipe):
    (only,) = find_inputs(recipe, good.source / "train" / "two.hdf5")
    assert (only.path, only.split) == ("two.hdf5", "train")


def test_hidden_files_and_other_names_are_passed_over(good, recipe):
    (good.source / "train" / ".half.hdf5").write_bytes(b"half")
    (good.source / "notes.txt").write_text("mine")
    (good.source / "folder").mkdir()
    assert len(find_inputs(recipe, good.source)) == 4


def test_a_folder_in_the_place_of_a_file_is_an_input_with_its_fault(good, recipe):
    (good.source / "train" / "two.hdf5").unlink()
    (good.source / "train" / "two.hdf5").mkdir()
    found = {file.path: file.fault for file in find_inputs(recipe, good.source)}
    assert len(found) == 4
    assert found["train/two.hdf5"].startswith("a folder that is not a zarr store, expected a file")


def test_a_link_to_nowhere_is_an_input_that_its_source_will_refuse(good, recipe):
    os.symlink(good.source / "gone.hdf5", good.source / "valid" / "link.hdf5")
    found = {file.path: file for file in find_inputs(recipe, good.source)}
    assert (found["valid/link.hdf5"].bytes, found["valid/link.hdf5"].digest) == (0, "")


def test_no_path_and_no_files_are_told_apart(tmp_path, recipe):
    with pytest.raises(SourceError, match="nowhere: no such file or folder"):
        find_inputs(recipe, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        SourceError, match=r"empty: holds no file named \*\.hdf5 or \*\.h5; is it the folder of waves"
    ):
        find_inputs(recipe, tmp_path / "empty")


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 63 * BLOCK, 64 * BLOCK])
def test_every_byte_of_a_small_file_counts(tmp_path, size):
    path = tmp_path / "file"
    path.write_bytes(bytes(size))
    before = digest(path)
    for position in {0, size // 3, size // 2, size - 1} if size else ():
        content = bytearray(size)
        content[position] = 1
        path.write_bytes(content)
        assert digest(path) != before
    path.write_bytes(bytes(size + 1))
    assert digest(path) != before


@pytest.mark.parametrize(
    ("source", "name", "beside"),
    [
        ("flowbench", "Re_100.npz", "input_geometry.npz"),
        ("bubbleml", "Twall_97.hdf5", "Twall_97.json"),
        ("bubbleml", "Twall_97.hdf5", "parameters.json"),
        ("arrays", "store.zarr/zarr.json", "fields/c/0/0"),
    ],
)
def test_what_a_file_is_read_with_counts_in_its_fingerprint(recipe, tmp_path, source, name, beside):
    path = tmp_path / "source" / name
    other = path.parent / beside
    other.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"fields")
    recipe = replace(recipe, source=source)
    (alone,) = find_inputs(recipe, tmp_path / "source")
    assert alone.digest == digest(path)
    other.write_bytes(b"a")
    (joined,) = find_inputs(recipe, tmp_path / "source")
    other.write_bytes(b"b")
    os.utime(other, ns=(joined.modified + 10**9, joined.modified + 10**9))
    (changed,) = find_inputs(recipe, tmp_path / "source")
    assert len({alone.digest, joined.digest, changed.digest}) == 3
    assert changed.modified == joined.modified + 10**9
    assert {alone.bytes, joined.bytes, changed.bytes} == {6}


def test_a_stranger_beside_a_file_does_not_count(good, recipe):
    before = find_inputs(recipe, good.source)
    (good.source / "train" / "one.json").write_text("{}")
    assert find_inputs(recipe, good.source) == before


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train.h5", "valid.h5", "test.h5"), ["test", "train", "valid"]),
        (("data_train/a.h5", "data_val/b.h5", "data_test/c.h5"), ["test", "train", "valid"]),
        (("burgers_train_1.h5", "burgers_test_2.h5"), ["test", "train"]),
        # A run may be called test, and a folder that is called by a split decides.
        (("test_1.h5", "test_2.h5", "other.h5"), [None, None, None]),
        (("train/test_1.h5", "valid/train_2.h5"), ["train", "valid"]),
    ],
)
def test_words_of_names_state_splits_where_train_and_another_are_named(tmp_path, names, splits):
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"any")
    recipe = make(Recipe, OWN | {"files": "*.h5"}, "waves.toml")
    assert [each.split for each in find_inputs(recipe, tmp_path)] == splits


def test_the_named_folder_states_a_split_however_it_is_spelled_and_those_above_it_do_not(
    tmp_path, monkeypatch
):
    described = make(Recipe, OWN | {"files": "*/out.h5"}, "own.toml")
    for place in ("test/a", "test/b", "test/train/c"):
        solvers.write_hdf5(tmp_path / place / "out.h5", {"u": np.zeros((2, 3))})
    for named in (".", "../test", str(tmp_path / "test")):
        monkeypatch.chdir(tmp_path / "test")
        assert [file.split for file in find_inputs(described, Path(named))] == ["test", "test", "train"]
    monkeypatch.chdir(tmp_path / "test" / "a")
    assert [file.split for file in find_inputs(described, Path(".."))] == ["test", "test", "train"]

    solvers.write_hdf5(tmp_path / "test" / "runs" / "d" / "out.h5", {"u": np.zeros((2, 3))})
    above = find_inputs(described, tmp_path / "test" / "runs")
    assert ([file.split for file in above], split_of_root(above)) == ([None], None)
    alone = tmp_path / "alone" / "valid"
    solvers.write_hdf5(alone / "a" / "out.h5", {"u": np.zeros((2, 3))})
    assert split_of_root(find_inputs(described, alone)) == "valid"
    (note,) = [words for words in caveats(described, find_inputs(described, alone)) if "--from" in words]
    assert "called by the split valid, and all are of it; rename it to divide them" in note


def test_words_state_the_split_of_files_whose_folder_does_not(tmp_path):
    described = make(Recipe, OWN | {"files": "*/sim_*.h5"}, "own.toml")
    for place in ("dev/sim_3", "holdout/sim_4", "train_set/sim_0", "train_set/sim_1"):
        solvers.write_hdf5(tmp_path / f"{place}.h5", {"u": np.zeros((2, 3))})
    found = {file.path: file.split for file in find_inputs(described, tmp_path)}
    assert list(found.values()) == [None, "test", "train", "train"]


def test_parts_of_a_virtual_dataset_are_no_inputs_of_their_own(tmp_path):
    write(tmp_path, ("joint/p0.h5", "joint/p1.h5"))
    found = find_inputs(make(Recipe, OWN | {"files": "*.h5"}, "own.toml"), tmp_path)
    assert [each.path for each in found] == ["joint.h5"]
