"""The other packaging holds the same encoded bytes; there and back is where one was."""

import fcntl
import os
from pathlib import Path

import pytest

from shards.convert import convert
from shards.errors import MismatchError, ShardError, WalrusWarning
from shards.read import Dataset
from shards.verify import faults, members


def tree(folder: Path) -> dict[str, bytes]:
    """Path to content, but for what only a build keeps."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files if p.parent.name != "parts"}


def shard_bytes(dataset: Dataset) -> dict[str, list[bytes]]:
    """Key to the shards of a trajectory."""
    return {
        entry.key: [bytes(dataset.bytes_of(member)) for member in members(entry) if member != entry.document]
        for entry in dataset.index.trajectories
    }


def test_both_packagings_hold_the_same_shards_byte_for_byte(pristine):
    zarr, tar = (shard_bytes(Dataset(folder)) for folder in pristine.values())
    assert zarr == tar
    assert {len(shards) for shards in zarr.values()} == {7}


@pytest.mark.parametrize(("one", "other"), [("zarr", "webdataset"), ("webdataset", "zarr")])
def test_there_and_back_is_where_one_was(pristine, tmp_path, one, other):
    there = convert(Dataset(pristine[one]), other, tmp_path / "there")
    back = convert(Dataset(there), one, tmp_path / "back")
    for folder in (there, back):
        assert list(faults(Dataset(folder))) == []
    assert tree(there) == tree(pristine[other])
    assert tree(back) == tree(pristine[one])


def test_converting_twice_writes_nothing_and_another_dataset_is_refused(pristine, tmp_path):
    folder = convert(Dataset(pristine["zarr"]), "webdataset", tmp_path)
    before = tree(tmp_path), folder.stat().st_mtime_ns
    with pytest.warns(WalrusWarning, match="holds this copy already"):
        assert convert(Dataset(pristine["zarr"]), "webdataset", tmp_path) == folder
    with pytest.raises(MismatchError, match="exists already and is another dataset"):
        convert(Dataset(pristine["zarr"]), "zarr", tmp_path)
    assert (tree(tmp_path), folder.stat().st_mtime_ns) == before
    assert folder.name == "acoustic_scattering_discontinuous"
    (folder / "valid" / "valid-00000.tar").unlink()
    with pytest.raises(MismatchError, match="or damaged"):
        convert(Dataset(pristine["zarr"]), "webdataset", tmp_path)


def test_what_a_killed_conversion_left_goes_and_what_another_writes_stays(pristine, tmp_path):
    name = ".tmp-acoustic_scattering_discontinuous"
    for token in ("left", "held"):
        (tmp_path / f"{name}-{token}").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"{name}-link").symlink_to(tmp_path / "elsewhere")
    handle = os.open(tmp_path / f"{name}-held", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    convert(Dataset(pristine["zarr"]), "webdataset", tmp_path)
    os.close(handle)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"elsewhere", f"{name}-held", f"{name}-link", "acoustic_scattering_discontinuous"}


def test_a_damaged_dataset_leaves_no_half_copy(folder, tmp_path):
    dataset = Dataset(folder)
    path = folder / dataset.index.trajectories[-1].segments[-1].fields.path
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ShardError):
        convert(dataset, "webdataset", tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


def test_a_full_disk_leaves_no_half_copy(pristine, full_disk):
    (full_disk / "filler").write_bytes(bytes(900 * 1024))
    for packaging in ("webdataset", "zarr"):
        with pytest.raises(ShardError, match=f"{full_disk}.*No space left"):
            convert(Dataset(pristine["zarr"]), packaging, full_disk)
        assert [path.name for path in full_disk.iterdir()] == ["filler"]


def test_large_tars_are_divided(pristine, tmp_path, monkeypatch):
    monkeypatch.setattr("shards.convert.TAR_BYTES", 1000)
    folder = convert(Dataset(pristine["zarr"]), "webdataset", tmp_path)
    assert sorted(p.name for p in (folder / "valid").iterdir()) == ["valid-00000.tar", "valid-00001.tar"]
    assert shard_bytes(Dataset(folder)) == shard_bytes(Dataset(pristine["zarr"]))
