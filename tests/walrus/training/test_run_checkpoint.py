"""Fragments of tensors, read back anywhere; a writer killed at any moment leaves a whole checkpoint."""

import errno
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from shards.errors import MismatchError
from shards.json_text import dump
from tests.walrus.training.own_process import run_script
from tests.walrus.training.saving_run import save
from walrus.training.run_checkpoint import (
    Checkpoint,
    Fragment,
    RunCheckpoint,
    fault_of,
    leave_identity,
    steps_of,
)

SAVING = Path(__file__).with_name("saving_run.py")
VALUES = torch.arange(35.0)


def written(folder, cuts, name="block.weight"):
    """A checkpoint of one tensor whose stretches between the cuts lie in two files in turn."""
    folder.mkdir()
    files = [{}, {}]
    for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(VALUES)], strict=True)):
        files[number % 2][f"weight/{name}@{start}"] = VALUES[start:stop].clone()
    for rank, tensors in enumerate(files):
        save_file(tensors, folder / f"rank-{rank:05d}.safetensors")
    checkpoint = Checkpoint(7, 2, 7.0, {"data": {"flow": "1:2"}})
    (folder / "checkpoint.json").write_text(dump(Checkpoint, checkpoint))
    return RunCheckpoint(folder)


@pytest.mark.parametrize("cuts", [[], [1], [12, 13], [5, 17, 34], list(range(1, 35))])
def test_any_stretch_comes_back_from_fragments_cut_anywhere(tmp_path, cuts):
    saved = written(tmp_path / "step-0000007", cuts)
    for start, count in ((0, 35), (0, 1), (34, 1), (4, 9), (12, 23), (13, 4)):
        assert torch.equal(saved.read("weight", "block.weight", start, count), VALUES[start : start + count])
    whole = saved.tensors("weight", {"block.weight": torch.Size([5, 7])})
    assert torch.equal(whole["block.weight"], VALUES.view(5, 7))


def test_fragments_that_overlap_are_read_once(tmp_path):
    saved = written(tmp_path / "step-0000007", [12])
    extra = {"weight/block.weight@6": VALUES[6:20].clone()}
    save_file(extra, saved.folder / "rank-00002.safetensors")
    assert torch.equal(RunCheckpoint(saved.folder).read("weight", "block.weight", 0, 35), VALUES)


def test_what_is_not_there_is_named(tmp_path):
    saved = written(tmp_path / "step-0000007", [12])
    assert saved.holds("weight", "block.weight")
    assert not saved.holds("exp_avg", "block.weight")
    with pytest.raises(MismatchError, match=r"holds no exp_avg of block\.weight at element 3"):
        saved.read("exp_avg", "block.weight", 3, 2)
    with pytest.raises(MismatchError, match=r"holds no weight of block\.weight at element 35"):
        saved.read("weight", "block.weight", 30, 6)


def test_a_file_cut_short_is_refused_with_what_to_do(tmp_path):
    saved = written(tmp_path / "step-0000007", [12])
    path = saved.folder / "rank-00001.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(MismatchError, match="remove step-0000007 to go on from the checkpoint before"):
        saved.read("weight", "block.weight", 0, 35)


def test_the_last_two_are_kept_and_what_was_half_written_goes(tmp_path, world):
    folder = tmp_path / "checkpoints"
    for step in (3, 6, 9):
        save(folder, Checkpoint(step, 1, float(step), {}), [Fragment("weight", "w", 0, VALUES + step)])
        (folder / f".tmp-step-{step + 1:07d}").mkdir()
    assert sorted(path.name for path in folder.glob("step-*")) == ["step-0000006", "step-0000009"]
    assert not (folder / ".tmp-step-0000004").exists()
    saved = RunCheckpoint.last(folder)
    assert saved.checkpoint.step == 9
    assert torch.equal(saved.read("weight", "w", 0, 35), VALUES + 9)


def names_in(folder):
    return {step.name: {path.name for path in step.iterdir()} for step in folder.iterdir()}


