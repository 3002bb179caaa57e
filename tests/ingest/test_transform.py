"""Transforms: exact on arrays, loud where a value has no logarithm, and the same for build, moments and
verify.
"""

import h5py
import numpy as np
import pytest

from ingest.building.build import build as build_plan
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.building.verify import source_faults
from ingest.catalogue import find_recipe
from ingest.transform import apply, transform_fault
from shards.errors import SourceError
from shards.read import Dataset

RECIPE = """
name = "waves"
source = "well"
title = "Waves, their height in decades"
axes = ["x", "y"]
[[fields]]
name = "log10_height"
stored = ["height"]
transform = "log10"
[[fields]]
name = "flow"
rank = 1
[[fields]]
name = "log10_depth"
stored = ["depth"]
constant = true
transform = "log10"
"""


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_logarithm_is_rounded_once(dtype):
    values = np.random.default_rng(4).lognormal(sigma=9, size=(3, 4, 5)).astype(dtype)
    expected = np.log10(values.astype("f8")).astype(dtype)
    apply("log10", values, "here", 0)
    assert (values == expected).all()


def test_powers_of_ten_are_exact():
    values = np.array([[1e-3, 1, 1e6]], "f4")
    apply("log10", values, "here", 0)
    assert values.tolist() == [[-3, 0, 6]]


def test_zeros_are_zeros_whatever_was_there():
    values = np.array([[np.nan, -1, np.inf]], "f4")
    apply("zeros", values, "here", 0)
    assert values.tolist() == [[0, 0, 0]]


def test_values_without_a_logarithm_are_counted_and_located():
    values = np.ones((3, 4, 5), "f4")
    values[1, 2, 3], values[2, 0, 0] = -2, 0
    with pytest.raises(SourceError) as caught:
        apply("log10", values, "file.h5: row 7: density", 10)
    assert str(caught.value).startswith(
        "file.h5: row 7: density: 2 values <= 0 have no log10, the first -2.0 in frame 11, cell [2, 3]"
    )


def test_not_a_number_passes_for_the_checks_to_find():
    values = np.array([[np.nan, 1, np.inf]], "f4")
    apply("log10", values, "here", 0)
    assert np.isnan(values[0, 0])
    assert values[0, 2] == np.inf


def test_a_field_without_transform_has_no_fault():
    assert transform_fault(None, "density", ("density",), 2, constant=True) is None


@pytest.fixture
def decades(waves):
    """Two files of positive heights and depths."""
    waves.recipe.write_text(RECIPE)
    random = np.random.default_rng(8)
    for split in ("train", "valid"):
        height, depth = random.lognormal(size=(3, 5, 6, 4)), random.lognormal(size=(3, 6, 4))
        waves.write(f"{split}/one", height=height.astype("f4"), depth=depth.astype("f4"))
    return waves


def built(decades, tmp_path) -> Dataset:
    plan = plan_build(find_recipe(str(decades.recipe)), decades.source, "zarr", "lz4")
    return Dataset(build_plan(plan, tmp_path / "root", Resources(1)).folder)


def logarithm(path, name) -> np.ndarray:
    with h5py.File(path, locking=False) as file:
        return np.log10(file[f"t0_fields/{name}"][()].astype("f8")).astype("f4")


def test_shards_moments_and_verification_see_transformed_values(decades, tmp_path):
    dataset = built(decades, tmp_path)
    assert dataset.card.schema.channels == ("log10_height", "flow_x", "flow_y")
    assert dataset.card.quarantine == ()
    assert list(source_faults(dataset, decades.source)) == []
    height, depth = (logarithm(decades.source / "train" / "one.hdf5", name) for name in ("height", "depth"))
    moments = dataset.card.moments["log10_height"]
    assert moments.mean == pytest.approx(height.mean(dtype="f8"), rel=1e-12)
    assert (moments.min, moments.max) == (height.min(), height.max())
    entry = dataset.index.trajectories[1]
    assert (dataset.static(entry)[0] * np.float32(dataset.document(entry).static_scale[0]) == depth[1]).all()


def test_zeros_take_the_place_of_a_constant_field(decades, tmp_path):
    zeros = RECIPE.replace("log10_depth", "zeros_like_depth").replace(
        'constant = true\ntransform = "log10"', 'constant = true\ntransform = "zeros"'
    )
    decades.recipe.write_text(zeros)
    dataset = built(decades, tmp_path)
    assert dataset.card.schema.static_channels == ("zeros_like_depth",)
    assert not any(dataset.static(entry).any() for entry in dataset.index.trajectories)
    assert list(source_faults(dataset, decades.source)) == []


@pytest.mark.parametrize(
    ("name", "place", "words"),
    [
        (
            "t0_fields/height",
            (1, 3, 2, 1),
            "row 1: height: 1 values <= 0 have no log10, the first 0.0 in frame 3",
        ),
        ("t0_fields/depth", (1, 5, 3), "row 1: depth: 1 values <= 0 have no log10, the first 0.0 in frame 0"),
    ],
)
def test_a_trajectory_with_such_a_value_is_left_out_and_the_rest_goes_on(
    decades, tmp_path, name, place, words
):
    with h5py.File(decades.source / "train" / "one.hdf5", "r+") as file:
        file[name][place] = 0
    dataset = built(decades, tmp_path)
    (left_out,) = dataset.card.quarantine
    assert (left_out.path, left_out.row) == ("train/one.hdf5", 1)
    assert words in left_out.reason
    assert dataset.card.counts["train"].trajectories == 2
    assert list(source_faults(dataset, decades.source)) == []
