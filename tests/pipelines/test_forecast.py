"""walrus-forecast: the frames that follow, as files that xarray, netCDF4, zarr and h5py read."""

import resource
from contextlib import chdir
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
import torch
import xarray
from PIL import Image, ImageSequence
from typer.testing import CliRunner

from pipelines.forecast import app
from pipelines.forecast_file import ForecastFrame, ForecastMetadata, write_forecast
from pipelines.forecasting import window_of
from shards.errors import ShardError
from walrus.api import load, rollout, stored
from walrus.checkpoint import ModelDescription, save_model
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.vocabulary import PUBLISHED

ACOUSTICS = "acoustic_scattering_discontinuous"
SETTINGS = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=1, branch_scale=1.0)
CHANNELS = ("pressure", "velocity_x", "velocity_y")


def saved(folder, factor=1.0):
    torch.manual_seed(0)
    description = ModelDescription(SETTINGS, PUBLISHED.names, 4, 3, 1e-5, True, 1, 0, (ACOUSTICS,))
    network = Walrus(SETTINGS, 67)
    with torch.no_grad():
        for decoder in network.decoders.values():
            decoder.second *= factor
    save_model(folder, description, network.state_dict())
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def expected(root, checkpoint):
    """Six steps after frames 3 to 6 of the second trajectory [T, C, X, Y], by the Python interface."""
    window = stored(root / ACOUSTICS, "test", 1, 3, 4)
    return np.stack(list(rollout(load(checkpoint), window, 6)))


def forecast(checkpoint, start, out, *options, steps=6):
    arguments = [checkpoint, start, "--out", out, "--steps", steps, "--trajectory", 1, "--first", 3, *options]
    return CliRunner().invoke(app, list(map(str, arguments)))


def opened(path):
    return xarray.open_zarr(path, consolidated=False) if path.suffix == ".zarr" else xarray.open_dataset(path)


@pytest.mark.parametrize("suffix", [".nc", ".h5", ".zarr"])
def test_a_file_of_each_kind_holds_the_frames_times_and_cells(root, checkpoint, expected, tmp_path, suffix):
    out = tmp_path / f"forecast{suffix}"
    done = forecast(checkpoint, root / ACOUSTICS, out)
    assert done.exit_code == 0, done.stderr
    assert "6 steps after acoustic_scattering_discontinuous, test/" in done.stdout
    found = opened(out)
    for number, name in enumerate(CHANNELS):
        assert found[name].dims == ("time", "x", "y")
        np.testing.assert_array_equal(found[name], expected[:, number])
    truth = xarray.open_dataset(root / ACOUSTICS, engine=engine(), split="test")
    np.testing.assert_allclose(found.time, truth.time[7:13], rtol=1e-6)
    np.testing.assert_array_equal(found.x, truth.x)
    np.testing.assert_array_equal(found.y_width, truth.y_width)
    assert found.attrs["Conventions"].startswith("CF-1")
    assert found.attrs["initial_frames"].startswith("4 frames, time ")
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name]


def engine():
    from shards.xarray_backend import WalrusBackendEntrypoint

    return WalrusBackendEntrypoint


def test_netcdf_and_hdf5_libraries_read_it(root, checkpoint, expected, tmp_path):
    forecast(checkpoint, root / ACOUSTICS, tmp_path / "a.nc")
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        assert file.data_model == "NETCDF4"
        assert file["pressure"].long_name == "forecast of pressure"
        assert file["x"].axis == "X"
    with h5py.File(tmp_path / "a.nc") as file:
        np.testing.assert_array_equal(file["velocity_x"][()], expected[:, 1])
        assert file["velocity_x"].chunks == (1, 64, 48)


def test_a_file_with_its_recipe_needs_no_build(root, samples, checkpoint, expected, tmp_path):
    (path,) = (samples / "well" / ACOUSTICS / "data" / "test").glob("*.hdf5")
    done = forecast(checkpoint, path, tmp_path / "a.nc", "--recipe", ACOUSTICS)
    assert done.exit_code == 0, done.stderr
    found = opened(tmp_path / "a.nc")
    np.testing.assert_array_equal(np.stack([found[name] for name in CHANNELS], 1), expected)
    window, built = window_of(path, ACOUSTICS, 1, 3, 4), stored(root / ACOUSTICS, "test", 1, 3, 4)
    np.testing.assert_array_equal(window.frames_TCS, built.frames_TCS)
    np.testing.assert_array_equal(window.cells_S, built.cells_S)


