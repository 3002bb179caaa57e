"""Arrays of several splits in one file: each is read into its split, with its own numbers of runs."""

import re
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.building.verify import source_faults
from ingest.drafting.draft import draft
from ingest.recipe import Recipe
from ingest.source import find
from shards.errors import SettingsError, SourceError
from shards.program.settings import make
from shards.read import Dataset

T, X, Y = 4, 9, 6
RUNS = {"train": 5, "valid": 1, "test": 2}


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=shape).astype("f4")


def written(folder: Path, words: dict[str, str], pattern: str = "{name}{word}") -> dict[str, np.ndarray]:
    """The values of a file with u and Re in each split; lists of coordinates and times are shared."""
    folder.mkdir(exist_ok=True)
    values = {"t": np.arange(T) * 0.1, "x": np.arange(X) + 0.5, "y": np.arange(Y) + 0.5}
    for split, word in words.items():
        values[pattern.format(name="u", word=word)] = noise(RUNS[split], T, X, Y) + len(values)
        values[pattern.format(name="Re", word=word)] = np.arange(RUNS[split]) + 10.0 * len(values)
    with h5py.File(folder / "runs.h5", "w") as file:
        for name, data in values.items():
            file[name] = data
    return values


def decided(text: str) -> Recipe:
    """The draft with the boundaries that it proposes."""
    return make(
        Recipe, tomllib.loads(re.sub(r"^# ([xy] = \[.*\])", r"\1", text, flags=re.MULTILINE)), "draft.toml"
    )


CASES = {
    "signs": ({"train": "_train", "valid": "_val", "test": "_test"}, "{name}{word}"),
    "the first without a word": ({"train": "", "valid": "_val", "test": "_test"}, "{name}{word}"),
    "capitals": ({"train": "Train", "test": "Test"}, "{name}{word}"),
    "short": ({"train": "_tr", "test": "_te"}, "{name}{word}"),
    "in front": ({"train": "train_", "test": "test_"}, "{word}{name}"),
    "groups": ({"train": "training", "valid": "validation"}, "data/{word}/{name}"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_array_is_read_into_its_split(tmp_path, case):
    words, pattern = CASES[case]
    values = written(tmp_path, words, pattern)
    recipe = decided(draft(tmp_path / "runs.h5"))
    assert recipe.layout == "n t x y"
    assert list(recipe.split_names) == list(words)
    with find("arrays").open_file(tmp_path / "runs.h5", recipe) as file:
        row = 0
        for split, word in words.items():
            stored = values[pattern.format(name="u", word=word)]
            numbers = values[pattern.format(name="Re", word=word)]
            for run in range(RUNS[split]):
                np.testing.assert_array_equal(file.frames(row, 1, 3)[:, 0], stored[run, 1:3])
                assert (file.rows[row].split, file.rows[row].scalars) == (split, {"Re": numbers[run]})
                row += 1
        assert row == len(file.rows)


def test_splits_of_arrays_are_built_and_verified(tmp_path):
    written(tmp_path / "in", CASES["the first without a word"][0])
    recipe = decided(draft(tmp_path / "in"))
    plan = plan_build(recipe, tmp_path / "in", "zarr", "lz4")
    dataset = Dataset(build(plan, tmp_path / "root", Resources(1)).folder)
    found = [entry.split for entry in dataset.index.trajectories]
    assert {split: found.count(split) for split in RUNS} == RUNS
    assert list(source_faults(dataset, tmp_path / "in")) == []
    assert dataset.card.split[0].startswith("all: by their arrays")


@pytest.mark.parametrize(
    ("arrays", "fields"),
    [
        # Values, not validation: no other array is called u.
        ({"u_val": (T, X, Y), "v_val": (T, X, Y)}, ["u_val", "v_val"]),
        ({"u": (3, T, X, Y), "train_idx": (2,), "test_idx": (1,)}, ["u"]),
        ({"u_test": (T, X, Y), "u_trial": (T, X, Y)}, ["u_test", "u_trial"]),
    ],
)
def test_other_words_are_no_splits(tmp_path, arrays, fields):
    lists = {"t": np.arange(T) * 0.1, "x": np.arange(X) + 0.5, "y": np.arange(Y) + 0.5}
    np.savez(tmp_path / "runs.npz", **{name: noise(*shape) for name, shape in arrays.items()}, **lists)
    recipe = decided(draft(tmp_path / "runs.npz"))
    assert recipe.split_names == {}
    assert [field.name for field in recipe.fields] == fields


def test_arrays_of_other_splits_are_refused_by_name(tmp_path):
    shapes = {"u_train": (5, T, X, Y), "u_test": (2, T, X, Y), "p_train": (5, T, X, Y), "p_val": (2, T, X, Y)}
    np.savez(tmp_path / "runs.npz", **{name: noise(*shape) for name, shape in shapes.items()})
    with pytest.raises(
        SourceError, match="p_train, p_val, u_test, u_train are arrays of splits, and no rule"
    ):
        draft(tmp_path / "runs.npz")


TABLES = {
    "name": "runs",
    "source": "arrays",
    "title": "Runs of two splits",
    "axes": ["x", "y"],
    "layout": "n t x y",
    "fields": [{"name": "u", "stored": ["u{split}"]}],
    "time": {"stored": "t"},
    "coordinates": {"x": {"stored": "x"}, "y": {"stored": "y"}},
    "boundaries": {"x": ["wall", "wall"], "y": ["wall", "wall"]},
    "split_names": {"train": "", "test": "_test"},
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"split_names": {"train": "a", "test": "a"}}, "each with a word of its own"),
        ({"fields": [{"name": "u"}]}, "expected {split} in the name of an array"),
        ({"split_names": {}}, "expected no named part but {step}"),
        ({"files": "{run}/out.h5"}, "expected no named parts in files"),
    ],
)
def test_words_of_splits_that_are_not_used_are_refused(changes, words):
    with pytest.raises(SettingsError, match=re.escape(words)):
        make(Recipe, TABLES | changes, "runs.toml")


def test_splits_on_different_grids_are_refused(tmp_path):
    values = written(tmp_path, {"train": "", "test": "_test"})
    with h5py.File(tmp_path / "runs.h5", "r+") as file:
        file["x_test"] = values["x"] + 1
    recipe = make(
        Recipe, TABLES | {"coordinates": {"x": {"stored": "x{split}"}, "y": {"stored": "y"}}}, "runs.toml"
    )
    with pytest.raises(SourceError, match="the arrays of test have another grid or type than those of train"):
        find("arrays").open_file(tmp_path / "runs.h5", recipe).__enter__()