def three(folder):
    for step in (9, 10, 11):
        save(folder, Checkpoint(step, 1, {"w": step}, {}), [Fragment("weight", "w", 0, VALUES + step)])
    return folder


def test_after_the_end_only_what_the_run_was_is_left_and_what_is_not_ours(tmp_path, world):
    folder = three(tmp_path / "checkpoints")
    shutil.copytree(folder / "step-0000010", folder / "step-0000009")
    shutil.copytree(folder / "step-0000010", folder / "step-0000010-before-new-rate")
    (folder / "step-0000010" / "note.txt").touch()
    save(folder, Checkpoint(12, 1, {"w": 12}, {}), [Fragment("weight", "w", 0, VALUES)])
    leave_identity(folder)
    assert names_in(folder) == {
        "step-0000009": {"checkpoint.json", "rank-00000.safetensors"},
        "step-0000010": {"checkpoint.json", "note.txt", "rank-00000.safetensors"},
        "step-0000010-before-new-rate": {"checkpoint.json", "rank-00000.safetensors"},
        "step-0000011": {"checkpoint.json"},
        "step-0000012": {"checkpoint.json"},
    }
    checkpoint = RunCheckpoint.last(folder).checkpoint
    assert (checkpoint.step, checkpoint.has_state, checkpoint.updates) == (12, False, {"w": 12})
    leave_identity(folder)
    assert RunCheckpoint.last(folder).checkpoint == checkpoint


def test_a_run_that_has_lost_its_end_resumes_from_nothing_without_state(tmp_path, world):
    folder = three(tmp_path / "checkpoints")
    leave_identity(folder)
    shutil.rmtree(folder / "step-0000011")
    assert RunCheckpoint.last(folder) is None
    assert fault_of(folder / "step-0000010") == "rank-00000.safetensors is missing"


def test_what_is_not_named_as_a_checkpoint_stays_and_is_never_read(tmp_path, world):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    others = [
        "step-0000005-before-new-rate",
        "step-99",
        "step-",
        "step-0000020.bak",
        ".tmp-notes",
        "step-12x",
    ]
    for name in others:
        (folder / name).mkdir()
    save(folder, Checkpoint(3, 1, {"w": 3}, {}), [Fragment("weight", "w", 0, VALUES)])
    shutil.copytree(folder / "step-0000003", folder / "step-0000200")
    (folder / "step-0000003").rename(tmp_path / "moved")
    (folder / "step-0000003").symlink_to(tmp_path / "moved")
    save(folder, Checkpoint(4, 1, {"w": 4}, {}), [Fragment("weight", "w", 0, VALUES)])
    (folder / "step-0000004" / "before the new rate.txt").touch()
    others += ["step-0000200", "step-0000003", "step-0000004"]
    (folder / "step-0000077").touch()
    three(folder)
    assert {path.name for path in folder.iterdir()} == {
        *others,
        *("step-0000077", "step-0000010", "step-0000011"),
    }
    assert RunCheckpoint.last(folder).checkpoint.step == 11


def test_numbers_sort_as_numbers(tmp_path):
    for name in ("step-9", "step-10", "step-0000100"):
        (tmp_path / name).mkdir()
    assert [path.name for path in steps_of(tmp_path)] == ["step-9", "step-10", "step-0000100"]


HARMS = ["no document", "no file", "cut file", "torn document", "flipped bit", "flipped name", "pipe"]


