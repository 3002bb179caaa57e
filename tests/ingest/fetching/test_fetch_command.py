"""walrus-ingest fetch as a user meets it, against a real server."""

import json
import shutil
import threading
from collections import namedtuple

import pytest

from tests.ingest.web_server import content

NAMES = ("data/train/a.hdf5", "data/train/b.hdf5", "data/valid/a.hdf5", "data/test/a.hdf5")


@pytest.fixture
def fetch(command, shelf, tmp_path, monkeypatch):
    """Fetches shear_flow from the server, which stands for the hub."""
    monkeypatch.setenv("HF_ENDPOINT", shelf.url)
    shelf.files = {name: content(3000 + 500 * seed, seed) for seed, name in enumerate(NAMES)}
    shelf.files |= {"README.md": b"about", "stats.yaml": b"x"}

    def call(*options: object, code: int = 0):
        done = command("fetch", "shear_flow", "--to", tmp_path / "flow", *options)
        assert done.exit_code == code, done.output
        return done

    return call


def test_a_dataset_comes_and_a_second_run_asks_for_nothing(fetch, shelf, tree, tmp_path):
    done = fetch()
    assert f"{tmp_path}/flow: 4 files fetched, 15 kB in" in done.stdout
    assert "next: walrus-ingest build shear_flow --from" in done.stderr
    assert tree(tmp_path / "flow") == {name: shelf.files[name] for name in NAMES}
    shelf.asked.clear()
    document = json.loads(fetch("--json").stdout)
    assert (document["files"], document["found"], document["bytes"]) == (0, 4, 0)
    assert all(path.startswith("api/") for _, path, _ in shelf.asked)


def test_a_mirror_is_named_by_from(fetch, shelf, tree, tmp_path):
    fetch("--from", shelf.url, "--split", "train")
    assert list(tree(tmp_path / "flow")) == list(NAMES[:2])


def test_list_says_files_bytes_split_and_licence(command, fetch):
    lines = command("fetch", "shear_flow", "--list").stdout.splitlines()
    assert [line.split() for line in lines[:2]] == [
        ["4.5", "kB", "test", NAMES[3]],
        ["3", "kB", "train", NAMES[0]],
    ]
    assert lines[-1] == "4 files, 15 kB, licence CC-BY-4.0, from hf://datasets/polymathic-ai/shear_flow"
    document = json.loads(
        command("fetch", "shear_flow", "--list", "--gigabytes", "0.000008", "--json").stdout
    )
    assert [row["path"] for row in document["files"]] == [NAMES[3], NAMES[0]]


def test_list_of_all_systems_asks_no_server(command, shelf):
    lines = command("fetch", "--list").stdout.splitlines()
    assert len(lines) == len(json.loads(command("fetch", "--list", "--json").stdout)) == 27
    assert any(line.startswith("pdegym_ce_rm") and "CC-BY-NC-4.0" in line for line in lines)
    assert shelf.asked == []


def test_a_file_that_fails_does_not_end_the_others(fetch, shelf, tree, tmp_path):
    shelf.instead[f"datasets/polymathic-ai/shear_flow/resolve/main/{NAMES[1]}"] = (404, {}, b"")
    done = fetch(code=1)
    assert "1 of 4 files not fetched; run the same command again" in done.stderr
    assert "answers 404" in done.stderr
    assert set(tree(tmp_path / "flow")) == set(NAMES) - {NAMES[1]}


def test_a_server_that_gives_nothing_is_not_asked_for_every_file(fetch, shelf):
    shelf.files = {f"data/train/{number}.hdf5": content(2000, number) for number in range(40)}
    for name in shelf.files:
        shelf.instead[f"datasets/polymathic-ai/shear_flow/resolve/main/{name}"] = (403, {}, b"")
    done = fetch(code=1)
    assert "the other files were not requested" in done.stderr
    assert len([path for _, path, _ in shelf.asked if not path.startswith("api/")]) < 20


def test_nothing_is_written_after_the_others_were_not_requested(fetch, shelf):
    shelf.files = {f"data/train/{number}.hdf5": content(2000, number) for number in range(12)}
    for name in shelf.files:
        shelf.instead[f"datasets/polymathic-ai/shear_flow/resolve/main/{name}"] = (403, {}, b"")
    shelf.delay = 0.05
    fetch(code=1)
    assert not [thread for thread in threading.enumerate() if thread.name == "fetch"]


def test_the_disk_is_asked_before_a_byte_is_fetched(fetch, shelf, monkeypatch, tmp_path):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(10**6, 10**6, 14_000))
    done = fetch(code=1)
    assert "needs 15 kB, the disk has room for 14 kB" in " ".join(done.stderr.split())
    assert not (tmp_path / "flow").exists()


def test_a_file_of_ours_with_the_name_is_kept(fetch, tmp_path):
    (tmp_path / "flow" / NAMES[0]).parent.mkdir(parents=True)
    (tmp_path / "flow" / NAMES[0]).write_text("mine")
    assert "has 4 bytes, the published file 3000" in fetch(code=1).stderr
    assert (tmp_path / "flow" / NAMES[0]).read_text() == "mine"


def test_a_folder_with_the_name_of_a_file_is_kept(fetch, tmp_path):
    (tmp_path / "flow" / NAMES[0]).mkdir(parents=True)
    assert f"{NAMES[0]}: is not a file; remove it" in " ".join(fetch(code=1).stderr.split())
    assert (tmp_path / "flow" / NAMES[0]).is_dir()


def test_usage_is_said_in_one_line(command):
    assert command("fetch", "shear_flow").exit_code == 2
    assert command("fetch", "--to", "here").exit_code == 2
    assert "did you mean shear_flow?" in command("fetch", "sheer_flow", "--list").stderr
