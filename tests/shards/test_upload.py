"""A dataset copied to a store in memory, by the same file systems of fsspec that s3 and gs have."""

from shutil import copytree

import fsspec
import numpy as np
import pytest
from typer.testing import CliRunner

import shards.remote
from ingest.cli import app
from shards.cache import Cache
from shards.errors import ShardError
from shards.read import Dataset
from shards.remote import open_dataset
from shards.upload import INDEX, STARTED, upload
from shards.verify import faults

NAME = "acoustic_scattering_discontinuous"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(shards.remote, "WAITS", ())


@pytest.fixture
def root(tmp_path):
    yield f"memory://{tmp_path.name}"
    fsspec.filesystem("memory").rm(f"/{tmp_path.name}", recursive=True)


@pytest.fixture
def stored(root):
    """Path below the dataset to content, of all that is in the store."""

    def read() -> dict[str, bytes]:
        system, above = fsspec.core.url_to_fs(f"{root}/{NAME}")
        return {name.removeprefix(f"{above}/"): system.cat_file(name) for name in system.find(above)}

    return read


def test_the_copy_is_whole_and_a_second_upload_sends_nothing(folder, root, stored, tmp_path):
    reported = []
    done = upload(Dataset(folder), root, lambda sent, total: reported.append((sent, total)))
    assert done.files + 1 == len(stored())
    assert reported[-1] == (done.bytes, done.bytes)
    copy = open_dataset(root, NAME, Cache(tmp_path / "cache"))
    assert list(faults(copy)) == []
    frames = [np.empty((7, *copy.card.schema.frame_shape), "f4") for _ in range(2)]
    for dataset, out_TCS in zip((copy, Dataset(folder)), frames, strict=True):
        dataset.read_frames(dataset.entries("valid")[1], range(3, 10), out_TCS)
    np.testing.assert_array_equal(*frames)
    again = upload(Dataset(folder), root)
    assert (again.files, again.bytes, again.found) == (0, 0, done.files)


def test_an_interrupted_upload_is_no_dataset_and_goes_on(folder, root, stored):
    dataset = Dataset(folder)
    last = dataset.index.files[-1]
    # What nobody listed is not believed, though it is as long as ours.
    for record in dataset.index.files:
        fsspec.filesystem("memory").pipe_file(f"{root}/{NAME}/{record.path}", bytes(record.length))
    content = (folder / last.path).read_bytes()
    (folder / last.path).write_bytes(bytes(len(content)))
    with pytest.raises(ShardError, match=r"its checksum is not that of the index; run walrus-ingest verify"):
        upload(dataset, root)
    there = set(stored())
    assert STARTED in there
    assert {INDEX, last.path}.isdisjoint(there)
    (folder / last.path).write_bytes(content)
    done = upload(Dataset(folder), root)
    assert done.found == len(there) - 1
    assert STARTED not in stored()
    assert stored() == {path: (folder / path).read_bytes() for path in stored()}


@pytest.fixture(scope="module")
def other(built, tmp_path_factory):
    """A dataset of the same name whose fields are stored as they are: its other files are equal."""
    return built(tmp_path_factory.mktemp("other"), "zarr", "raw")


@pytest.mark.parametrize("state", ["finished", "interrupted"])
def test_files_of_another_dataset_of_that_name_are_replaced(other, pristine, root, stored, tmp_path, state):
    upload(Dataset(other), root)
    if state == "interrupted":
        system, place = fsspec.core.url_to_fs(f"{root}/{NAME}")
        system.mv(f"{place}/{INDEX}", f"{place}/{STARTED}")
    folder = copytree(pristine["zarr"], tmp_path / NAME)
    last = folder / Dataset(folder).index.files[-1].path
    content = last.read_bytes()
    last.write_bytes(bytes(len(content)))
    with pytest.raises(ShardError, match="checksum"):
        upload(Dataset(folder), root)
    assert INDEX not in stored()
    last.write_bytes(content)
    upload(Dataset(folder), root)
    assert list(faults(open_dataset(root, NAME, Cache(tmp_path / "cache")))) == []
    assert stored() == {path: (folder / path).read_bytes() for path in stored()}


def test_files_that_a_finished_copy_has_are_not_sent_again(other, pristine, root, tmp_path):
    upload(Dataset(other), root)
    done = upload(Dataset(pristine["zarr"]), root)
    assert min(done.found, done.files) > 0
    assert list(faults(open_dataset(root, NAME, Cache(tmp_path / "cache")))) == []


def test_a_folder_and_a_web_server_are_refused(folder, tmp_path):
    places = {
        tmp_path / "there": "is a folder",
        f"file://{tmp_path}": "is a folder",
        "https://me:pw@host/x": "takes no files",
    }
    for place, words in places.items():
        done = CliRunner().invoke(app, ["upload", str(folder), "--to", str(place)])
        assert done.exit_code == 1
        assert words in done.stderr
        assert "me:pw" not in done.stderr
    assert not (tmp_path / "there").exists()
