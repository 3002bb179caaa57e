"""BubbleML: values against plain h5py in both versions, and parameters believed only where they agree."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.catalogue import find_recipe
from ingest.layout import CoordinateRule, TimeRule
from ingest.recipe import Correction, Recipe, RecipeField
from ingest.sources import bubbleml
from shards.schema import Boundary

SAMPLES = Path(__file__).parents[3].parent / "shared" / "samples" / "bubbleml"
T, X, Y = 4, 6, 3
RECIPE = find_recipe("bubbleml_poolboiling_subcooled")
BARE = replace(RECIPE, scalars={})
FIELDS = (
    "dfun",
    "temperature",
    "velx",
    "vely",
    "pressure",
    "normx",
    "normy",
    "massflux",
    "divergence",
    "density",
)
PARAMETERS = {
    "geometry": "CARTESIAN",
    "xl_boundary_type": "NOSLIP_INS",
    "xr_boundary_type": "NOSLIP_INS",
    "yl_boundary_type": "NOSLIP_INS",
    "yr_boundary_type": "OUTFLOW_INS",
    "dt": 0.5,
    "t_initial": 1.0,
    "t_final": 2.5,
    **dict.fromkeys(("inv_reynolds", "cpgas", "mugas", "rhogas", "thcogas", "prandtl"), 0.25),
    "stefan": 0.5,
    "heater": {"wallTemp": 1, "nucWaitTime": 0.4},
    "nuc_sites_x": [1.0, 2.0],
}


def arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(9)
    fields = {name: random.normal(size=(T, Y, X)).astype("f4") for name in FIELDS}
    return fields | {
        "velfacex": random.normal(size=(T, Y, X + 1)).astype("f4"),
        "velfacey": random.normal(size=(T, Y + 1, X)).astype("f4"),
        "x_centers": np.arange(X) - 2.5,
        "y_centers": np.arange(Y) + 0.5,
        "x_faces": np.arange(X + 1) - 3.0,
        "y_faces": np.arange(Y + 1.0),
    }


def write(path: Path, values: dict[str, np.ndarray], parameters=None) -> Path:
    with h5py.File(path, "w") as file:
        for name, data in values.items():
            file[name] = data
    if parameters is not None:
        path.with_suffix(".json").write_text(json.dumps(parameters))
    return path


def write_v1(path: Path) -> Path:
    """float64, coordinates for every frame and cell, parameters as records."""
    values = {name: data.astype("f8") for name, data in arrays().items() if name in FIELDS[:8]}
    values["x"] = np.broadcast_to(np.arange(X) - 2.5, (T, Y, X))
    values["y"] = np.broadcast_to((np.arange(Y) + 0.5)[:, None], (T, Y, X))
    write(path, values)
    with h5py.File(path, "r+") as file:
        pairs = [(f"{name:80}".encode(), value) for name, value in (("mph_stefan", 0.5), ("ht_prandtl", 8.4))]
        file["real-runtime-params"] = np.array(pairs, [("name", "S80"), ("value", "<f8")])
        file["int-runtime-params"] = np.array(
            [(f"{'nblockx':80}".encode(), 4)], [("name", "S80"), ("value", "<i4")]
        )
    return path


def example(folder: Path) -> tuple[Path, Recipe]:
    """A file and its recipe, for the contract that all sources keep."""
    return write(folder / "Twall_97.hdf5", arrays(), PARAMETERS), RECIPE


@pytest.fixture
def tiny(tmp_path) -> Path:
    return example(tmp_path)[0]


def expected_frames(path: Path) -> np.ndarray:
    with h5py.File(path, locking=False) as raw:
        return np.stack([raw[name][()].transpose(0, 2, 1) for name in FIELDS[:4]], axis=1)


def test_version_2_reads_as_h5py_reads_it_x_before_y(tiny, read_all):
    with bubbleml.open_file(tiny, RECIPE) as file:
        assert file.schema.channels == ("gas-interface-sdf", "temperature", "velocity_x", "velocity_y")
        assert file.schema.grid.coordinates == (tuple(np.arange(X) - 2.5), tuple(np.arange(Y) + 0.5))
        assert file.schema.boundaries == ((Boundary.WALL,) * 2, (Boundary.WALL, Boundary.OPEN))
        assert file.rows[0].time == (1.0, 1.5, 2.0, 2.5)
        assert file.rows[0].scalars["Twall"] == 97
        assert file.rows[0].scalars["heater-wallTemp"] == 1
        assert file.rows[0].scalars["stefan"] == 0.5
    np.testing.assert_array_equal(read_all(tiny, RECIPE)[0], expected_frames(tiny))


def test_version_1_reads_as_h5py_reads_it(tmp_path, read_all):
    path = write_v1(tmp_path / "Twall-97.hdf5")
    old = replace(RECIPE, time=TimeRule(step=0.5), scalars={"stefan": "mph_stefan", "blocks": "nblockx"})
    with bubbleml.open_file(path, old) as file:
        assert file.schema.dtype == "float64"
        assert file.schema.grid.coordinates == (tuple(np.arange(X) - 2.5), tuple(np.arange(Y) + 0.5))
        assert file.rows[0].time == (0, 0.5, 1.0, 1.5)
        assert file.rows[0].scalars == {"Twall": 97, "stefan": 0.5, "blocks": 4}
    np.testing.assert_array_equal(read_all(path, old)[0], expected_frames(path))


@pytest.mark.skipif(not SAMPLES.exists(), reason="the larger sample set is not next to the repository")
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("v2/Twall_90", {}),
        ("v2/Twall_101", {}),
        ("v1/Twall-97", {"time": TimeRule(step=0.1), "scalars": {"stefan": "mph_stefan"}}),
        (
            "v2_real/sample_2",
            {
                "time": TimeRule(step=0.1),
                "scalars": {},
                "coordinates": {
                    "x": CoordinateRule(lower=-8, upper=8),
                    "y": CoordinateRule(lower=0, upper=16),
                },
            },
        ),
    ],
)
def test_the_samples_read_as_h5py_reads_them(name, changes, read_all):
    path = SAMPLES / f"{name}.hdf5"
    np.testing.assert_array_equal(read_all(path, replace(RECIPE, **changes))[0], expected_frames(path))


@pytest.mark.skipif(not SAMPLES.exists(), reason="the larger sample set is not next to the repository")
def test_a_list_of_parameters_is_in_order_of_temperature_and_not_of_text():
    for name, stefan in (("Twall_90", 0.5298), ("Twall_101", 0.5945533333333334)):
        with bubbleml.open_file(SAMPLES / "v2" / f"{name}.hdf5", RECIPE) as file:
            assert file.rows[0].scalars["stefan"] == stefan
            assert np.allclose(file.rows[0].time, np.arange(8) * 0.1)


def several(tmp_path: Path, found: object) -> list[Path]:
    (tmp_path / "parameters.json").write_text(json.dumps(found))
    return [write(tmp_path / f"Twall_{degrees}.hdf5", arrays()) for degrees in (101, 90)]


def test_one_file_may_hold_the_parameters_of_all(tmp_path):
    for path in several(tmp_path, PARAMETERS):
        with bubbleml.open_file(path, RECIPE) as file:
            assert file.rows[0].scalars["stefan"] == 0.5


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([PARAMETERS], "parameters of 1 simulations next to 2 files"),
        ([PARAMETERS, PARAMETERS | {"stefan": 0.4}], "in order of wall temperature"),
        ([1, 2], "in order of wall temperature"),
        (3, "holds int; expected the parameters"),
    ],
)
def test_parameters_that_nobody_can_tell_apart_are_refused(tmp_path, found, words):
    path = several(tmp_path, found)[0]
    with pytest.raises(OSError, match=r"parameters\.json") as caught, bubbleml.open_file(path, RECIPE):
        pass
    assert words in str(caught.value)


def test_parameters_that_are_no_json_are_told(tiny, tmp_path):
    tiny.with_suffix(".json").write_text("{")
    with pytest.raises(OSError, match=r"Twall_97\.json: is not JSON"), bubbleml.open_file(tiny, RECIPE):
        pass


def again(path: Path, **changes) -> Path:
    path.with_suffix(".json").write_text(json.dumps(PARAMETERS | changes))
    return path


def test_one_end_of_the_time_may_be_left_out(tiny):
    with bubbleml.open_file(again(tiny, t_final=3.0), RECIPE) as file:
        assert file.rows[0].time == (1.0, 1.5, 2.0, 2.5)


@pytest.mark.parametrize("changes", [{"dt": 0.1}, {"t_final": 9.0}, {"dt": None}, {"t_initial": "now"}])
def test_times_that_disagree_need_the_recipe(tiny, refusal, changes):
    assert "state [time] in recipe" in refusal(again(tiny, **changes), RECIPE)
    with bubbleml.open_file(tiny, replace(RECIPE, time=TimeRule(stop=3.0))) as file:
        assert file.rows[0].time == (0, 1, 2, 3)


def test_boundaries_that_disagree_need_a_correction(tiny, refusal):
    again(tiny, yr_boundary_type="NOSLIP_INS")
    assert "make axis y wall below and wall above" in refusal(tiny, RECIPE)
    corrected = replace(
        RECIPE,
        boundaries={"x": ("wall", "wall")},
        correction=Correction("an old parameter file", {"y": ("wall", "open")}),
    )
    with bubbleml.open_file(tiny, corrected) as file:
        assert file.schema.boundaries[1] == (Boundary.WALL, Boundary.OPEN)


@pytest.mark.parametrize("value", [None, "much", float("nan"), 10**400])
def test_a_parameter_that_is_no_number_is_told(tiny, refusal, value):
    assert "as stefan, expected a number" in refusal(again(tiny, stefan=value), RECIPE)


def test_records_of_another_kind_are_told(tmp_path, refusal):
    path = write_v1(tmp_path / "Twall-97.hdf5")
    with h5py.File(path, "r+") as file:
        del file["int-runtime-params"]
        file["int-runtime-params"] = np.arange(3.0)
    assert "int-runtime-params holds float64; expected pairs" in refusal(path, BARE)


def test_without_parameters_the_recipe_must_do_without_them(tiny, refusal):
    tiny.with_suffix(".json").unlink()
    assert "state [time]" in refusal(tiny, RECIPE)
    timed = replace(RECIPE, time=TimeRule(step=1))
    assert "found no JSON next to it" in refusal(tiny, timed)
    with bubbleml.open_file(tiny, replace(timed, scalars={})) as file:
        assert file.rows[0].scalars == {"Twall": 97}


def test_without_coordinates_the_recipe_must_state_them(tmp_path, refusal):
    values = {name: data for name, data in arrays().items() if "_centers" not in name}
    assert "holds no x_centers" in refusal(write(tmp_path / "Twall_97.hdf5", values, PARAMETERS), RECIPE)


def test_coordinates_of_another_shape_are_refused(tmp_path, refusal):
    values = arrays()
    values["x_centers"] = values["x_faces"]
    assert "/x_centers: shape (7,)" in refusal(write(tmp_path / "Twall_97.hdf5", values, PARAMETERS), RECIPE)


def test_a_staggered_field_is_never_stacked_with_cells(tiny, refusal):
    fields = (*RECIPE.fields, RecipeField("face", stored=("velfacex",)))
    assert "/velfacex: x 7, y 3; expected x 6, y 3" in refusal(tiny, replace(RECIPE, fields=fields))


def test_an_array_that_the_recipe_does_not_know_is_named(tiny, refusal):
    assert "has in addition to the recipe divergence" in refusal(
        tiny, replace(RECIPE, leave_out=RECIPE.leave_out[:4] + RECIPE.leave_out[5:])
    )


def test_a_broken_run_passes_for_the_checks_to_find(tmp_path, read_all):
    values = arrays()
    values["temperature"][2, 1, 3] = np.nan
    (frames,) = read_all(write(tmp_path / "Twall_97.hdf5", values, PARAMETERS), RECIPE)
    assert np.argwhere(np.isnan(frames)).tolist() == [[2, 1, 3, 1]]
