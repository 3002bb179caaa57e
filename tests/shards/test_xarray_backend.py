"""A dataset through xarray: physical values by name, from both packagings, folders and URLs."""

import os
import pickle
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray
import zarr

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.catalogue import find_recipe
from shards.errors import SettingsError, ShardError
from shards.read import Dataset
from shards.xarray_backend import WalrusBackendEntrypoint

KEY = "acoustic_scattering_discontinuous_chunk_0"
WALRUS = WalrusBackendEntrypoint


@pytest.fixture(params=["zarr", "webdataset"])
def opened(request, pristine):
    return xarray.open_dataset(pristine[request.param], engine=WALRUS)


def test_variables_are_the_components_in_physical_units(opened, raw):
    names = ["pressure", "velocity_x", "velocity_y", "zeros_like_density", "speed_of_sound", "boundary"]
    assert list(opened.data_vars) == names
    for row in (0, 1):
        for channel, name in enumerate(names[:3]):
            assert opened[name].dims == ("trajectory", "time", "x", "y")
            np.testing.assert_array_equal(opened[name][row], raw(row).frames[:, channel])
        for channel, name in enumerate(names[3:5]):
            assert opened[name].dims == ("trajectory", "x", "y")
            np.testing.assert_array_equal(opened[name][row], raw(row).static[channel])
    assert opened.pressure.dtype == "f4"
    assert opened.boundary.dtype == "u1"
    assert set(np.unique(opened.boundary)) == {0, 1, 2, 3}


def test_coordinates_are_labels_cells_and_parameters(opened, raw):
    np.testing.assert_array_equal(opened.time, raw(0).time)
    np.testing.assert_array_equal(opened.x, raw(0).x)
    np.testing.assert_allclose(opened.x_width, 2 / 64)
    assert list(opened.trajectory.values) == [f"valid/{KEY}-00000", f"valid/{KEY}-00001"]
    assert set(opened.split.values) == {"valid"}
    assert opened.x.attrs["boundary"] == "wall, open"
    assert opened.y.attrs["boundary"] == "wall, open"
    assert opened.attrs["licence"]
    chosen = opened.pressure.sel(trajectory=f"valid/{KEY}-00001")
    np.testing.assert_array_equal(chosen, raw(1).frames[:, 0])


@pytest.mark.parametrize(
    "key",
    [
        (0, 3),
        (slice(None), slice(20, 2, -7), 5),
        (1, slice(3, 4), slice(None, None, -3), slice(1, 2)),
        ([1, 0], [5, 2, 2], slice(4), [7]),
        (slice(2, 2), 1),
        (-1, -1, -1, -1),
        (slice(None), slice(5, 5)),
    ],
)
def test_every_way_to_index_gives_what_numpy_gives(opened, raw, key):
    whole = xarray.DataArray(np.stack([raw(row).frames[:, 2] for row in (0, 1)]), dims=opened.velocity_y.dims)
    np.testing.assert_array_equal(opened.velocity_y[key], whole[key])


def test_dask_reads_a_shard_at_a_time(pristine, raw):
    opened = xarray.open_dataset(pristine["zarr"], engine=WALRUS, chunks={})
    assert opened.pressure.chunks == ((1, 1), (5, 5, 5, 5, 4), (64,), (48,))
    mean = opened.pressure.mean(("x", "y")).compute()
    expected = np.stack([raw(row).frames[:, 0].mean((1, 2), dtype="f8") for row in (0, 1)])
    np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-6)


def test_nothing_is_read_before_it_is_asked_for(pristine, monkeypatch):
    monkeypatch.setattr(Dataset, "read_frames", None)
    opened = xarray.open_dataset(pristine["zarr"], engine=WALRUS)
    monkeypatch.undo()
    again = pickle.loads(pickle.dumps(opened))
    assert np.isfinite(again.pressure[0, 0]).all()


def test_a_split_may_be_chosen_and_variables_dropped(root):
    folder = root / "shear_flow"
    whole = xarray.open_dataset(folder, engine=WALRUS)
    part = xarray.open_dataset(folder, engine=WALRUS, split="test", drop_variables=["tracer", "nothing"])
    assert whole.sizes["trajectory"] == len(Dataset(folder).index.trajectories)
    assert set(part.split.values) == {"test"}
    assert "tracer" not in part
    chosen = whole.pressure[whole.split.values == "test"]
    np.testing.assert_array_equal(chosen, part.pressure)
    assert whole.Reynolds.dims == ("trajectory",)
    with pytest.raises(SettingsError, match="split valid2: expected train, valid, test; did you mean valid"):
        xarray.open_dataset(folder, engine=WALRUS, split="valid2")


