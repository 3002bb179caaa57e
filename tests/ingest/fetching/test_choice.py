"""A part of a dataset: by pattern, split and size."""

import pytest

from ingest.fetching.choice import choose_files
from ingest.fetching.published import Publication
from ingest.remote.listing import RemoteFile
from shards.errors import SettingsError

WELL = Publication("", files=("data/*/*.hdf5",), companions=("*.json",))
SIZES = {
    "README.md": 5,
    "data/test/a.hdf5": 10,
    "data/train/a.hdf5": 80,
    "data/train/a.json": 1,
    "data/train/b.hdf5": 70,
    "data/valid/a.hdf5": 20,
}
FILES = tuple(RemoteFile(path, "", size) for path, size in SIZES.items())


def names(**choice: object) -> str:
    return " ".join(file.path.removeprefix("data/") for file in choose_files(FILES, WELL, **choice))


def test_all_data_files_are_wanted_with_what_stands_next_to_them():
    assert names() == "test/a.hdf5 train/a.hdf5 train/b.hdf5 valid/a.hdf5 train/a.json"


def test_a_pattern_is_of_a_path_or_a_name():
    assert names(pattern="a.hdf5") == "test/a.hdf5 train/a.hdf5 valid/a.hdf5 train/a.json"
    assert names(pattern="data/v*") == "valid/a.hdf5"
    assert names(split="train", pattern="b*") == "train/b.hdf5 train/a.json"


def test_splits_take_turns_until_nothing_fits():
    assert names(most_bytes=110) == "test/a.hdf5 train/a.hdf5 valid/a.hdf5 train/a.json"
    assert names(most_bytes=35) == "test/a.hdf5 valid/a.hdf5"


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"pattern": "nothing"}, "none of 4 files matches --files nothing"),
        ({"most_bytes": 9}, "the smallest has 10 B"),
    ],
)
def test_a_choice_of_nothing_says_what_there_is(choice, words):
    with pytest.raises(SettingsError, match=words):
        choose_files(FILES, WELL, **choice)


def test_sizes_that_nobody_states_cannot_be_added():
    with pytest.raises(SettingsError, match="does not state how large"):
        choose_files([RemoteFile("data/a/b.hdf5", "")], WELL, most_bytes=5)
