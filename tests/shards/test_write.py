"""A part appears whole or not at all."""

import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shards.errors import ShardError
from shards.read import Dataset
from shards.schema import Boundary, Grid, Origin, Trajectory
from shards.shard import shard_stream, single_chunk_shard
from shards.trajectory_document import TrajectoryDocument
from shards.write import EncodedTrajectory, PartWriter, part_writer

PERIODIC = (Boundary.PERIODIC, Boundary.PERIODIC)
GRID = Grid(("x", "y"), ((0.0, 1.0, 2.0, 3.0), (0.0, 0.5, 1.0)))
FRAMES = np.arange(5 * 2 * 4 * 3, dtype="f4").reshape(5, 2, 4, 3)


def encoded(key: str, shards: int = 2, fails: bool = False) -> EncodedTrajectory:
    """Five frames of [2, 4, 3] in `shards` shards of three at most; `fails` after the first shard."""
    document = TrajectoryDocument(
        dataset="waves",
        trajectory=Trajectory(key, "train", Origin("a.h5", 0), (0.0, 1.0, 2.0, 3.0, 4.0), {"Re": 10.0}),
        first=0,
        frames=5,
        axes=GRID.axes,
        shape=GRID.shape,
        boundaries=(PERIODIC, PERIODIC),
        channels=("u", "v"),
        scale=(1.0, 0.5),
        static_channels=(),
        static_scale=(),
        dtype="float32",
        codec="lz4",
        chunk=(2, 4, 3),
        shard_frames=3,
    )

    def segments() -> Iterator[tuple[int, Iterator[bytes]]]:
        for number in range(shards):
            frames = FRAMES[number * 3 : number * 3 + 3]
            yield len(frames), shard_stream(iter(frames), 3, (2, 4, 3), "lz4")
            if fails:
                raise ValueError("the source broke off")

    return EncodedTrajectory(document, segments(), single_chunk_shard(np.zeros((4, 3), "u1"), "lz4"), None)


def writer(folder: Path, packaging: str) -> PartWriter:
    return part_writer(packaging, folder, "train", "train-00000", GRID)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture(params=["zarr", "webdataset"])
def packaging(request) -> str:
    return request.param


def test_nothing_has_its_final_name_before_it_is_whole(tmp_path, packaging):
    part = writer(tmp_path, packaging)
    seen = []

    def watched() -> Iterator[tuple[int, Iterator[bytes]]]:
        for segment in whole.segments:
            yield segment
            seen.extend(files(tmp_path))

    whole = encoded("one-00000")
    part.add(replace(whole, segments=watched()))
    records = part.close()
    assert seen
    assert all(name.startswith("train/.tmp-") for name in seen)
    assert files(tmp_path) == sorted(record.path for record in records)


def test_a_trajectory_that_breaks_off_leaves_no_trace(tmp_path, packaging):
    bare, tried = writer(tmp_path / "bare", packaging), writer(tmp_path / "tried", packaging)
    for part in (bare, tried):
        part.add(encoded("one-00000"))
        if part is tried:
            with pytest.raises(ValueError, match="broke off"):
                part.add(encoded("two-00000", fails=True))
        part.add(encoded("three-00000"))
    assert bare.close() == tried.close()
    assert files(tmp_path / "bare") == files(tmp_path / "tried")
    for name in files(tmp_path / "bare"):
        assert (tmp_path / "bare" / name).read_bytes() == (tmp_path / "tried" / name).read_bytes()


def test_a_discarded_part_leaves_nothing(tmp_path, packaging):
    part = writer(tmp_path, packaging)
    part.add(encoded("one-00000"))
    part.discard()
    assert files(tmp_path) == []


def test_a_part_can_be_written_again_over_itself(tmp_path, packaging):
    for _ in range(2):
        part = writer(tmp_path, packaging)
        part.add(encoded("one-00000"))
        records = part.close()
    assert files(tmp_path) == sorted(record.path for record in records)


def test_the_entry_says_where_the_bytes_lie(tmp_path, packaging):
    part = writer(tmp_path, packaging)
    entry = part.add(encoded("one-00000"))
    part.close()
    assert [(s.first, s.frames) for s in entry.segments] == [(0, 3), (3, 2)]
    second = entry.segments[1].fields
    held = (tmp_path / second.path).read_bytes()[second.offset : second.offset + second.length]
    assert held == b"".join(shard_stream(iter(FRAMES[3:]), 3, (2, 4, 3), "lz4"))


def test_a_tar_holds_a_sample_a_segment_and_nothing_of_who_wrote_it_or_when(tmp_path):
    part = writer(tmp_path, "webdataset")
    part.add(encoded("one-00000"))
    part.close()
    with tarfile.open(tmp_path / "train" / "train-00000.tar") as tar:
        members = tar.getmembers()
    assert [m.name for m in members] == [
        f"{sample}.{kind}"
        for sample in ("one-00000", "one-00000_001")
        for kind in ("fields.shard", "boundary.shard", "grid.json", "json")
    ]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}


def test_a_long_key_does_not_break_the_tar(tmp_path):
    key = "k" * 140 + "-00000"
    part = writer(tmp_path, "webdataset")
    entry = part.add(encoded(key))
    part.close()
    path = tmp_path / "train" / "train-00000.tar"
    with tarfile.open(path) as tar:
        info = tar.getmember(f"{key}.json")
        assert (
            tar.extractfile(info).read()
            == path.read_bytes()[entry.document.offset :][: entry.document.length]
        )


def test_a_full_disk_is_one_error_that_names_the_place_and_leaves_nothing(full_disk, packaging):
    part = writer(full_disk, packaging)
    # Blocks smaller than the buffer of a file: what it still
    # holds fails a second time when the file is closed.
    noise = [np.random.default_rng(number).bytes(5000) for number in range(400)]
    big = replace(encoded("one-00000"), segments=[(5, iter(noise))])
    with pytest.raises(ShardError, match=rf"{full_disk}.*No space left on device; free space"):
        part.add(big)
    part.discard()
    assert files(full_disk) == []


def test_a_root_that_is_no_folder_is_an_error_that_names_it(tmp_path, pristine):
    from shards.convert import convert

    (tmp_path / "root").write_text("a file")
    with pytest.raises(ShardError, match=r"root.*cannot write"):
        convert(Dataset(pristine["zarr"]), "webdataset", tmp_path / "root")


def test_an_error_of_the_disk_at_the_end_of_a_part_is_raised(tmp_path):
    part = writer(tmp_path, "zarr")
    entry = part.add(encoded("waves-00000"))
    (tmp_path / entry.boundary.path).unlink()
    with pytest.raises(ShardError, match="train: cannot write"):
        part.close()