RECIPE = """
name = "uneven"
source = "arrays"
title = "Two runs of unequal length"
axes = ["x", "y"]
layout = "t x y"
[[fields]]
name = "u"
unit = "m/s"
[time]
stored = "t"
[coordinates]
x = { stored = "x" }
y = { stored = "y" }
[boundaries]
x = ["periodic", "periodic"]
y = ["wall", "open"]
[split]
train = 1.0
valid = 0.0
test = 0.0
"""


@pytest.fixture
def uneven(tmp_path) -> Path:
    """Two trajectories of 4 and 6 frames."""
    for number, frames in enumerate((4, 6)):
        with h5py.File(tmp_path / f"runs{number}.h5", "w") as file:
            file["u"] = np.random.default_rng(number).normal(size=(frames, 8, 6)).astype("f4")
            file["t"] = np.arange(frames) * (1.0 + number)
            file["x"], file["y"] = np.arange(8.0), np.arange(6.0)
    (tmp_path / "uneven.toml").write_text(RECIPE)
    plan = plan_build(find_recipe(str(tmp_path / "uneven.toml")), tmp_path, "zarr", "lz4")
    return build(plan, tmp_path / "root", Resources(1)).folder


def test_unequal_lengths_are_padded_and_told_or_a_tree(tmp_path, uneven):
    opened = xarray.open_dataset(uneven, engine=WALRUS)
    assert opened.sizes["time"] == 6
    assert "beyond `frames` all values are NaN" in opened.attrs["padding"]
    assert list(opened.frames) == [4, 6]
    assert np.isnan(opened.u[0, 4:]).all()
    assert np.isfinite(opened.u[0, :4]).all()
    assert "time" not in opened.coords
    assert (opened.x.attrs["boundary"], opened.y.attrs["boundary"]) == ("periodic, periodic", "wall, open")
    assert opened.u.attrs["units"] == "m/s"
    np.testing.assert_array_equal(opened.trajectory_time[0], [0, 1, 2, 3, np.nan, np.nan])
    tree = xarray.open_datatree(uneven, engine=WALRUS)
    groups = list(tree["train"].children.values())
    assert [group.sizes["time"] for group in groups] == [4, 6]
    np.testing.assert_array_equal(groups[0].u, opened.u[0, :4])


def test_a_url_gives_what_the_folder_gives(pristine, served, opened, tmp_path):
    url = f"{served(pristine['zarr'].parent)}/{pristine['zarr'].name}"
    code = f"""
import numpy, xarray
from shards.xarray_backend import WalrusBackendEntrypoint
opened = xarray.open_dataset({url!r}, engine=WalrusBackendEntrypoint)
numpy.save({str(tmp_path / "pressure.npy")!r}, opened.pressure[1, 3:7])
"""
    cache = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", code], check=True, env=cache)
    np.testing.assert_array_equal(np.load(tmp_path / "pressure.npy"), opened.pressure[1, 3:7])


def test_what_is_no_dataset_is_said_in_one_line(tmp_path):
    with pytest.raises(ShardError, match="does not exist"):
        xarray.open_dataset(tmp_path / "nothing", engine=WALRUS)
    with pytest.raises(SettingsError, match="expected a folder or a URL"):
        WALRUS().open_dataset(3)


def test_the_engine_has_its_name_and_finds_its_folders(pristine, tmp_path):
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    module, name = project["project"]["entry-points"]["xarray.backends"]["walrus"].split(":")
    assert getattr(import_module(module), name) is WALRUS
    assert WALRUS().guess_can_open(pristine["webdataset"])
    assert not WALRUS().guess_can_open(tmp_path)
    assert not WALRUS().guess_can_open("https://example.org/shear_flow")


def test_dataset_and_splits_are_zarr_groups(root):
    dataset = zarr.open_group(root / "shear_flow", mode="r")
    assert sorted(dataset.group_keys()) == ["test", "train", "valid"]
    assert dataset.attrs["title"].startswith("Shear flow")
    trajectory = next(iter(dataset["train"].groups()))[1]
    fields = trajectory["fields"]
    opened = xarray.open_dataset(root / "shear_flow", engine=WALRUS, split="train")
    for number, name in enumerate(fields.attrs["channels"]):
        values = fields[:, number] * np.float32(fields.attrs["scale"][number])
        np.testing.assert_array_equal(values, opened[name].sel(trajectory=f"train/{trajectory.basename}"))
