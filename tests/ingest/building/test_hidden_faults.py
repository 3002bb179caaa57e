"""Sources that look whole and are not: copies, files that are still written, runs that were killed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

import ingest.building.part
from shards.read import Dataset

PACKAGINGS = pytest.mark.parametrize("packaging", ["zarr", "webdataset"])


@PACKAGINGS
def test_a_run_that_was_killed_is_left_out_with_its_frame_unless_it_may_rest(good, build, packaging):
    path = good.write("train/killed", rows=2, frames=9)
    with h5py.File(path, "r+") as file:
        file["t0_fields/height"][1, 6:] = 0
        file["t1_fields/flow"][1, 6:] = 0
    result = build("--format", packaging)
    assert result.exit_code == 3
    assert "train/killed.hdf5, row 1: no channel changes from frame 6 of 9 on" in result.stderr
    assert build("--format", packaging, "--set", "at_rest=keep").exit_code == 0


def test_the_same_file_twice_is_told_and_never_in_two_splits(good, build, tmp_path):
    shutil.copy(good.source / "train" / "one.hdf5", good.source / "train" / "again.hdf5")
    result = build()
    assert result.exit_code == 0
    assert "note: train/one.hdf5: holds the same bytes as train/again.hdf5" in result.stderr
    shutil.copy(good.source / "train" / "one.hdf5", good.source / "test" / "two.hdf5")
    result = build(root=tmp_path / "other")
    assert result.exit_code == 3
    assert "train/one.hdf5, row 2: holds the same as test/two.hdf5, which is in test" in result.stderr
    splits = {entry.key: entry.split for entry in Dataset(tmp_path / "other" / "waves").index.trajectories}
    assert not any(key.startswith("again") and split == "train" for key, split in splits.items())


@pytest.mark.skipif(not Path("/proc/self/fdinfo").is_dir(), reason="needs Linux")
def test_a_file_that_a_process_has_open_for_writing_is_left_out(good, build):
    path = good.source / "train" / "two.hdf5"
    program = "import sys; file = open(sys.argv[1], 'r+b'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout.readline() == b"open\n"
        result = build()
        writer.stdin.close()
    assert result.exit_code == 3
    assert f"left out: train/two.hdf5: process {writer.pid} (" in result.stderr
    assert build().exit_code == 0


@PACKAGINGS
def test_a_file_that_changes_while_it_is_read_ends_the_part(good, build, tmp_path, monkeypatch, packaging):
    checked = ingest.building.part.require_finite

    def change(*arguments: object) -> None:
        os.utime(good.source / "train" / "two.hdf5", (1, 1))
        checked(*arguments)

    monkeypatch.setattr(ingest.building.part, "require_finite", change)
    result = build("--format", packaging, "--workers", 1)
    assert result.exit_code == 1
    assert "train/two.hdf5: has changed while it was read; run the same command again" in result.stderr
    assert not (tmp_path / "root" / "waves" / "index.json").exists()
    monkeypatch.undo()
    assert build("--format", packaging).exit_code == 0


def test_a_value_far_from_all_others_is_noted_in_the_card(good, build, tmp_path):
    with h5py.File(good.source / "train" / "two.hdf5", "r+") as file:
        file["t0_fields/height"][1, 3, 2, 2] = 1.2e38
    words = "train/two.hdf5, row 1: height reaches 1.2e+38 in frame 3"
    result = build("--set", "fields.height.power=0")
    assert result.exit_code == 0
    assert f"note: {words}" in result.stderr
    assert words in Dataset(tmp_path / "root" / "waves").card.caveats[0]


def test_workers_import_nothing_from_the_current_folder(good, build, tmp_path, monkeypatch):
    (tmp_path / "signal.py").write_text("print('my own script')")
    monkeypatch.chdir(tmp_path)
    assert build("--workers", 2).exit_code == 0


@pytest.mark.parametrize("name", ["parts", "valid"])
def test_a_link_planted_in_a_dataset_costs_nothing_of_what_it_points_to(
    good, build, command, tmp_path, tree, name
):
    build()
    folder, home = tmp_path / "root" / "waves", tmp_path / "home"
    shutil.move(folder / name, home)
    (home / "thesis.txt").write_text("years of work")
    (home / "settings.json").write_text("{}")
    (folder / name).symlink_to(home)
    before = tree(home)
    good.write("train/three", rows=1)
    for result in (
        build("--workers", 1),
        build("--part", "1/1"),
        command("append", good.recipe, "--from", good.source, "--to", tmp_path / "root"),
    ):
        assert (result.exit_code, f"{folder / name}: is a link" in result.stderr) == (1, True)
    assert tree(home) == before


def test_folders_behind_links_are_read_once_and_cycles_end(good, build, tmp_path):
    shutil.move(good.source / "valid", tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", good.source / "valid")
    os.symlink(good.source, good.source / "train" / "loop")
    os.symlink(good.source / "train", good.source / "again")
    assert build().exit_code == 0
    paths = [item.path for item in Dataset(tmp_path / "root" / "waves").card.inputs]
    assert sorted(paths) == ["test/one.hdf5", "train/one.hdf5", "train/two.hdf5", "valid/one.hdf5"]
    os.symlink(tmp_path / "gone", good.source / "valid2")
    result = build()
    assert (result.exit_code, "valid2: a broken link" in result.stderr) == (3, True)


def test_a_name_that_is_no_text_is_left_out_in_one_escaped_line(good, build, tmp_path):
    shutil.copy(good.source / "train" / "one.hdf5", os.fsencode(good.source / "train") + b"/caf\xe9.hdf5")
    result = build()
    assert result.exit_code == 3
    assert "left out: train/caf\\xe9.hdf5: " in result.stderr
    assert "the name is not UTF-8" in result.stderr
    assert Dataset(tmp_path / "root" / "waves").card.quarantine[0].path == "train/caf\\xe9.hdf5"
