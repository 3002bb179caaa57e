"""What is built in a root: each dataset in a line, from a folder and from a web server alike."""

import json

import pytest

import shards.remote


@pytest.fixture
def datasets(build, good, tmp_path):
    """A whole dataset, a share of another one, a damaged one, and a folder that is none."""
    root = tmp_path / "root"
    build()
    build("--set", "name=begun", "--part", "1/2")
    build("--set", "name=damaged")
    with (root / "damaged" / "card.json").open("a") as file:
        file.write(" ")
    (root / "notes").mkdir()
    return root


def test_each_dataset_of_a_folder_is_a_line(datasets, command):
    done = command("ls", datasets)
    head, *lines = (line.split() for line in done.stdout.splitlines())
    assert head == ["dataset", "packaging", "train/valid/test", "frames", "grid", "size", "state", "fields"]
    assert lines[:2] == [["begun", "not", "finished"], ["damaged", "damaged"]]
    assert " ".join(lines[2][:7]) == "waves zarr 5/2/2 49 6 × 4"
    assert " ".join(lines[2][8:]) == "kB built height, flow, depth"
    assert done.stderr.startswith(f"damaged: {datasets / 'damaged' / 'card.json'}: was changed")


def test_the_size_is_that_of_all_files_of_its_trajectories(datasets, command):
    (document,) = json.loads(command("ls", datasets / "waves", "--json").stdout)
    files = [path for path in (datasets / "waves").glob("*/*/**/*") if path.is_file()]
    assert document["bytes"] == sum(path.stat().st_size for path in files)
    assert document["counts"]["train"] == {"trajectories": 5, "frames": 29}


def test_a_url_gives_what_the_folder_gives(datasets, command, served):
    url = served(datasets.parent)
    assert command("ls", f"{url}/root").stdout == command("ls", datasets).stdout
    assert command("ls", f"{url}/root/waves").stdout == command("ls", datasets / "waves").stdout


def test_what_holds_no_dataset_is_one_line(datasets, command, served, monkeypatch):
    monkeypatch.setattr(shards.remote, "WAITS", ())
    empty = command("ls", datasets / "notes")
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert "holds no dataset; walrus-ingest build" in empty.stderr
    url = served(datasets)
    for place, words in ((datasets / "nothing", "cannot be listed"), (f"{url}/nothing", "does not exist")):
        absent = command("ls", place)
        assert (absent.exit_code, absent.stdout) == (1, "")
        assert words in absent.stderr
