"""Frames out of shards equal what h5py reads; a damaged or hostile dataset is refused in one line."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

from shards.errors import ShardError
from shards.json_text import text_with_checksum, to_text
from shards.read import Dataset
from shards.schema import Boundary


def physical(dataset: Dataset, entry, frames) -> np.ndarray:
    schema, document = dataset.card.schema, dataset.document(entry)
    out = np.empty((len(frames), *schema.frame_shape), schema.dtype)
    dataset.read_frames(entry, frames, out)
    return out * np.array(document.scale, schema.dtype).reshape(-1, 1, 1)


def edit(path: Path, change) -> None:
    tables = json.loads(path.read_text())
    change(tables)
    path.write_bytes(
        text_with_checksum(to_text(tables)) if tables.pop("crc32c", None) else to_text(tables).encode()
    )


def test_frames_constants_and_bits_are_those_of_the_file(dataset, raw):
    entries = dataset.entries("valid")
    assert [entry.key for entry in entries] == [
        f"acoustic_scattering_discontinuous_chunk_0-{n:05d}" for n in (0, 1)
    ]
    assert dataset.entries("train") == dataset.entries("test") == ()
    for row, entry in enumerate(entries):
        expected, document = raw(row), dataset.document(entry)
        assert [(s.first, s.frames) for s in entry.segments] == [(0, 5), (5, 5), (10, 5), (15, 5), (20, 4)]
        assert physical(dataset, entry, range(24)).tobytes() == expected.frames.tobytes()
        static = dataset.static(entry) * np.array(document.static_scale, "f4").reshape(-1, 1, 1)
        assert static.tobytes() == expected.static.tobytes()
        np.testing.assert_array_equal(document.trajectory.time, expected.time)
        assert document.trajectory.origin.row == row


def test_a_file_that_is_cut_while_it_is_mapped_is_one_line(dataset):
    entry = dataset.entries("valid")[0]
    physical(dataset, entry, range(24))
    for record in dataset.index.files:
        os.truncate(dataset.folder / record.path, 0)
    with pytest.raises(ShardError, match="has 0 bytes, a member ends at"):
        physical(dataset, entry, range(24))


def test_frames_come_in_the_order_asked_for(dataset, raw):
    entry, order = dataset.entries("valid")[1], [23, 0, 7, 7, 19, 20]
    np.testing.assert_array_equal(physical(dataset, entry, order), raw(1).frames[order])


@pytest.mark.parametrize("packaging", ["zarr", "webdataset"])
def test_ranges_of_raw_frames_are_those_of_the_file_at_the_first_read_and_later(
    built, raw, tmp_path, packaging
):
    # Shards of 5, 5, 5, 5 and 4 frames: within one, up to the end of the last, and across two.
    dataset = Dataset(built(tmp_path, packaging, "raw", pieces=1))
    entry = dataset.entries("valid")[1]
    for frames in (range(5, 10, 2), range(20, 24), range(3, 17, 4)):
        for _ in range(2):
            assert physical(dataset, entry, frames).tobytes() == raw(1).frames[frames].tobytes()


def test_the_boundary_has_walls_below_and_open_sides_above(dataset):
    assert dataset.card.schema.boundaries == ((Boundary.WALL, Boundary.OPEN),) * 2
    expected = np.zeros((64, 48), np.uint8)
    expected[0] |= 1
    expected[-1] |= 2
    expected[:, 0] |= 1
    expected[:, -1] |= 2
    np.testing.assert_array_equal(dataset.boundary(dataset.entries("valid")[0]), expected)


def test_frames_are_cast_into_the_memory_that_is_given(dataset):
    entry, shape = dataset.entries("valid")[0], dataset.card.schema.frame_shape
    exact, double = np.empty((3, *shape), "f4"), np.empty((3, *shape), "f8")
    padded = np.zeros((3, shape[0], shape[1], shape[2] + 5), "f4")
    for out in (exact, double, padded[..., :-5]):
        dataset.read_frames(entry, [4, 5, 6], out)
        np.testing.assert_array_equal(out, exact)
    assert not padded[..., -5:].any()


def test_many_threads_read_what_one_does(dataset):
    shape = dataset.card.schema.frame_shape

    def read(number: int) -> bytes:
        out = np.empty((2, *shape), "f4")
        dataset.read_frames(dataset.entries("valid")[number % 2], [number % 24, 23 - number % 24], out)
        return out.tobytes()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(96))) == [read(number) for number in range(96)]


@pytest.mark.parametrize("frame", [-1, 24])
def test_a_frame_that_is_not_there_is_told_with_those_that_are(dataset, frame):
    with pytest.raises(ShardError, match=rf"frames 0 to 23, asked for {frame}"):
        physical(dataset, dataset.entries("valid")[0], [frame])


def test_a_root_or_another_folder_in_place_of_a_dataset_is_told(folder, tmp_path):
    (tmp_path / "plain").mkdir()
    with pytest.raises(
        ShardError, match=f"holds the datasets {folder.name}; name one of them, such as {folder}"
    ):
        Dataset(folder.parent)
    with pytest.raises(ShardError, match=r"is no dataset \(no index\.json\); name a folder that"):
        Dataset(tmp_path / "plain")


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda f: (f / "index.json").unlink(), "is not finished"),
        (lambda f: f.rename(f.with_name("elsewhere")), "does not exist"),
        (lambda f: (f / "card.json").unlink(), r"is not finished \(no card\.json\)"),
        (lambda f: (f / "card.json").write_bytes(b"{}"), r"card\.json: was changed after the build"),
        (lambda f: (f / "index.json").write_bytes(b"{"), r"index\.json: Invalid JSON"),
        (lambda f: (f / "index.json").write_bytes(b"\xff"), r"index\.json: Invalid JSON"),
        (
            lambda f: edit(f / "index.json", lambda t: t.update(format=3)),
            r"json: has format 3, written by a newer",
        ),
        (lambda f: edit(f / "index.json", lambda t: t.update(more=1)), r"index\.json: more"),
    ],
)
def test_a_dataset_that_is_not_whole_is_told_in_one_line(folder, break_it, words):
    break_it(folder)
    with pytest.raises(ShardError, match=words) as caught:
        Dataset(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "train/../../secret", "..", "", "."])
@pytest.mark.parametrize("place", ["trajectories", "files"])
def test_an_index_that_leaves_the_folder_is_refused(folder, path, place):
    def change(tables):
        record = (
            tables["files"][0] if place == "files" else tables["trajectories"][0]["segments"][0]["fields"]
        )
        record["path"] = path

    edit(folder / "index.json", change)
    with pytest.raises(ShardError, match=rf"index\.json: {place}\.0\..*leaves the dataset's folder"):
        Dataset(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: e.update(key="../../etc"), "key"),
        (lambda e: e["segments"].pop(1), "no shard for frame 5"),
        (lambda e: e["segments"].clear(), "shards for 0 frames, expected 24"),
        (lambda e: e["segments"][0].update(frames=-5), "frames"),
        (lambda e: e["boundary"].update(offset=-4), "offset"),
        (lambda e: e["boundary"].update(length=-4), "length"),
        (lambda e: e.update(frames=10**9), "expected 1000000000"),
    ],
)
def test_an_index_that_contradicts_itself_is_refused(folder, change, words):
    edit(folder / "index.json", lambda tables: change(tables["trajectories"][0]))
    with pytest.raises(ShardError, match=words):
        Dataset(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card.update(name="../elsewhere"),
        lambda card: card.update(chunk=[3, 0, 48]),
        lambda card: card.update(chunk=[3, 7, 48]),
        lambda card: card["schema"]["grid"].update(axes=["..", "y"]),
    ],
)
def test_a_hostile_card_is_refused(folder, change):
    edit(folder / "card.json", change)
    checksum = google_crc32c.value((folder / "card.json").read_bytes())
    edit(folder / "index.json", lambda tables: tables.update(card_crc32c=checksum))
    with pytest.raises(ShardError, match=r"card\.json: "):
        Dataset(folder)


def test_a_file_that_was_cut_is_named(folder):
    dataset = Dataset(folder)
    member = dataset.entries("valid")[1].segments[4].fields
    path = folder / member.path
    path.write_bytes(path.read_bytes()[: member.offset + member.length - 10])
    with pytest.raises(ShardError, match=rf"{member.path}.*the file was cut"):
        physical(dataset, dataset.entries("valid")[1], [23])


@pytest.mark.parametrize("content", [b"", None])
def test_a_file_that_is_empty_or_gone_is_named(folder, content):
    dataset = Dataset(folder)
    member = dataset.entries("valid")[0].segments[0].fields
    (folder / member.path).unlink()
    if content is not None:
        (folder / member.path).write_bytes(content)
    with pytest.raises(ShardError, match=rf"{member.path}.*cannot be (mapped|opened)"):
        physical(dataset, dataset.entries("valid")[0], [0])


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"attributes": {"walrus": {}}}', b"\xff"])
def test_a_document_that_is_none_is_named(pristine, tmp_path, content):
    from shutil import copytree

    folder = copytree(pristine["zarr"], tmp_path / "copy")
    dataset = Dataset(folder)
    entry = dataset.entries("valid")[0]
    (folder / entry.document.path).write_bytes(content.ljust(entry.document.length))
    with pytest.raises(ShardError, match=entry.document.path):
        dataset.document(entry)


def test_a_dataset_keeps_few_files_open(dataset):
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    for entry in dataset.entries("valid"):
        physical(dataset, entry, range(24))
    assert open_files() - before <= 24


def test_a_dataset_that_is_built_anew_while_it_is_open_is_told(folder, dataset):
    dataset.require_unchanged()
    edit(folder / "index.json", lambda t: t["files"][0].update(crc32c=1))
    with pytest.raises(ShardError, match="was rebuilt while it was read"):
        dataset.require_unchanged()
    (folder / "index.json").unlink()
    with pytest.raises(ShardError, match="is no longer the dataset that was opened"):
        dataset.require_unchanged()


def test_files_that_were_appended_change_nothing_of_what_is_read(folder, dataset):
    entry = dataset.entries("valid")[0]
    before, after = np.empty((2, 1, *dataset.card.schema.frame_shape), "f4")
    dataset.read_frames(entry, [0], before)
    record = {"path": "valid/more", "length": 1, "crc32c": 1}
    edit(folder / "index.json", lambda t: t["files"].append(record))
    dataset.require_unchanged()
    dataset.read_frames(entry, [0], after)
    np.testing.assert_array_equal(after, before)


def test_a_flipped_bit_of_a_frame_is_noticed_by_its_reader(folder, dataset):
    entry = dataset.entries("valid")[0]
    fields = entry.segments[0].fields
    with (folder / fields.path).open("r+b") as file:
        file.seek(fields.offset + 100)
        (byte,) = file.read(1)
        file.seek(fields.offset + 100)
        file.write(bytes([byte ^ 1]))
    out = np.empty((1, *dataset.card.schema.frame_shape), "f4")
    with pytest.raises(ShardError, match="frame 0: its checksum does not match, bytes have changed; run"):
        dataset.read_frames(entry, [0], out)


def test_a_pipe_in_place_of_a_file_does_not_stop_the_reader(folder):
    for name in ("index.json", "card.json"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        os.mkfifo(folder / name)
        with pytest.raises(ShardError, match=f"{name}: cannot be read \\(is not a file\\)"):
            Dataset(folder)
        (folder / name).unlink()
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("verify_reads", [False, True])
def test_a_chunk_is_checked_once_or_each_time_as_asked(folder, verify_reads, monkeypatch):
    # Also where the index of its shard is no longer kept, since frame 23 is in another one.
    monkeypatch.setattr("shards.read.KEPT_INDICES", 1)
    dataset = Dataset(folder, verify_reads=verify_reads)
    entry = dataset.index.trajectories[0]
    out = np.empty((2, *dataset.card.schema.frame_shape), dataset.card.schema.dtype)
    dataset.read_frames(entry, [0, 23], out)
    member = entry.segments[0].fields
    path = folder / member.path
    with path.open("r+b") as file:
        file.seek(member.offset + 40)
        byte = file.read(1)
        file.seek(member.offset + 40)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(ShardError, match="bytes have changed") if verify_reads else nullcontext():
        dataset.read_frames(entry, [0, 23], out)
    with pytest.raises(ShardError, match="bytes have changed"):
        Dataset(folder, verify_reads=verify_reads).read_frames(entry, [0, 23], out)
