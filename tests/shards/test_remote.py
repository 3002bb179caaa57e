"""Datasets behind a real HTTP server: equal to local ones, fetched once, within a bound, or a clear error."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

import shards.remote
from shards.cache import Cache
from shards.errors import SettingsError, ShardError
from shards.read import Dataset
from shards.remote import open_dataset

NAME = "acoustic_scattering_discontinuous"
DYING_SERVER = """
import os, sys
from http.server import HTTPServer, SimpleHTTPRequestHandler

class Dying(SimpleHTTPRequestHandler):
    def copyfile(self, source, target):
        content = source.read()
        if not self.path.endswith(".json"):
            target.write(content[: len(content) // 2])
            target.flush()
            os._exit(9)
        target.write(content)

server = HTTPServer(("127.0.0.1", 0), Dying)
print(server.server_port, flush=True)
server.serve_forever()
"""


class Handler(SimpleHTTPRequestHandler):
    def __init__(self, fetched: list[str], *arguments: object, **named: object) -> None:
        self.fetched = fetched
        super().__init__(*arguments, **named)

    def do_GET(self) -> None:
        self.fetched.append(self.path)
        super().do_GET()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(shards.remote, "WAITS", (0.01,))


@pytest.fixture
def fetched() -> list[str]:
    """Paths that the server was asked for."""
    return []


@pytest.fixture
def url(folder, fetched) -> Iterator[str]:
    handler = partial(Handler, fetched, directory=str(folder.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path) -> Cache:
    return Cache(tmp_path / "cache", 10**9)


def held(cache: Cache) -> int:
    return sum(entry.stat().st_size for entry in cache.folder.iterdir() if entry.is_file())


def everything(dataset: Dataset) -> list[bytes]:
    """Frames, constants, bits and times of all trajectories."""
    content = []
    for entry in dataset.entries("valid"):
        out = np.empty((entry.frames, *dataset.card.schema.frame_shape), "f4")
        dataset.read_frames(entry, range(entry.frames), out)
        content += [out.tobytes(), dataset.static(entry).tobytes(), dataset.boundary(entry).tobytes()]
        content.append(repr(dataset.document(entry)).encode())
    return content


def test_a_remote_dataset_is_the_local_one_and_a_second_pass_fetches_nothing(folder, url, cache, fetched):
    remote = open_dataset(url, NAME, cache)
    assert fetched == [f"/{NAME}/index.json", f"/{NAME}/card.json"]
    local = everything(open_dataset(folder.parent, NAME, cache))
    assert everything(remote) == local
    assert len(set(fetched)) == len(fetched)
    fetched.clear()
    assert everything(remote) == local
    assert fetched == []
    assert everything(open_dataset(url, NAME, cache)) == local
    assert fetched == [f"/{NAME}/index.json", f"/{NAME}/card.json"]


def test_the_cache_stays_within_its_bound_and_forgets_what_was_used_longest_ago(pristine, tmp_path):
    cache, written = Cache(tmp_path / "cache", 100), []

    def opened(name: str, length: int) -> bytes:
        def fetch(path: Path) -> None:
            written.append(name)
            path.write_bytes(name.encode() * length)

        with cache.open(name, length, fetch) as file:
            os.utime(cache.folder / name, (len(written), len(written)))
            return file.read()

    for name in "abc":
        assert opened(name, 30) == name.encode() * 30
    os.utime(cache.folder / "a", (99, 99))
    assert opened("d", 40) == b"d" * 40
    assert {path.name for path in cache.folder.iterdir() if path.is_file()} == {"a", "d", "c"}
    assert held(cache) == 100
    assert opened("b", 30) == b"b" * 30
    assert written == ["a", "b", "c", "d", "b"]
    with pytest.raises(ShardError, match=r"101 bytes does not fit a cache of 100; raise reading\.cache_size"):
        opened("e", 101)


def test_a_cache_that_is_smaller_than_the_dataset_serves_it_all_the_same(folder, url, tmp_path):
    largest = max(file.length for file in Dataset(folder).index.files)
    cache = Cache(tmp_path / "cache", largest + 1000)
    assert everything(open_dataset(url, NAME, cache)) == everything(Dataset(folder))
    assert held(cache) <= largest + 1000


def test_threads_that_want_a_file_fetch_it_once(url, cache, fetched):
    remote = open_dataset(url, NAME, cache)
    record = remote.index.files[0]

    def read(_: int) -> bytes:
        with remote.files.open(record) as file:
            return file.read()

    with ThreadPoolExecutor(8) as pool:
        contents = set(pool.map(read, range(16)))
    assert {len(content) for content in contents} == {record.length}
    assert fetched.count(f"/{NAME}/{record.path}") == 1


def test_a_server_that_dies_in_the_middle_is_told_in_one_line_and_leaves_nothing_behind(folder, cache):
    process = subprocess.Popen(
        [sys.executable, "-c", DYING_SERVER], cwd=folder.parent, stdout=subprocess.PIPE, text=True
    )
    try:
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        remote = open_dataset(url, NAME, cache)
        path = remote.entries("valid")[0].segments[0].fields.path
        with pytest.raises(
            ShardError, match=rf"{url}/{NAME}/{path}: cannot be fetched .*2 attempts.*"
        ) as caught:
            everything(remote)
        assert "\n" not in str(caught.value)
        assert process.wait(5) == 9
        assert held(cache) == 0
        with pytest.raises(ShardError, match=rf"{url}/{NAME}/index.json: cannot be fetched"):
            open_dataset(url, NAME, cache)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(
    "change", [lambda old: old[:-1], lambda old: old + b"more", lambda old: b"\1" + old[1:]]
)
def test_bytes_other_than_those_of_the_index_are_refused(folder, url, cache, change):
    remote = open_dataset(url, NAME, cache)
    path = remote.entries("valid")[0].segments[0].fields.path
    (folder / path).write_bytes(change((folder / path).read_bytes()))
    with pytest.raises(ShardError, match=r"the index s"):
        everything(remote)
    assert held(cache) == 0


def test_what_is_not_there_and_what_cannot_be_opened_are_told(url, cache):
    with pytest.raises(ShardError, match=rf"{url}/nowhere/index.json: does not exist; check the URL"):
        open_dataset(url, "nowhere", cache)
    with pytest.raises(SettingsError, match=r"nothing://here/name: Protocol not known: nothing"):
        open_dataset("nothing://here", "name", cache)


def test_a_remote_dataset_has_no_folder(url, cache):
    with pytest.raises(ShardError, match="is not on this machine; copy the folder here first"):
        _ = open_dataset(url, NAME, cache).folder


class Odd(Handler):
    """Answers in the way that the first part of the path names."""

    def do_GET(self) -> None:
        way, _, rest = self.path.lstrip("/").partition("/")
        self.path = f"/{rest}"
        if way == "html":
            self.answer(200, b"<html><body>Please log in</body></html>")
        elif way == "broken":
            self.answer(500, b"")
        elif way == "silent":
            self.wfile.flush()
            Event().wait(2)
        elif way == "endless":
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write(b" " * 2**16)
        elif way == "signed" and self.path.endswith("?sig=s3cret"):
            self.path = self.path.partition("?")[0]
            super().do_GET()
        else:
            self.answer(403, b"")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def odd(folder, fetched) -> Iterator[str]:
    handler = partial(Odd, fetched, directory=str(folder.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("html", r"index\.json: Invalid JSON"),
        ("broken", "cannot be fetched"),
        ("silent", "cannot be fetched"),
        ("endless", r"the server sent more than the \d+ bytes"),
    ],
)
def test_a_server_that_answers_oddly_or_never_ends_in_one_line(odd, cache, monkeypatch, way, words):
    monkeypatch.setattr(shards.remote, "SILENCE", 0.3)
    monkeypatch.setattr(shards.remote, "LARGEST_DOCUMENT", 10**6)
    start = time.monotonic()
    with pytest.raises(ShardError, match=words) as caught:
        open_dataset(f"http://{odd}/{way}", NAME, cache)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 20


def test_a_signed_url_is_used_whole_and_its_token_is_never_printed(odd, folder, cache):
    remote = open_dataset(f"http://{odd}/signed?sig=s3cret", NAME, cache)
    assert everything(remote) == everything(Dataset(folder))
    assert "s3cret" not in remote.files.where("index.json")
    roots = ("signed?sig=s3cret2", "signed?sig=%2Fs3cret%20x&a=b")
    for root in (*(f"http://{odd}/{each}" for each in roots), f"http://me:s3cret@{odd}/nowhere"):
        with pytest.raises(ShardError, match=r"cannot be fetched|is not there") as caught:
            open_dataset(root, NAME, cache)
        assert "s3cret" not in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        open_dataset("nothing://me:s3cret@here/x?sig=s3cret", "name", cache)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("change", [lambda content: b"", lambda content: content[:-1]])
def test_a_cached_file_that_was_cut_is_fetched_again(folder, url, cache, change):
    expected = everything(open_dataset(url, NAME, cache))
    for path in cache.folder.iterdir():
        if path.is_file():
            path.write_bytes(change(path.read_bytes()))
    assert everything(open_dataset(url, NAME, cache)) == expected


def test_a_cached_file_with_a_flipped_bit_is_refused_and_fetched_the_next_time(folder, url, cache):
    expected = everything(open_dataset(url, NAME, cache))
    path = max(
        (path for path in cache.folder.iterdir() if path.is_file()), key=lambda path: path.stat().st_size
    )
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)
    with pytest.raises(ShardError, match="its copy was removed from the cache, run again"):
        everything(open_dataset(url, NAME, cache))
    assert everything(open_dataset(url, NAME, cache)) == expected


def test_a_link_in_the_cache_is_not_written_through(url, cache, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    locks = cache.folder / "locks"
    locks.mkdir(parents=True)
    (locks / "room").symlink_to(precious)
    with pytest.raises(ShardError, match="room: cannot be locked"):
        everything(open_dataset(url, NAME, cache))
    assert precious.read_text() == "mine"
