"""PDEGym: values against plain h5py, and what its files do not tell held to physics."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.catalogue import find_recipe
from ingest.recipe import Recipe, RecipeField
from ingest.sources import pdegym
from shards.schema import Boundary

SAMPLE = Path(__file__).parents[3].parent / "shared" / "samples" / "pdegym" / "CE-RM.nc"
N, T, C, X, Y = 3, 4, 5, 6, 8
RECIPE = find_recipe("pdegym_ce_rm")


def values() -> np.ndarray:
    """[N, T, C, X, Y]: periodic waves, density and pressure positive."""
    n, t, c, x, y = np.meshgrid(*(np.arange(length) for length in (N, T, C, X, Y)), indexing="ij")
    wave = np.sin(2 * np.pi * (x / X + y / Y) + t + c + n)
    return (wave + 2 * np.isin(c, (0, 3))).astype("f4")


def write(path: Path, data: np.ndarray, name: str = "solution") -> Path:
    """As NetCDF4 writes it: bare dimensions beside the variable."""
    dimensions = ("sample", "time", "channel", "x", "y")
    with h5py.File(path, "w") as file:
        file.attrs["_NCProperties"] = np.bytes_("version=2")
        for number, (dimension, length) in enumerate(zip(dimensions, data.shape, strict=True)):
            scale = file.create_dataset(dimension, shape=(length,), dtype=">f4")
            scale.make_scale(f"This is a netCDF dimension but not a netCDF variable.{length:10d}")
            scale.attrs["_Netcdf4Dimid"] = np.int32(number)
        file.create_dataset(name, data=data, chunks=(1, 1, *data.shape[2:]))
        for number, dimension in enumerate(dimensions):
            file[name].dims[number].attach_scale(file[dimension])
    return path


def example(folder: Path) -> tuple[Path, Recipe]:
    """A file and its recipe, for the contract that all sources keep."""
    return write(folder / "CE-RM.nc", values()), RECIPE


@pytest.fixture
def tiny(tmp_path) -> Path:
    return example(tmp_path)[0]


def test_channels_are_what_the_recipe_calls_them(tiny, read_all):
    with pdegym.open_file(tiny, RECIPE) as file:
        assert file.schema.channels == ("density", "velocity_x", "velocity_y", "pressure", "tracer")
        assert file.schema.boundaries == ((Boundary.PERIODIC,) * 2,) * 2
        assert file.rows[2].time == tuple(np.linspace(0, 2, T))
        assert np.allclose(file.schema.grid.coordinates[1], (np.arange(Y) + 0.5) / Y)
    np.testing.assert_array_equal(np.stack(read_all(tiny, RECIPE)), values())


@pytest.mark.skipif(not SAMPLE.exists(), reason="the larger sample set is not next to the repository")
def test_the_sample_reads_as_h5py_reads_it(read_all):
    four = replace(RECIPE, fields=RECIPE.fields[:-1])
    with h5py.File(SAMPLE, locking=False) as raw:
        np.testing.assert_array_equal(np.stack(read_all(SAMPLE, four)), raw["solution"])
    with pdegym.open_file(SAMPLE, four) as file:
        assert file.boundary(1).shape == (48, 48)


def test_a_channel_that_the_recipe_passes_over_is_refused(tiny, refusal):
    assert "holds 5 channels, the recipe takes [0, 1, 2, 3]" in refusal(
        tiny, replace(RECIPE, fields=RECIPE.fields[:-1])
    )


def test_a_channel_that_the_file_lacks_is_refused(tmp_path, refusal):
    assert "no channel 4" in refusal(write(tmp_path / "CE-RM.nc", values()[:, :, :4]), RECIPE)


def test_a_variable_of_another_name_is_another_set(tmp_path, refusal):
    message = refusal(write(tmp_path / "CE-KH.nc", values(), "data"), RECIPE)
    assert "lacks solution and has in addition to the recipe data" in message


def test_a_dimension_is_no_coordinate(tiny, refusal):
    fields = (*RECIPE.fields, RecipeField("x"))
    assert "lacks x" in refusal(tiny, replace(RECIPE, fields=fields))
    assert "no dataset or group path" in refusal(tiny, replace(RECIPE, scalars={"x": "path@x"}))
    assert "/x: a NetCDF dimension without values" in refusal(tiny, replace(RECIPE, scalars={"x": "x"}))


def test_channels_in_another_order_show_in_their_signs(tmp_path, refusal):
    message = refusal(write(tmp_path / "CE-RM.nc", values()[:, :, ::-1]), RECIPE)
    assert "density has 96 values <= 0" in message
    assert "channels in another order" in message


def test_a_failed_run_is_one_row_and_not_the_file(tmp_path):
    data = values()
    data[1] = 0
    with pdegym.open_file(write(tmp_path / "CE-RM.nc", data), RECIPE) as file:
        assert file.frames(0, 0, T).all()
        with pytest.raises(OSError, match="row 1: "):
            file.frames(1, 0, T)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_seam_that_jumps_is_not_periodic(tmp_path, axis):
    data = values()
    ramp = np.arange(data.shape[3 + axis], dtype="f4")
    data += ramp[:, None] if axis == 0 else ramp
    words = f"one end of axis {'xy'[axis]} to the other"
    path = write(tmp_path / "CE-RM.nc", data)
    with pytest.raises(OSError, match=words), pdegym.open_file(path, RECIPE) as file:
        file.boundary(0)


def test_a_part_beside_the_whole_would_be_every_row_twice(tiny, refusal):
    part = write(tiny.with_name("solution_0.nc"), values())
    assert "a part next to CE-RM.nc" in refusal(part, RECIPE)
    tiny.unlink()
    with pdegym.open_file(part, RECIPE) as file:
        assert len(file.rows) == N


def test_the_recipe_splits_by_row():
    assert pdegym.split(Path("train/CE-RM.nc")) is None
    assert [round(1260 * share) for share in (RECIPE.split.valid, RECIPE.split.test)] == [100, 130]
