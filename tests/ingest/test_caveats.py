"""What is no fault of a file and yet to be known is told at plan and build, and stands in the card."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

from ingest.caveats import caveats
from ingest.inputs import find_inputs
from ingest.recipe import Recipe
from ingest.sources._hdf5_storage import losses
from shards.read import Dataset
from shards.settings import dump_toml, make

TABLES = {
    "name": "own",
    "source": "hdf5",
    "title": "A line of cells of our own",
    "axes": ["x"],
    "layout": "n t x",
    "fields": [{"name": "u"}],
    "leave_out": ["spare"],
    "time": {"step": 1.0},
    "coordinates": {"x": {"lower": 0.0, "upper": 1.0}},
    "boundaries": {"x": ["open", "open"]},
    "scalars": {"nu": "nu"},
}
U = np.random.default_rng(5).normal(size=(2, 6, 4)).astype("f4")


def store(path: Path, zarr_format: int, u: np.ndarray = U, **options: object) -> Path:
    """u in a chunk a frame; a parameter that is zero throughout, of which zarr stores no chunk."""
    group = zarr.create_group(path, zarr_format=zarr_format)
    group.create_array("u", data=u, chunks=(1, 1, 4), **options)
    group.create_array("nu", data=np.zeros(2), chunks=(2,))
    return path


def told(start: Path) -> tuple[str, ...]:
    recipe = make(Recipe, TABLES, "own.toml")
    return caveats(recipe, find_inputs(recipe, start))


NU = "nu: 1 of 1 chunks are absent and read as the fill value 0.0"


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_chunks_that_are_absent_are_counted(tmp_path, zarr_format):
    marker = ".zgroup" if zarr_format == 2 else "zarr.json"
    assert told(store(tmp_path / "whole.zarr", zarr_format)) == (f"whole.zarr/{marker}: {NU}",)
    path = store(tmp_path / "part.zarr", zarr_format)
    for name in ("1.2.0", "0.5.0") if zarr_format == 2 else ("c/1/2/0", "c/0/5/0"):
        (path / "u" / name).unlink()
    part = "u: 2 of 12 chunks are absent and read as the fill value 0.0"
    assert told(path) == (f"part.zarr/{marker}: {NU}", f"part.zarr/{marker}: {part}")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_field_without_one_chunk_is_refused(tmp_path, command, zarr_format):
    path = store(tmp_path / "none.zarr", zarr_format, u=np.zeros_like(U))
    recipe = tmp_path / "own.toml"
    recipe.write_text(dump_toml(TABLES))
    result = command("plan", recipe, "--from", path, "--to", tmp_path)
    assert result.exit_code == 1
    assert ":u: not one of its chunks is there, all would read as the fill value; fetch the store" in result.stderr


def test_chunks_of_a_zip_are_counted_like_those_of_a_folder(tmp_path):
    folder = store(tmp_path / "a", 3)
    (folder / "u" / "c" / "1" / "2" / "0").unlink()
    shutil.make_archive(str(tmp_path / "b.zarr"), "zip", folder)
    assert "u: 1 of 12 chunks are absent" in told(tmp_path / "b.zarr.zip")[1]


def test_a_shard_that_is_absent_counts_as_one(tmp_path):
    path = store(tmp_path / "a.zarr", 3, shards=(1, 3, 4))
    (path / "u" / "c" / "1" / "1" / "0").unlink()
    assert "u: 1 of 4 chunks are absent" in told(path)[1]


def write(path: Path, **options: object) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("u", data=U, chunks=(1, 1, 4), **options)
        file.create_dataset("spare", data=U, chunks=(1, 1, 4), scaleoffset=1)
        file["nu"] = np.zeros(2)
    return path


def test_a_filter_that_rounds_is_told_at_plan_and_build_and_stands_in_the_card(tmp_path, command):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.h5", scaleoffset=3)
    recipe = tmp_path / "own.toml"
    words = "a.h5 and 1 more file: u: rounded by the filter scale-offset to 3 decimal digits"
    recipe.write_text(dump_toml(TABLES))
    ask = (recipe, "--from", tmp_path, "--to", tmp_path / "root")
    planned = command("plan", *ask, "--json")
    assert json.loads(planned.stdout)["caveats"] == [words]
    built = command("build", *ask, "--workers", 1)
    assert built.exit_code == 0
    assert planned.stderr == built.stderr == f"note: {words}\n"
    assert Dataset(tmp_path / "root" / "own").card.caveats == (words,)
    assert "nothing to do" in command("build", *ask, "--workers", 1).stdout
    write(tmp_path / "c.h5", scaleoffset=2)
    added = command("append", *ask)
    assert added.stderr == "note: c.h5: u: rounded by the filter scale-offset to 2 decimal digits\n"
    assert len(Dataset(tmp_path / "root" / "own").card.caveats) == 2
    command("report", tmp_path / "root" / "own")
    assert "to 2 decimal digits" in (tmp_path / "root" / "own" / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        (U, {"compression": "gzip", "shuffle": True, "fletcher32": True}, None),
        (U, {"compression": "lzf"}, None),
        (U.astype("i4"), {"scaleoffset": True}, None),
        (U.astype("i4"), {"scaleoffset": 5}, "stored through the filter scale-offset in 5 bits"),
        (U, {"scaleoffset": 4}, "rounded by the filter scale-offset to 4 decimal digits"),
        (U, {"compression": 32013, "allow_unknown_filter": True}, "stored through the filter zfp, which may round"),
    ],
)
def test_only_a_filter_that_may_lose_something_is_told(tmp_path, values, options, words):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        shape = None if "allow_unknown_filter" in options else values
        dataset = file.create_dataset("u", values.shape, values.dtype, data=shape, chunks=(1, 1, 4), **options)
        assert losses(dataset) == ((words,) if words else ())


def test_a_file_that_is_gone_has_no_caveats(tmp_path):
    recipe = make(Recipe, TABLES, "own.toml")
    path = write(tmp_path / "a.h5")
    files = find_inputs(recipe, path)
    path.unlink()
    assert caveats(recipe, files) == ()
