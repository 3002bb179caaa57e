"""What is no fault of a file and yet to be known is told at plan and build, and stands in the card."""

import json
import shutil
from pathlib import Path

import google_crc32c
import h5py
import numpy as np
import pytest
import xarray
import zarr
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec

from ingest.building.caveats import caveats
from ingest.building.inputs import find_inputs
from ingest.formats.hdf5_storage import losses
from ingest.formats.open_any import located, open_arrays
from ingest.recipe import Recipe
from shards.errors import SourceError
from shards.program.settings import dump_toml, make
from shards.read import Dataset

TABLES = {
    "name": "own",
    "source": "arrays",
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
    """u in one chunk per frame; a parameter that is zero throughout, of which zarr stores no chunk."""
    group = zarr.create_group(path, zarr_format=zarr_format)
    group.create_array("u", data=u, chunks=(1, 1, 4), **options)
    group.create_array("nu", data=np.zeros(2), chunks=(2,))
    return path


def told(start: Path) -> tuple[str, ...]:
    recipe = make(Recipe, TABLES, "own.toml")
    return caveats(recipe, find_inputs(recipe, start))


NU = "nu: 1 of 1 chunks are absent ({}0) and read as the fill value 0.0"


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_chunks_that_are_absent_are_counted(tmp_path, zarr_format):
    marker, nu = (".zgroup", NU.format("")) if zarr_format == 2 else ("zarr.json", NU.format("c/"))
    assert told(store(tmp_path / "whole.zarr", zarr_format)) == (f"whole.zarr/{marker}: {nu}",)
    path = store(tmp_path / "part.zarr", zarr_format)
    names = ("0.5.0", "1.2.0") if zarr_format == 2 else ("c/0/5/0", "c/1/2/0")
    for name in names:
        (path / "u" / name).unlink()
    part = f"u: 2 of 12 chunks are absent ({', '.join(names)}) and read as the fill value 0.0"
    assert told(path) == (f"part.zarr/{marker}: {nu}", f"part.zarr/{marker}: {part}")


def test_a_chunk_that_is_absent_and_read_as_no_number_is_named_by_inspect_draft_and_build(tmp_path, command):
    path = tmp_path / "hole.zarr"
    data = xarray.Dataset(
        {"u": (("run", "time", "x"), U.astype("f4"))}, {"time": np.arange(U.shape[1]) * 0.5}
    )
    data.assign_coords(x=np.arange(4.0)).to_zarr(
        path, zarr_format=2, consolidated=False, encoding={"u": {"chunks": (1, 1, 4), "_FillValue": np.nan}}
    )
    (path / "u" / "1.2.0").unlink()
    words = "u: 1 of 12 chunks are absent (1.2.0) and read as no number, the fill value nan"
    draft = tmp_path / "own.toml"
    assert f"note         {words}" in command("inspect", path, "--recipe", draft).output
    text = draft.read_text()
    assert f'name = "u"  # CHECK: {words.removeprefix("u: ")}' in text
    assert "[mask]" not in text
    draft.write_text(text.replace("# x = [", "x = ["))
    result = command("build", draft, "--from", path, "--to", tmp_path / "data", "--workers", 1)
    assert result.exit_code == 3
    assert f"row 1: u is not finite in frame 2; {words}" in result.output


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_field_without_one_chunk_is_refused(tmp_path, command, zarr_format):
    path = store(tmp_path / "none.zarr", zarr_format, u=np.zeros_like(U))
    recipe = tmp_path / "own.toml"
    recipe.write_text(dump_toml(TABLES))
    result = command("plan", recipe, "--from", path, "--to", tmp_path)
    assert result.exit_code == 1
    assert ":u: has no chunks, so every value would be the fill value; fetch the store" in result.stderr


def test_chunks_of_a_zip_are_counted_like_those_of_a_folder(tmp_path):
    folder = store(tmp_path / "a", 3)
    (folder / "u" / "c" / "1" / "2" / "0").unlink()
    shutil.make_archive(str(tmp_path / "b.zarr"), "zip", folder)
    assert "u: 1 of 12 chunks are absent" in told(tmp_path / "b.zarr.zip")[1]


def test_a_shard_that_is_absent_counts_with_all_its_chunks(tmp_path):
    path = store(tmp_path / "a.zarr", 3, shards=(1, 4, 4))
    (path / "u" / "c" / "1" / "0" / "0").unlink()
    assert "u: 4 of 12 chunks are absent" in told(path)[1]
    (path / "u" / "c" / "0" / "1" / "0").unlink()
    assert "u: 6 of 12 chunks are absent" in told(path)[1]


def sharded(path: Path, location: str = "end", order: str = "little") -> Path:
    """u in shards of four frames, the last one half outside the array, without two chunks that were never
    written.
    """
    group = zarr.create_group(path)
    index_codecs = [BytesCodec(endian=order), Crc32cCodec()]
    sharding = ShardingCodec(chunk_shape=(1, 1, 4), index_codecs=index_codecs, index_location=location)
    options = {"fill_value": 7.0, "codecs": [sharding], "config": {"write_empty_chunks": True}}
    u = zarr.create(store=path, path="u", shape=U.shape, chunks=(1, 4, 4), dtype="f4", **options)
    for row, frames in ((0, slice(0, 3)), (0, slice(4, 6)), (1, slice(0, 5))):
        u[row, frames] = U[row, frames]
    group.create_array("nu", data=np.ones(2), chunks=(2,))
    return path


@pytest.mark.parametrize(("location", "order"), [("end", "little"), ("start", "little"), ("end", "big")])
@pytest.mark.parametrize("zipped", [False, True])
def test_chunks_that_are_absent_inside_a_shard_are_counted_like_absent_files(
    tmp_path, location, order, zipped
):
    path = sharded(tmp_path / "a.zarr", location, order)
    if zipped:
        path = Path(shutil.make_archive(str(tmp_path / "b.zarr"), "zip", path))
    (words,) = told(path)
    assert words.endswith(": u: 2 of 12 chunks are absent and read as the fill value 7.0")
    with open_arrays(located(path)) as arrays:
        values = arrays.array("u").slab(slice(None), slice(None), slice(None))
    assert [tuple(place) for place in np.argwhere((values == 7).all(axis=2))] == [(0, 3), (1, 5)]


def test_chunks_beyond_the_end_of_an_array_that_was_shortened_stand_for_no_absent_one(tmp_path):
    path = sharded(tmp_path / "a.zarr")
    zarr.open_group(path)["u"].resize((2, 5, 4))
    assert "u: 1 of 10 chunks are absent" in told(path)[0]


def with_entry(shard: Path, slot: int, start: int | None, size: int) -> None:
    """Overwrites the place and the size of a chunk in the index; its place stays where `start` is None."""
    content = shard.read_bytes()
    index = np.frombuffer(content[-68:-4], "<u8").reshape(4, 2).copy()
    index[slot] = index[slot, 0] if start is None else start, size
    checksum = google_crc32c.value(index.tobytes()).to_bytes(4, "little")
    shard.write_bytes(content[:-68] + index.tobytes() + checksum)


def test_a_chunk_without_bytes_is_damage_for_every_zarr(tmp_path):
    path = sharded(tmp_path / "a.zarr")
    with_entry(path / "u" / "c" / "0" / "0" / "0", 0, None, 0)
    assert "u: 2 of 12 chunks are absent" in told(path)[0]
    with open_arrays(located(path)) as arrays, pytest.raises(SourceError, match="u/c/0/0/0 is cut short"):
        arrays.array("u").slab(0, 0, slice(None))


@pytest.mark.parametrize(("start", "size"), [(10**9, 16), (2**64 - 17, 16), (0, 2**64 - 1), (0, 10**9)])
def test_a_chunk_that_ends_behind_its_shard_is_damage_and_not_absent(tmp_path, start, size):
    path = sharded(tmp_path / "a.zarr")
    with_entry(path / "u" / "c" / "0" / "0" / "0", 1, start, size)
    with open_arrays(located(path)) as arrays, pytest.raises(SourceError, match="u/c/0/0/0 is cut short"):
        arrays.array("u").slab(0, slice(0, 2), slice(None))


def test_a_field_whose_shards_hold_not_one_chunk_is_refused(tmp_path, command):
    path = sharded(tmp_path / "a.zarr")
    empty = b"\xff" * 64
    for shard in (path / "u" / "c").glob("*/*/*"):
        shard.write_bytes(empty + google_crc32c.value(empty).to_bytes(4, "little"))
    recipe = tmp_path / "own.toml"
    recipe.write_text(dump_toml(TABLES))
    result = command("plan", recipe, "--from", path, "--to", tmp_path)
    assert result.exit_code == 1
    assert ":u: has no chunks" in result.stderr


def test_a_shard_cut_short_is_left_to_who_reads_it(tmp_path):
    path = sharded(tmp_path / "a.zarr")
    shard = path / "u" / "c" / "0" / "0" / "0"
    shard.write_bytes(shard.read_bytes()[:50])
    assert "u: 1 of 12 chunks are absent" in told(path)[0]
    with open_arrays(located(path)) as arrays, pytest.raises(SourceError, match="damaged"):
        arrays.array("u").slab(0, slice(1, 2), slice(None))


QUANTIZED = {
    "_QuantizeBitGroomNumberOfSignificantDigits": "rounded to 3 significant digits by BitGroom",
    "_QuantizeGranularBitRoundNumberOfSignificantDigits": (
        "rounded to 3 significant digits by GranularBitRound"
    ),
    "_QuantizeBitRoundNumberOfSignificantBits": "rounded to 3 significant bits by BitRound",
    "least_significant_digit": "rounded to 3 decimal digits (least_significant_digit)",
}


@pytest.mark.parametrize(("name", "words"), QUANTIZED.items())
def test_an_attribute_that_says_that_values_were_rounded_is_told(tmp_path, name, words):
    with h5py.File(write(tmp_path / "a.h5"), "r+") as file:
        # NetCDF writes a list of one.
        file["u"].attrs[name] = np.array([3], "i4")
        file["u"].attrs["units"] = "m"
    assert told(tmp_path / "a.h5") == (f"a.h5: u: {words}",)
    path = store(tmp_path / "b.zarr", 3)
    zarr.open_group(path)["u"].attrs[name] = 3
    assert f"b.zarr/zarr.json: u: {words}" in told(path)


def test_an_attribute_of_a_strange_type_hides_nothing(tmp_path):
    with h5py.File(write(tmp_path / "a.h5", scaleoffset=3), "r+") as file:
        file["u"].attrs["_QuantizeBitGroomNumberOfSignificantDigits"] = "some"
    assert told(tmp_path / "a.h5") == (
        "a.h5: u: rounded by the filter scale-offset to 3 decimal digits",
        "a.h5: u: rounded to some significant digits by BitGroom",
    )


@pytest.mark.parametrize(
    ("stored", "asked", "rounds"),
    [("f8", "float32", True), ("f8", "source", False), ("f4", "float32", False), ("i4", "float32", False)],
)
def test_float64_that_a_recipe_asks_to_be_float32_is_told(tmp_path, stored, asked, rounds):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["u"] = U.astype(stored)
        file["nu"] = np.zeros(2)
    recipe = make(Recipe, TABLES | {"dtype": asked}, "own.toml")
    words = caveats(recipe, find_inputs(recipe, tmp_path / "a.h5"))
    assert [each.startswith("a.h5: rounded from float64 to float32") for each in words] == [True] * rounds


def write(path: Path, **options: object) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("u", data=U, chunks=(1, 1, 4), **options)
        file.create_dataset("spare", data=U, chunks=(1, 1, 4), scaleoffset=1)
        file["nu"] = np.zeros(2)
    return path


def test_a_filter_that_rounds_is_told_at_plan_and_build_and_stands_in_the_card(tmp_path, command):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.h5", scaleoffset=3)
    with h5py.File(tmp_path / "b.h5", "r+") as file:
        file.attrs["run"] = 2
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
        (
            U,
            {"compression": 32013, "allow_unknown_filter": True},
            "stored through the filter zfp, which may round",
        ),
    ],
)
def test_only_a_filter_that_may_lose_something_is_told(tmp_path, values, options, words):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        shape = None if "allow_unknown_filter" in options else values
        dataset = file.create_dataset(
            "u", values.shape, values.dtype, data=shape, chunks=(1, 1, 4), **options
        )
        assert losses(dataset) == ((words,) if words else ())


def test_a_file_that_is_gone_has_no_caveats(tmp_path):
    recipe = make(Recipe, TABLES, "own.toml")
    path = write(tmp_path / "a.h5")
    files = find_inputs(recipe, path)
    path.unlink()
    assert caveats(recipe, files) == ()


def test_files_outside_of_the_folders_of_splits_are_named(tmp_path):
    for name in ("train/a.h5", "b.h5", "more/c.h5"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        with h5py.File(path, "w") as file:
            file["u"], file["nu"] = U, np.zeros(2)
    (words,) = told(tmp_path)
    assert (
        words
        == "b.h5 and 1 more file: no folder states a split, as that of other files does: the shares decide"
    )
    (tmp_path / "train" / "a.h5").unlink()
    assert told(tmp_path) == ()
