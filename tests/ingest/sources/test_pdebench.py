"""PDEBench: values against plain h5py, then each rule of the layout made to fail once on a tiny file."""

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.catalogue import find_recipe
from ingest.recipe import Correction, Recipe, RecipeField
from ingest.sources import pdebench
from shards.schema import Boundary, Cell

SAMPLES = Path(__file__).parents[2] / "samples"
MORE = Path(__file__).parents[3].parent / "shared" / "samples" / "pdebench"
SAMPLE = SAMPLES / "pdebench" / "3D_CFD_Rand_M1.0_Eta1e-08_Zeta1e-08_periodic_16_Train.hdf5"
N, T, X, Y = 2, 3, 4, 5

FLAT = Recipe(
    name="flat",
    source="pdebench",
    title="Compressible flow in 2D",
    axes=("x", "y"),
    fields=(
        RecipeField("velocity", rank=1, stored=("Vx", "Vy")),
        RecipeField("density"),
        RecipeField("pressure"),
    ),
)


def example(folder: Path) -> tuple[Path, Recipe]:
    """A file and its recipe, for the contract that all sources keep."""
    return SAMPLE, find_recipe("pdebench_cns3d_random")


@pytest.fixture
def values():
    random = np.random.default_rng(3)
    return {
        name: random.normal(size=(N, T, X, Y)).astype("f4") for name in ("Vx", "Vy", "density", "pressure")
    }


@pytest.fixture
def tiny(tmp_path, values):
    path = tmp_path / "2D_CFD_Rand_M0.1_Eta0.01_Zeta0.01_periodic_4_Train.hdf5"
    with h5py.File(path, "w") as file:
        file.attrs["M"], file.attrs["eta"] = 0.1, np.array([0.01])
        for name, data in values.items():
            file[name] = data
        file["x-coordinate"], file["y-coordinate"] = np.arange(X) + 0.5, np.arange(Y) + 0.25
        file["t-coordinate"] = np.arange(T + 1) * 0.5
    return path


def edit(path):
    return h5py.File(path, "r+")


def test_every_value_of_the_sample_is_what_h5py_reads(read_all):
    frames = np.stack(read_all(*example(SAMPLES)))
    with h5py.File(SAMPLE) as raw:
        for channel, name in enumerate(("density", "pressure", "Vx", "Vy", "Vz")):
            np.testing.assert_array_equal(frames[:, :, channel], raw[name])


def test_the_sample_is_periodic_by_its_name_and_drops_the_time_without_a_frame():
    path, recipe = example(SAMPLES)
    with pdebench.open_file(path, recipe) as file, h5py.File(path, locking=False) as raw:
        assert file.schema.channels == ("density", "pressure", "velocity_x", "velocity_y", "velocity_z")
        assert file.schema.boundaries == ((Boundary.PERIODIC, Boundary.PERIODIC),) * 3
        assert np.array_equal(file.rows[7].time, raw["t-coordinate"][:11])
        assert len(raw["t-coordinate"]) == 12
        assert file.rows[7].scalars == {"M": 1.0, "eta": 1e-8, "zeta": 1e-8}
        assert np.array_equal(file.schema.grid.coordinates[2], raw["z-coordinate"])
        bits = file.boundary(0)
        assert (bits[1:-1, 1:-1, 0] == Cell.PERIODIC).all()
        assert not bits[1:-1, 1:-1, 1:-1].any()


@pytest.mark.skipif(not MORE.exists(), reason="the larger sample set is not next to the repository")
def test_a_2d_file_reads_as_h5py_reads_it(read_all):
    (path,) = MORE.glob("2D_CFD_*.hdf5")
    frames = np.stack(read_all(path, FLAT))
    with h5py.File(path) as raw:
        for channel, name in enumerate(("Vx", "Vy", "density", "pressure")):
            np.testing.assert_array_equal(frames[:, :, channel], raw[name])


@pytest.mark.skipif(not MORE.exists(), reason="the larger sample set is not next to the repository")
def test_the_layout_with_a_group_a_seed_is_sent_to_another_source(refusal):
    message = refusal(MORE / "2D_diff-react_NA_NA.h5", FLAT)
    assert "holds groups (0000/data, ...)" in message
    assert 'source = "arrays"' in message


def test_damaged_values_pass_for_the_checks_to_find(read_all):
    sides = {"x": ("periodic", "periodic"), "y": ("periodic", "periodic")}
    recipe = replace(FLAT, correction=Correction("the name does not say so", sides))
    frames = read_all(SAMPLES / "damaged" / "nan_in_last_sample.hdf5", recipe)
    assert [bool(np.isnan(trajectory).any()) for trajectory in frames] == [False, False, False, True]