def test_an_ensemble_has_mean_and_spread(root, checkpoint, expected, tmp_path):
    done = forecast(checkpoint, root / ACOUSTICS, tmp_path / "a.zarr", "--ensemble", 3)
    assert done.exit_code == 0, done.stderr
    model, window = load(checkpoint), stored(root / ACOUSTICS, "test", 1, 3, 4)
    draws = [expected]
    for seed in (1, 2):
        other = replace(model, model=replace(model.model, seed=seed))
        draws.append(np.stack(list(rollout(other, window, 6))))
    found = opened(tmp_path / "a.zarr")
    assert found.pressure.attrs["ancillary_variables"] == "pressure_spread"
    for number, name in enumerate(CHANNELS):
        of_all = np.stack(draws)[:, :, number].astype("f8")
        np.testing.assert_allclose(found[name], of_all.mean(0), rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(found[f"{name}_spread"], of_all.std(0, ddof=1), rtol=1e-5, atol=1e-9)
    assert found.pressure_spread.max() > 0


def test_the_trend_may_take_the_place_of_the_network(root, checkpoint, tmp_path):
    out = tmp_path / "a.nc"
    done = forecast(checkpoint, root / ACOUSTICS, out, "--trend", 1, steps=2)
    assert done.exit_code == 0, done.stderr
    window = stored(root / ACOUSTICS, "test", 1, 3, 4)
    whole = rollout(load(checkpoint, trend_share=1.0), window, 2)
    found = opened(out)
    assert found.attrs["share_of_the_trend"] == 1
    for name, expected_TXY in zip(CHANNELS, np.stack(list(whole), 1), strict=True):
        np.testing.assert_array_equal(found[name], expected_TXY)
    # The network is without effect then: one of other weights gives the same.
    other = list(rollout(load(saved(tmp_path / "other", 3.0), trend_share=1.0), window, 2))
    np.testing.assert_array_equal(found.pressure, np.stack(other)[:, 0])


def test_a_film_has_a_picture_per_step(root, checkpoint, tmp_path):
    out = tmp_path / "films" / "a.gif"
    done = forecast(checkpoint, root / ACOUSTICS, tmp_path / "a.nc", "--gif", out)
    assert done.exit_code == 0, done.stderr
    with Image.open(out) as film:
        assert film.n_frames == 6
        pictures = [np.array(picture.convert("RGB")) for picture in ImageSequence.Iterator(film)]
    assert all((one != other).any() for one, other in pairwise(pictures))


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_a_field_that_leaves_finite_numbers_ends_it_in_one_sentence(root, tmp_path, suffix):
    wild = saved(tmp_path / "wild", 1e18)
    out = tmp_path / f"a{suffix}"
    done = forecast(wild, root / ACOUSTICS, out, "--change", 0, "inf", steps=9)
    assert done.exit_code == 1
    *notes, _ = done.stderr.splitlines()
    assert all(line.startswith("note: ") for line in notes)
    steps = opened(out).sizes["time"]
    assert (
        f"became infinite or not a number in step {steps + 1} of 9; {out} has the {steps} steps before"
        in done.stderr
    )
    assert 0 < steps < 9
    assert all(np.isfinite(opened(out)[name]).all() for name in CHANNELS)


def test_what_cannot_be_is_refused_and_leaves_no_file(root, samples, checkpoint, tmp_path):
    with chdir(tmp_path):
        for start, out, options, words in [
            (root / ACOUSTICS, "a.nc", ("--first", 22), "no frames 22 to 25 of test trajectory 1"),
            (root / "nothing", "a.nc", (), "does not exist"),
            (samples / "nothing.h5", "a.nc", ("--recipe", ACOUSTICS), "no such file"),
            (root / "shear_flow" / "card.json", "a.nc", ("--recipe", ACOUSTICS), "card.json"),
        ]:
            done = forecast(checkpoint, start, out, *options)
            assert done.exit_code == 1, (start, out, done.stdout)
            assert words in done.stderr
            assert len(done.stderr.splitlines()) == 1
        assert list(Path().iterdir()) == []
        remote = forecast(checkpoint, root / ACOUSTICS, "s3://bucket/a.nc")
        assert remote.exit_code == 2
        assert "is a URL" in remote.stderr
        assert list(Path().iterdir()) == []


def test_a_file_that_cannot_be_written_is_refused_before_the_model_is_loaded(root, tmp_path):
    with chdir(tmp_path):
        Path("there.zarr").mkdir()
        Path("taken").touch()
        for out, options, words in [
            ("a.txt", (), "a.txt: found .txt; expected one of .nc"),
            ("a.nc", ("--gif", "a.png"), "a.png: found .png; expected .gif"),
            ("there.zarr", (), "there.zarr: exists already; name another file, or remove it"),
            ("taken/a.nc", (), "taken: cannot be written"),
            ("a.nc", ("--gif", "taken/a.gif"), "choose another folder (--gif)"),
        ]:
            done = forecast("no-model", root / ACOUSTICS, out, *options)
            assert done.exit_code == 1
            assert words in done.stderr
        assert sorted(Path().rglob("*")) == [Path("taken"), Path("there.zarr")]


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_a_step_is_written_before_the_next_is_computed_and_a_stop_leaves_nothing(root, tmp_path, suffix):
    window = stored(root / ACOUSTICS, "test", 0, 0, 4)
    metadata = ForecastMetadata(window.schema, (1.0, 2.0, 3.0), 1, {})

    def frames():
        yield ForecastFrame(window.frames_TCS[0], None)
        assert [path.name.startswith(".tmp-") for path in tmp_path.iterdir()] == [True]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_forecast(tmp_path / f"a{suffix}", metadata, frames())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".nc", ".h5", ".zarr"])
def test_a_disk_that_fails_between_two_steps_says_why(root, tmp_path, suffix):
    window = stored(root / ACOUSTICS, "test", 0, 0, 4)
    metadata = ForecastMetadata(window.schema, (1.0, 2.0), 1, {})
    noise = np.random.default_rng(0).normal(size=window.frames_TCS[0].shape).astype("f4")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def frames():
        yield ForecastFrame(noise, None)
        # From here on no file takes more than a kilobyte, as with a quota.
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
        yield ForecastFrame(2 * noise, None)

    try:
        with pytest.raises(ShardError, match=f"a{suffix}: cannot write: File too large"):
            write_forecast(tmp_path / f"a{suffix}", metadata, frames())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
