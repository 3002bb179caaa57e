"""A dataset is named one way in every command: ROOT/NAME, or a name or a recipe with its root."""

import json

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
        ("flow", None, "has no root"),
        ("a/flow.toml", None, "has no root; add the folder of the datasets: --root ROOT"),
        ("data/flow", "data", "holds a root"),
    ],
)
def test_a_root_is_given_once(dataset, root, words):
    with pytest.raises(SettingsError, match=words):
        dataset_place(dataset, root)


def test_a_root_in_place_of_a_dataset_is_told_with_what_it_holds(tmp_path, monkeypatch):
    (tmp_path / "root" / "flow").mkdir(parents=True)
    (tmp_path / "root" / "flow" / "index.json").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        SettingsError, match="root: holds the datasets flow; name one of them, such as root/flow"
    ):
        dataset_place("root", None)


def test_a_dataset_of_one_s_own_is_named_by_its_folder_once_it_is_built(good, build, command, tmp_path):
    build()
    folder, start = tmp_path / "root" / "waves", ("--from", good.source)
    again = command("build", folder, *start, "--workers", 1)
    assert again.stdout == f"{folder}: 5 train, 2 valid, 2 test trajectories; nothing to do\n"
    good.write("train/three", rows=1, frames=6)
    assert "1 trajectory added" in command("append", folder, *start, "--workers", 1).stdout
    for named in ([folder], ["waves", "--to", folder.parent], [good.recipe, "--root", folder.parent]):
        assert command("verify", *named).stdout.startswith(f"{folder}: 10 trajectories in ")
        assert command("finish", *named).stdout.startswith(f"{folder}: 6 train, ")


def test_the_folder_of_a_new_dataset_names_a_system_of_the_catalogue(samples, command, tmp_path):
    start = ("--from", samples / "well" / "shear_flow", "--workers", 1)
    by_folder = command("plan", tmp_path / "root" / "shear_flow", *start, "--json")
    by_name = command("plan", "shear_flow", "--to", tmp_path / "root", *start, "--json")
    assert json.loads(by_folder.stdout)["folder"] == json.loads(by_name.stdout)["folder"]
    unknown = command("plan", tmp_path / "root" / "sheer_flow", *start)
    assert unknown.exit_code == 1
    assert "did you mean shear_flow?" in unknown.stderr
