"""Datasets, recipes and names made to do harm: each is refused in one line, in bounded time and memory."""

import json
import os
import resource
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from shards.disk import open_append, write_atomically
from shards.drawing.html_page import heading, page, table, text_row
from shards.errors import SettingsError, ShardError
from shards.json_text import text_with_checksum, to_text
from shards.program.console import printable
from shards.program.settings import override, read_toml
from shards.read import Dataset
from shards.verify import faults
from shards.webdataset_sample import decode_sample

KEPT = Path(__file__).parents[1] / "shards" / "old_formats"
# Of the processor: the clock on the wall counts what else the machine does.
LIMIT_SECONDS, LIMIT_BYTES = 5, 300 * 10**6
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["zarr", "webdataset"])
def folder(request, tmp_path) -> Path:
    return copytree(KEPT / "v2" / request.param / "small", tmp_path / "small")


@pytest.fixture(autouse=True)
def _bounded():
    start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.process_time() - start < LIMIT_SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < LIMIT_BYTES


def rewrite(folder: Path, change) -> None:
    """An index that is wrong, with a right checksum: who makes it can compute that too."""
    tables = json.loads((folder / "index.json").read_text())
    del tables["crc32c"]
    change(tables)
    (folder / "index.json").write_bytes(text_with_checksum(to_text(tables)))


def read_all(folder: Path) -> None:
    dataset = Dataset(folder)
    for entry in dataset.index.trajectories:
        out = np.empty((1, *dataset.card.schema.frame_shape), "f4")
        dataset.read_frames(entry, [entry.frames - 1], out)
        dataset.boundary(entry)
        dataset.document(entry)


def refusal(folder: Path) -> str:
    with pytest.raises(ShardError) as caught:
        read_all(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_index_of_gigabytes_is_refused_before_it_is_read(folder):
    os.truncate(folder / "index.json", 40 * 10**9)
    assert "index.json: is larger than" in refusal(folder)


@pytest.mark.parametrize("name", ["index.json", "card.json"])
def test_a_device_or_a_pipe_that_never_ends_is_no_document(folder, name):
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    assert f"{name}: cannot be read (is not a file)" in refusal(folder)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert f"{name}: cannot be read (is not a file)" in refusal(folder)


def test_a_pipe_among_the_records_of_parts_is_a_fault(folder):
    (folder / "parts").mkdir(exist_ok=True)
    os.mkfifo(folder / "parts" / "train-00007.json")
    assert any(
        "train-00007.json: cannot be read (is not a file)" in fault for fault in faults(Dataset(folder))
    )


def test_a_pipe_in_place_of_a_shard_is_refused(folder):
    for entry in Dataset(folder).index.trajectories:
        path = folder / entry.segments[0].fields.path
        path.unlink(missing_ok=True)
        if not path.exists():
            os.mkfifo(path)
    assert "cannot be opened (is not a file)" in refusal(folder)


@pytest.mark.parametrize("path", ["../card.json", "/etc/passwd", "train/../../x", "a\x1b[2J/../../b"])
def test_a_path_out_of_the_folder_is_refused(folder, path):
    rewrite(folder, lambda t: t["trajectories"][0]["boundary"].update(path=path))
    assert "leaves the dataset's folder" in refusal(folder)


def test_a_link_to_a_file_elsewhere_gives_none_of_its_bytes(folder, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret" * 100)
    for record in Dataset(folder).index.files:
        (folder / record.path).unlink()
        (folder / record.path).symlink_to(secret)
    assert "secret" not in refusal(folder).replace(str(secret), "")


def test_billions_of_declared_frames_are_refused(folder):
    def change(tables):
        entry = tables["trajectories"][0]
        entry["frames"] = entry["segments"][0]["frames"] = 10**12

    rewrite(folder, change)
    assert "too few for an index of" in refusal(folder)
    assert list(faults(Dataset(folder)))


def test_lengths_beyond_the_file_are_refused(folder):
    rewrite(
        folder, lambda t: t["trajectories"][0]["segments"][0]["fields"].update(length=2**62, offset=2**62)
    )
    assert "the file was cut" in refusal(folder)


def test_a_sample_that_declares_terabytes_is_refused():
    (path,) = (KEPT / "v2" / "webdataset" / "small" / "train").glob("*.tar")
    with tarfile.open(path) as tar:
        members = {info.name.partition(".")[2]: tar.extractfile(info).read() for info in tar}
    for key, value in (("shape", [2**20, 2**22]), ("frames", 10**9), ("shard_frames", 2**40)):
        document = json.loads(members["json"]) | {key: value}
        if key == "shape":
            document["chunk"] = [3, *value]
        with pytest.raises(ShardError):
            decode_sample(members | {"json": json.dumps(document).encode(), "__key__": "small"})


def test_json_that_is_nested_deeply_is_refused(folder):
    (folder / "index.json").write_bytes(b"[" * 10**6)
    assert "index.json: " in refusal(folder)


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 10**5, "a = " + "9" * 5000, "a = " + "{b=" * 10**4, "\x00", "a = '\x1b[2J'", "[" * 10**6],
)
def test_a_recipe_that_is_nested_or_endless_is_refused(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match="not TOML"):
        read_toml(path)


@pytest.mark.parametrize("value", ["[" * 10**5, "9" * 5000])
def test_a_value_of_set_that_python_gives_up_on_is_text(value):
    assert override({}, [f"a={value}"]) == {"a": value}


def test_a_recipe_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_bytes(b'\xef\xbb\xbfname = "waves"\n')
    assert read_toml(path) == {"name": "waves"}


def test_a_recipe_that_never_ends_is_refused(tmp_path):
    path = tmp_path / "recipe.toml"
    path.symlink_to("/dev/zero")
    with pytest.raises(SettingsError, match="is not a file"):
        read_toml(path)
    path.unlink()
    path.touch()
    os.truncate(path, 10**11)
    with pytest.raises(SettingsError, match="too large for a recipe"):
        read_toml(path)


def test_no_name_steers_a_terminal(tmp_path):
    assert printable("a\x1b]0;owned\x07\u202eb\r\n") == "a?]0;owned??b??"
    command = [sys.executable, "-m", "ingest.cli", "verify", str(tmp_path / "a\x1b[2J")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert "\x1b" not in done.stdout + done.stderr


def test_nothing_of_a_name_runs_in_a_report():
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    text = page(evil, heading(evil, [(evil, evil)]) + table([evil], [[text_row(evil, evil)]], "prose"))
    assert "<script" not in text
    assert "<img" not in text
    assert "default-src 'none'" in text


def test_a_planted_link_is_not_written_through(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for name in (".tmp-report.html", "report.html"):
        (tmp_path / name).symlink_to(precious)
    write_atomically(tmp_path / "report.html", b"new")
    assert precious.read_text() == "mine"
    assert (tmp_path / "report.html").read_bytes() == b"new"
    assert not (tmp_path / "report.html").is_symlink()


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_new_files_have_the_mode_that_the_user_asked_for(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~mask
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_link_planted_at_a_log_is_not_written_through(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "log.txt").symlink_to(precious)
    with pytest.raises(OSError, match=r"log\.txt"):
        open_append(tmp_path / "log.txt")
    with open_append(tmp_path / "other.txt") as file:
        file.write(b"new")
    with open_append(tmp_path / "other.txt") as file:
        file.write(b"er")
    assert (tmp_path / "other.txt").read_text() == "newer"
    assert precious.read_text() == "mine"
