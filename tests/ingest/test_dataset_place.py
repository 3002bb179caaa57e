"""A dataset is named one way in every command: ROOT/NAME, or a name or a recipe with its root."""

import pytest

from ingest.dataset_place import dataset_place
from shards.errors import SettingsError


def test_a_recipe_stands_for_the_name_that_it_gives(samples):
    assert dataset_place(str(samples / "held_out" / "cns2d.toml"), "data") == ("data", "cns2d")


@pytest.mark.parametrize(
    ("dataset", "root", "expected"),
    [
        ("/scratch/shards/flow/", None, ("/scratch/shards", "flow")),
        ("s3://bucket/shards/flow", None, ("s3://bucket/shards", "flow")),
        ("flow", "https://host/shards?key=1", ("https://host/shards?key=1", "flow")),
    ],
)
def test_folders_and_urls_are_cut_at_the_name(dataset, root, expected):
    assert dataset_place(dataset, root) == expected


@pytest.mark.parametrize(
    ("dataset", "root", "words"),
    [
        ("flow", None, "found no root"),
        ("a/flow.toml", None, "found no root"),
        ("data/flow", "data", "names a root"),
    ],
)
def test_a_root_is_given_once(dataset, root, words):
    with pytest.raises(SettingsError, match=words):
        dataset_place(dataset, root)
