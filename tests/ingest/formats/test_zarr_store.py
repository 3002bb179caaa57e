"""zarr stores that are none, or not whole: told in one line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from numcodecs import LZ4, Blosc, Zlib
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

from ingest.formats.arrays import whole
from ingest.formats.open_any import located, open_arrays
from ingest.formats.zarr_store import open_zarr
from ingest.recipe import Recipe
from shards.errors import SourceError
from shards.program.settings import make

TABLES = {
    "name": "own",
    "source": "arrays",
    "title": "A store of our own",
    "axes": ["x"],
    "layout": "n t x",
    "fields": [{"name": "u"}],
    "time": {"step": 1.0},
    "coordinates": {"x": {"lower": 0.0, "upper": 1.0}},
    "boundaries": {"x": ["open", "open"]},
}


@pytest.fixture
def recipe() -> Recipe:
    return make(Recipe, TABLES, "own.toml")


@pytest.fixture
def store(tmp_path) -> Path:
    group = zarr.create_group(tmp_path / "a.zarr", attributes={"nu": 0.5, "words": "none"})
    group.create_array("u", data=np.arange(24, dtype="f4").reshape(2, 3, 4))
    group.create_array("phase", data=np.ones((2, 3, 4), "c8"))
    group.create_group("deep").create_array("v", data=np.arange(3))
    return tmp_path / "a.zarr" / "zarr.json"


def test_arrays_and_numbers_are_found_by_their_path(store):
    with open_zarr(store) as arrays:
        assert arrays.names() == ("deep/v", "phase", "u")
        assert whole(arrays.array("deep/v")).tolist() == [0, 1, 2]
        assert arrays.attribute("", "nu") == 0.5
        assert arrays.attribute("deep", "nu") is None
        assert arrays.attribute("none", "nu") is None


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda arrays: arrays.array("none"), "no array none; found deep/v, phase, u"),
        (lambda arrays: arrays.array("deep"), "no array deep"),
        (lambda arrays: arrays.array("phase"), "holds complex64; expected real numbers"),
        (lambda arrays: arrays.attribute("", "words"), "attribute words holds 'none'; expected one number"),
    ],
)
def test_what_is_not_there_is_told_with_what_there_is(store, ask, words):
    with open_zarr(store) as arrays, pytest.raises(SourceError, match=words):
        ask(arrays)


def test_a_damaged_chunk_is_told(store, recipe, refusal):
    chunk = next(path for path in (store.parent / "u" / "c").rglob("*") if path.is_file())
    chunk.write_bytes(chunk.read_bytes()[:5])
    assert ":u: damaged" in refusal(store, recipe)


@pytest.mark.parametrize(
    ("zarr_format", "compressor"),
    [(3, GzipCodec()), (3, BloscCodec()), (3, ZstdCodec()), (2, Blosc()), (2, Zlib()), (2, LZ4())],
)
@pytest.mark.parametrize("kept", [slice(0), slice(5), slice(15), slice(20), slice(-20), slice(-1)])
def test_a_chunk_cut_short_is_told_whatever_compressed_it(
    tmp_path, recipe, refusal, zarr_format, compressor, kept
):
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=zarr_format)
    group.create_array("u", data=np.random.default_rng(3).normal(size=(2, 3, 4)), compressors=compressor)
    chunk = next(tmp_path.rglob("0.0.0" if zarr_format == 2 else "c/0/0/0"))
    chunk.write_bytes(chunk.read_bytes()[kept])
    marker = ".zgroup" if zarr_format == 2 else "zarr.json"
    assert ":u: damaged" in refusal(tmp_path / "a.zarr" / marker, recipe)


@pytest.mark.parametrize("name", ["zarr.json", ".zgroup"])
@pytest.mark.parametrize("content", [b"", b"<html>404</html>"])
def test_what_is_no_store_is_told(tmp_path, recipe, refusal, name, content):
    path = tmp_path / "b.zarr" / name
    path.parent.mkdir()
    path.write_bytes(content)
    assert "holds no zarr group" in refusal(path, recipe)


def test_an_old_store_that_would_run_code_is_not_opened(tmp_path, recipe, refusal):
    group = zarr.create_group(tmp_path / "old.zarr", zarr_format=2)
    group.create_array("u", data=np.ones((2, 3, 4), "f4"))
    metadata = tmp_path / "old.zarr" / "u" / ".zarray"
    evil = json.loads(metadata.read_text()) | {"filters": [{"id": "pickle", "protocol": 5}]}
    metadata.write_text(json.dumps(evil))
    assert "pickle" in refusal(tmp_path / "old.zarr" / ".zgroup", recipe)


@pytest.mark.parametrize("form", [2, 3])
def test_an_array_at_the_root_is_called_data(tmp_path, form):
    values = np.arange(24.0).reshape(4, 6)
    array = zarr.create_array(tmp_path / "a.zarr", data=values, chunks=(2, 3), zarr_format=form)
    assert array.shape == (4, 6)
    with open_arrays(located(tmp_path / "a.zarr")) as arrays:
        assert arrays.names() == ("data",)
        assert not arrays.array("data").unwritten
        np.testing.assert_array_equal(arrays.array("data").slab(slice(1, 3), 4), values[1:3, 4])
        assert arrays.caveats() == {"data": ()}


@pytest.mark.parametrize("form", [2, 3])
def test_a_store_that_was_zipped_with_its_folder_is_read(tmp_path, form):
    values = np.arange(24.0).reshape(4, 6)
    group = zarr.open_group(tmp_path / "run.zarr", mode="w", zarr_format=form)
    group.create_array("below/u", data=values)
    shutil.make_archive(str(tmp_path / "run"), "zip", tmp_path, "run.zarr")
    with open_arrays(tmp_path / "run.zip") as arrays:
        assert arrays.names() == ("below/u",)
        np.testing.assert_array_equal(arrays.array("below/u").slab(slice(None), 2), values[:, 2])
        assert arrays.caveats() == {"below/u": ()}
