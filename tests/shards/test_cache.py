"""The cache of remote shards is a help: without locks, without a home or without room the work goes on."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from threading import Barrier, Thread

import pytest

import shards.cache
from shards.cache import Cache, usual_folder
from shards.disk import TEMPORARY
from shards.errors import ShardError, WalrusWarning

NAME = "0123456789abcdef" * 2


def write(path: Path) -> None:
    path.write_bytes(b"bytes of a shard")


def content(cache: Cache, fetch=write) -> bytes:
    with cache.open(NAME, 16, fetch) as file:
        return file.read()


@pytest.fixture
def _own_folder():
    """Each test finds the usual folder anew."""
    usual_folder.cache_clear()
    yield
    usual_folder.cache_clear()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_on_a_file_system_without_locks_two_fetch_one_file_each_under_its_own_name(
    tmp_path, monkeypatch, number
):
    def no_lock(handle: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_lock)
    both, seen, cache = Barrier(2), [], Cache(tmp_path)

    def fetch(path: Path) -> None:
        both.wait(timeout=10)
        seen.append(path.name)
        write(path)

    threads = [Thread(target=lambda: content(cache, fetch)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 2
    assert all(name.startswith(TEMPORARY) for name in seen)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [NAME]


def test_a_strange_file_with_the_name_of_a_temporary_one_is_counted_as_it_is(tmp_path):
    (tmp_path / ".tmp-of-somebody").write_bytes(b"x" * 10)
    assert content(Cache(tmp_path, 20)) == b"bytes of a shard"
    assert not (tmp_path / ".tmp-of-somebody").exists()


def test_a_folder_that_cannot_be_written_costs_the_cache_and_not_the_data(tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    with pytest.warns(
        WalrusWarning, match=r"file/cache: the cache cannot be used \(.*\), .* reading\.cache_"
    ):
        assert content(Cache(in_the_way / "cache")) == b"bytes of a shard"


def test_a_full_disk_below_the_cache_costs_the_cache_and_not_the_data(tmp_path):
    calls = []

    def fetch(path: Path) -> None:
        calls.append(path)
        if path.is_relative_to(tmp_path / "cache"):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path)

    with pytest.warns(WalrusWarning, match=r"cannot be used \(No space left on device\)"):
        assert content(Cache(tmp_path / "cache"), fetch) == b"bytes of a shard"
    assert not calls[-1].exists()


def test_a_shard_that_cannot_be_fetched_is_not_the_fault_of_the_cache(tmp_path):
    def fetch(path: Path) -> None:
        raise ShardError("is not there")

    with pytest.raises(ShardError, match="is not there"):
        content(Cache(tmp_path), fetch)


@pytest.mark.usefixtures("_own_folder")
def test_without_a_home_the_cache_is_a_folder_for_us_alone(tmp_path, monkeypatch):
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr(shards.cache.tempfile, "tempdir", str(tmp_path))
    with pytest.warns(
        WalrusWarning, match=r"walrus-pde-\w+, since no home can be written; set reading\.cache"
    ):
        folder = usual_folder()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    assert Cache().folder == folder


@pytest.mark.usefixtures("_own_folder")
def test_a_home_in_which_nothing_can_be_written_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert usual_folder() == tmp_path / "home" / ".cache" / "walrus-pde"


def test_nothing_asks_for_a_home_before_something_remote_is_read():
    code = (
        "from pathlib import Path\n"
        "def no_home(): raise RuntimeError\n"
        "Path.home = no_home\n"
        "import walrus.reading.reader, pipelines.run\n"
        "print(walrus.reading.reader.ReadSettings().cache.chosen)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("None\n", "")