@pytest.mark.parametrize("harm", HARMS)
def test_a_checkpoint_that_is_not_whole_is_passed_over_and_kept(tmp_path, world, harm):
    folder = three(tmp_path / "checkpoints")
    last = folder / "step-0000011"
    file = last / "rank-00000.safetensors"
    if harm == "no document":
        (last / "checkpoint.json").unlink()
    elif harm == "no file":
        file.unlink()
    elif harm == "cut file":
        file.write_bytes(file.read_bytes()[:-4])
    elif harm == "flipped name":
        # Its moments would be missing, and would begin anew in silence.
        file.write_bytes(file.read_bytes().replace(b"weight/w@0", b"veight/w@0"))
    elif harm == "pipe":
        (last / "checkpoint.json").unlink()
        os.mkfifo(last / "checkpoint.json")
    elif harm == "torn document":
        (last / "checkpoint.json").write_text('{"step": 11')
    else:
        content = (last / "checkpoint.json").read_bytes()
        # The count of updates of w is 10 then.
        (last / "checkpoint.json").write_bytes(content.replace(b'"w": 11', b'"w": 10'))
    assert fault_of(last)
    assert RunCheckpoint.last(folder).checkpoint.step == 10
    save(folder, Checkpoint(11, 1, {"w": 11}, {}), [Fragment("weight", "w", 0, VALUES)])
    assert RunCheckpoint.last(folder).checkpoint.step == 11
    assert (folder / "step-0000011-incomplete-1").is_dir()


def test_an_old_checkpoint_that_cannot_be_removed_ends_nothing(tmp_path, world, monkeypatch, capsys):
    def busy(path):
        raise OSError(errno.ENOTEMPTY, "Directory not empty", str(path))

    monkeypatch.setattr(shutil, "rmtree", busy)
    assert RunCheckpoint.last(three(tmp_path / "checkpoints")).checkpoint.step == 11
    assert "removal of old checkpoints: failed" in capsys.readouterr().err


def test_a_flipped_bit_is_found_when_the_fragment_is_read(tmp_path, world):
    folder = three(tmp_path / "checkpoints")
    file = folder / "step-0000011" / "rank-00000.safetensors"
    content = bytearray(file.read_bytes())
    content[-7] ^= 1
    file.write_bytes(content)
    with pytest.raises(MismatchError, match="weight/w@0 differs from its checksum; remove step-0000011"):
        RunCheckpoint.last(folder).read("weight", "w", 0, 3)
    shutil.rmtree(folder / "step-0000011")
    assert torch.equal(RunCheckpoint.last(folder).read("weight", "w", 0, 35), VALUES + 10)


def test_files_have_the_mode_of_the_umask(tmp_path, world):
    before = os.umask(0o002)
    try:
        folder = three(tmp_path / "checkpoints")
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in (folder / "step-0000011").iterdir()}
    assert modes == {0o664}


def test_there_is_no_checkpoint_at_first(tmp_path):
    assert RunCheckpoint.last(tmp_path / "checkpoints") is None


@pytest.fixture(scope="module")
def struck(tmp_path_factory):
    """What writers left that were killed in the middle of their third checkpoint, by the moment of it."""
    folder = tmp_path_factory.mktemp("struck")
    done = run_script(SAVING, folder)
    # Some versions of gloo print as well.
    assert done.stdout.splitlines()[-1] == str([-signal.SIGKILL] * 5), done.stderr
    return folder


@pytest.mark.parametrize(
    ("moment", "step"), [("made", 2), ("written", 2), ("described", 2), ("named", 2), ("tidied", 3)]
)
def test_a_writer_killed_in_the_middle_leaves_a_whole_checkpoint(struck, moment, step):
    """Before and after its fragments, its document, its name; and as the oldest was to be removed."""
    saved = RunCheckpoint.last(struck / moment / "checkpoints")
    assert saved.checkpoint.step == step
    assert torch.equal(saved.read("weight", "w", 0, 5), torch.arange(5.0) + step)


def test_a_link_in_the_place_of_an_unfinished_checkpoint_costs_nothing_of_what_it_points_to(tmp_path, world):
    folder, precious = tmp_path / "checkpoints", tmp_path / "precious"
    for path in (folder, precious):
        path.mkdir()
    (precious / "thesis").touch()
    (folder / ".tmp-step-0000004").symlink_to(precious)
    save(folder, Checkpoint(4, 1, {"w": 4}, {}), [Fragment("weight", "w", 0, VALUES)])
    assert [path.name for path in precious.iterdir()] == ["thesis"]
    assert not (folder / "step-0000004").is_symlink()