def test_components_are_stacked_in_the_order_of_the_recipe(tiny, values):
    with pdebench.open_file(tiny, FLAT) as file:
        assert file.schema.channels == ("velocity_x", "velocity_y", "density", "pressure")
        assert file.schema.grid.coordinates == ((0.5, 1.5, 2.5, 3.5), (0.25, 1.25, 2.25, 3.25, 4.25))
        assert file.rows[1].time == (0, 0.5, 1)
        assert file.rows[1].scalars == {"M": 0.1, "eta": 0.01}
        assert np.array_equal(file.frames(1, 1, 3)[:, 1], values["Vy"][1, 1:])
        assert file.static(0).shape == (0, X, Y)


def test_as_many_times_as_frames_are_taken_as_they_are(tiny):
    with edit(tiny) as file:
        del file["t-coordinate"]
        file["t-coordinate"] = np.array([1.0, 2, 4])
    with pdebench.open_file(tiny, FLAT) as file:
        assert file.rows[0].time == (1, 2, 4)


@pytest.mark.parametrize("shape", [(T + 2,), (T - 1,), (N, T), ()])
def test_any_other_number_of_times_is_refused(tiny, refusal, shape):
    with edit(tiny) as file:
        del file["t-coordinate"]
        file["t-coordinate"] = np.zeros(shape)
    assert f"/t-coordinate: shape {shape}; expected 3 or 4 times" in refusal(tiny, FLAT)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("2D_CFD_Rand_M0.1_4_Train.hdf5", "this one says neither periodic nor trans"),
        ("2D_CFD_Rand_transport_Train.hdf5", "this one says neither periodic nor trans"),
        ("2D_CFD_periodic_trans_Train.hdf5", "this one says two"),
    ],
)
def test_a_name_that_does_not_say_the_boundary_asks_for_a_correction(tiny, refusal, name, words):
    path = tiny.rename(tiny.with_name(name))
    message = refusal(path, FLAT)
    assert words in message
    assert "[correction]" in message
    sides = {"x": ("wall", "open"), "y": ("periodic", "periodic")}
    with pdebench.open_file(path, replace(FLAT, correction=Correction("known", sides))) as file:
        assert file.schema.boundaries == (
            (Boundary.WALL, Boundary.OPEN),
            (Boundary.PERIODIC, Boundary.PERIODIC),
        )
        assert (file.boundary(0)[0, 1:-1] == Cell.WALL).all()


def test_trans_in_the_name_means_open(tiny):
    path = tiny.with_name("2D_CFD_Shock_trans_Train.hdf5")
    shutil.copy(tiny, path)
    with pdebench.open_file(path, FLAT) as file:
        assert file.schema.boundaries == ((Boundary.OPEN, Boundary.OPEN),) * 2


def test_the_name_says_no_split(tiny):
    assert pdebench.split(tiny) is None


def test_arrays_of_different_shapes_are_refused(tiny, values, refusal):
    with edit(tiny) as file:
        del file["Vy"]
        file["Vy"] = values["Vy"][:1]
    assert "/Vx (2, 3, 4, 5), /Vy (1, 3, 4, 5)" in refusal(tiny, FLAT)


def test_axes_that_lie_otherwise_than_the_recipe_says_are_refused(tiny, refusal):
    recipe = replace(FLAT, axes=("y", "x"))
    assert "expected one shape (trajectory, time, y 5, x 4)" in refusal(tiny, recipe)


def test_variables_beside_the_recipe_or_lacking_are_named(tiny, refusal):
    with edit(tiny) as file:
        file.move("Vy", "Vz")
    assert "lacks Vy and has in addition to the recipe Vz" in refusal(tiny, FLAT)


def test_a_missing_coordinate_is_named(tiny, refusal):
    with edit(tiny) as file:
        del file["y-coordinate"]
    assert "no dataset y-coordinate" in refusal(tiny, FLAT)


def test_a_coordinate_of_two_axes_is_refused(tiny, refusal):
    with edit(tiny) as file:
        del file["y-coordinate"]
        file["y-coordinate"] = np.zeros((1, Y))
    assert "/y-coordinate: shape (1, 5); expected a list" in refusal(tiny, FLAT)


def test_a_vector_needs_the_name_of_each_component(tiny, refusal):
    with edit(tiny) as file:
        del file["Vy"]
    fields = (
        RecipeField("velocity", rank=1, stored=("Vx",)),
        RecipeField("density"),
        RecipeField("pressure"),
    )
    assert "velocity is one array; expected 2 arrays" in refusal(tiny, replace(FLAT, fields=fields))


def test_a_constant_field_is_not_pdebenchs(tiny, refusal):
    fields = (*FLAT.fields[:2], RecipeField("pressure", constant=True))
    assert "pressure is constant; expected 1 arrays that change" in refusal(
        tiny, replace(FLAT, fields=fields)
    )


def test_a_parameter_that_is_no_number_is_refused(tiny, refusal):
    with edit(tiny) as file:
        file.attrs["M"] = "fast"
    assert "attribute M holds ['fast']; expected one number" in refusal(tiny, FLAT)
