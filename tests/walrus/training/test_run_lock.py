"""One owner for the folder of a run, whatever becomes of it."""

import errno
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from shards.errors import MismatchError
from shards.json_text import dump
from walrus.training.run_lock import LOCK, SILENCE, RunOwner, owned

HOLDING = """
import sys, time
from pathlib import Path
from walrus.training.run_lock import owned
with owned(Path(sys.argv[1])):
    print("holds", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "holds\n"
    yield process
    process.kill()
    process.wait()


def fall_silent(lock: Path) -> None:
    """Makes a lock as old as that of an owner that gives no sign of life."""
    silent = time.time() - SILENCE - 1
    os.utime(lock, (silent, silent))


def is_ours(lock: Path) -> bool:
    return f'"process": {os.getpid()}' in lock.read_text()


def test_a_second_owner_is_refused_with_the_name_of_the_first(tmp_path, other):
    words = f"process {other.pid} on .* is writing into this folder; wait for it, stop it"
    with pytest.raises(MismatchError, match=words), owned(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path, other):
    other.kill()
    other.wait()
    with owned(tmp_path):
        assert is_ours(tmp_path / LOCK)
    assert not list(tmp_path.iterdir())


def test_a_later_process_with_the_same_number_is_not_the_owner(tmp_path):
    me = RunOwner.here()
    stale = replace(me, born=me.born + 1)
    (tmp_path / LOCK).write_text(dump(RunOwner, stale))
    with owned(tmp_path):
        assert f'"born": {me.born}' in (tmp_path / LOCK).read_text()
    assert not list(tmp_path.iterdir())


def test_another_host_is_believed_while_it_gives_signs_of_life(tmp_path):
    lock = tmp_path / LOCK
    lock.write_text(dump(RunOwner, RunOwner("far-away", 1, 5, "2026-01-02 03:04:05 UTC")))
    with pytest.raises(MismatchError, match="process 1 on far-away since 2026-01-02"), owned(tmp_path):
        pass
    fall_silent(lock)
    with owned(tmp_path):
        assert is_ours(lock)


def test_a_container_with_the_name_of_this_host_is_believed_while_it_gives_signs_of_life(tmp_path):
    lock = tmp_path / LOCK
    # No process of this namespace has such a number.
    lock.write_text(dump(RunOwner, replace(RunOwner.here(), process=2**22 + 1, process_namespace="pid:[7]")))
    with pytest.raises(MismatchError, match="is writing into this folder"), owned(tmp_path):
        pass
    fall_silent(lock)
    with owned(tmp_path):
        assert is_ours(lock)


def test_a_damaged_lock_is_nobodys(tmp_path):
    (tmp_path / LOCK).write_text("{")
    with owned(tmp_path / "deep" / "run"), owned(tmp_path):
        pass
    assert not (tmp_path / LOCK).exists()


def test_a_pipe_in_place_of_a_lock_is_one_sentence(tmp_path):
    os.mkfifo(tmp_path / LOCK)
    with pytest.raises(MismatchError, match="cannot be written"), owned(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(MismatchError, match="cannot be written"), owned(tmp_path / "file" / "run"):
        pass


def test_a_file_system_without_links_has_locks_too(tmp_path, monkeypatch):
    def no_links(source, target):
        raise OSError(errno.EPERM, "Operation not permitted", str(target))

    monkeypatch.setattr(os, "link", no_links)
    with owned(tmp_path), pytest.raises(MismatchError, match="is writing into this folder"), owned(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_new_folder_in_which_nothing_was_written_is_removed(tmp_path):
    with owned(tmp_path / "empty"), owned(tmp_path / "used"):
        (tmp_path / "used" / "losses.jsonl").touch()
    with owned(tmp_path):
        assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["used"]
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["losses.jsonl"]
