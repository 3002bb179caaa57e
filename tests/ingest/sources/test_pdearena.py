"""PDEArena: values against plain h5py and averages written out, then each rule made to fail once on a tiny
file.
"""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.catalogue import find_recipe
from ingest.recipe import Correction, Recipe
from ingest.sources import pdearena
from shards.schema import Boundary, Cell

SAMPLES = Path(__file__).parents[2] / "samples" / "pdearena"
MORE = Path(__file__).parents[3].parent / "shared" / "samples" / "pdearena"
FILES = sorted(SAMPLES.glob("*.h5"))
N, T, X, Y = 2, 3, 4, 5

KEPT = replace(find_recipe("pdearena_conditioned_ins"), dtype="source")


def example(folder: Path) -> tuple[Path, Recipe]:
    """A file and its recipe, for the contract that all sources keep."""
    return next(path for path in FILES if "_train_" in path.name), find_recipe("pdearena_conditioned_ins")


@pytest.fixture
def values():
    random = np.random.default_rng(5)
    data = {name: random.normal(size=(N, T, X, Y)) for name in ("u", "vx", "vy")}
    data["vx"][:, :, 0], data["vy"][:, :, :, 0] = 0, 0
    return data


@pytest.fixture
def tiny(tmp_path, values):
    path = tmp_path / "NavierStokes2D_valid_42_0.25000_2.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("valid")
        for name, data in values.items():
            group[name] = data
        group["x"], group["y"] = [np.linspace(0, 8, X)] * N, [np.linspace(0, 15, Y)] * N
        group["dx"], group["dy"] = np.full(N, 8 / 3), np.full(N, 15 / 4)
        group["t"], group["dt"] = [np.linspace(18, 24, T)] * N, np.array([1.5, 2.0])
        group["buo_y"] = np.array([0.25, 0.5])
    return path


def edit(path):
    return h5py.File(path, "r+")


def redo(path, name, data):
    with edit(path) as file:
        del file["valid"][name]
        file["valid"][name] = data


def at_centres(faces, axis):
    """Mean of a cell's two faces along one axis of [N, T, x, y]; the face left out at the upper end is
    zero.
    """
    closed = np.concatenate([faces, np.zeros_like(faces.take([0], axis))], axis)
    count = faces.shape[axis]
    return (closed.take(range(count), axis) + closed.take(range(1, count + 1), axis)) * 0.5


def expected_frames(path):
    with h5py.File(path) as file:
        (group,) = file.values()
        u, vx, vy = (group[name][()] for name in ("u", "vx", "vy"))
    return np.stack([u, at_centres(vx, 2), at_centres(vy, 3)], axis=2)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_value_of_the_samples_is_what_h5py_reads(path, read_all):
    expected = expected_frames(path)
    np.testing.assert_array_equal(np.stack(read_all(path, KEPT)), expected)
    rounded = np.stack(read_all(path, find_recipe("pdearena_conditioned_ins")))
    np.testing.assert_array_equal(rounded, expected.astype("f4"))


@pytest.mark.skipif(not MORE.exists(), reason="the larger sample set is not next to the repository")
@pytest.mark.parametrize(
    "name", ["NavierStokes2D_train_198010_0.22194_32", "NavierStokes2D_train_452245_0.50000_4"]
)
def test_further_files_read_as_h5py_reads_them(name, read_all):
    path = MORE / f"{name}.h5"
    np.testing.assert_array_equal(np.stack(read_all(path, KEPT)), expected_frames(path))


@pytest.mark.skipif(not MORE.exists(), reason="the larger sample set is not next to the repository")
def test_the_maxwell_cousin_is_refused(refusal):
    message = refusal(MORE / "Maxwell3D_train_61749_2.h5", KEPT)
    assert "lacks u, vx, vy and has in addition to the recipe" in message


def test_times_are_dt_apart_and_cells_fill_the_box(tiny):
    with pdearena.open_file(tiny, KEPT) as file:
        assert [row.time for row in file.rows] == [(18, 19.5, 21), (18, 20, 22)]
        assert [row.scalars for row in file.rows] == [{"buo_y": 0.25}, {"buo_y": 0.5}]
        assert file.schema.grid.coordinates == ((1, 3, 5, 7), (1.5, 4.5, 7.5, 10.5, 13.5))
        assert file.schema.channels == ("tracer", "velocity_x", "velocity_y")


def test_the_box_is_closed_on_all_sides(tiny):
    with pdearena.open_file(tiny, KEPT) as file:
        assert file.schema.boundaries == ((Boundary.WALL, Boundary.WALL),) * 2
        bits = file.boundary(1)
    assert bits.shape == (X, Y)
    assert not bits[1:-1, 1:-1].any()
    assert (np.delete(bits.ravel(), [6, 7, 8, 11, 12, 13]) == Cell.WALL).all()


def test_a_ramp_on_the_faces_averages_to_its_centres_and_falls_to_zero_at_the_upper_wall(tiny, read_all):
    redo(tiny, "vx", np.broadcast_to(np.array([0.0, 2, 4, 6])[:, None], (N, T, X, Y)))
    assert (read_all(tiny, KEPT)[0][:, 1] == np.array([1.0, 3, 5, 3])[:, None]).all()


@pytest.mark.parametrize("path", FILES[:1], ids=lambda path: path.stem)
def test_the_samples_are_free_of_divergence_on_the_faces_that_the_source_assumes(path):
    """Lower faces, x before y, a closed upper wall, cells 32 / N wide: else the flow would have sources."""
    with h5py.File(path) as file:
        (group,) = file.values()
        vx, vy = group["vx"][()], group["vy"][()]
    width = 32 / vx.shape[2]

    def slope(faces, axis):
        return np.diff(faces, axis=axis, append=np.zeros_like(faces.take([0], axis))) / width

    divergence = slope(vx, 2) + slope(vy, 3)
    assert divergence.std() < 1e-4 * slope(vx, 2).std()
    assert (slope(vy, 2) + slope(vx, 3)).std() > slope(vx, 2).std()


def test_the_catalogue_rounds_to_single_precision_and_the_source_does_not(tiny, read_all):
    assert read_all(tiny, KEPT)[0].dtype == np.float64
    assert read_all(tiny, find_recipe("pdearena_conditioned_ins"))[0].dtype == np.float32


def test_a_finite_number_never_becomes_infinite(tiny, values, refusal, read_all):
    data = values["u"].copy()
    data[1, 2, 3, 4] = 4e38
    redo(tiny, "u", data)
    message = refusal(tiny, find_recipe("pdearena_conditioned_ins"))
    assert "/valid/u: 1 values, first 4e+38, are too large for float32" in message
    assert read_all(tiny, KEPT)[1][2, 0, 3, 4] == 4e38


@pytest.mark.parametrize(("name", "axis"), [("vx", 2), ("vy", 3)])
def test_a_velocity_through_the_lower_wall_is_another_layout(tiny, values, refusal, name, axis):
    data = values[name].copy()
    np.moveaxis(data, axis, 0)[0, 1, 2, 3] = 1e-3
    redo(tiny, name, data)
    assert f"/valid/{name}: row 1 is not zero on the lower wall" in refusal(tiny, KEPT)


def test_a_broken_run_passes_for_the_checks_to_find(tiny, values, read_all):
    redo(tiny, "vx", np.full_like(values["vx"], np.nan))
    assert np.isnan(read_all(tiny, KEPT)[0][:, 1]).all()


@pytest.mark.parametrize("word", ["train", "valid", "test"])
def test_the_split_is_a_word_of_the_name(word):
    assert pdearena.split(Path(f"train/NavierStokes2D_{word}_1_0.2.h5")) == word


@pytest.mark.parametrize(
    "name", ["NavierStokes2D_1_0.2.h5", "NavierStokes2D_train_test_1.h5", "NavierStokes2D_trained_1.h5"]
)
def test_a_name_without_one_split_says_none(name):
    assert pdearena.split(Path(name)) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NavierStokes2D_train_42.h5", "the name says train, the file holds valid"),
        ("NavierStokes2D_42.h5", "the name says no split, the file holds valid"),
    ],
)
def test_the_group_is_named_as_the_split_of_the_name(tiny, refusal, name, words):
    assert words in refusal(tiny.rename(tiny.with_name(name)), KEPT)


def test_a_file_must_hold_the_split_of_its_name_alone(tiny, refusal):
    with edit(tiny) as file:
        file.create_group("test")
    assert "the name says valid, the file holds test, valid" in refusal(tiny, KEPT)


def test_a_recipe_cannot_open_the_box(tiny, refusal):
    walls = Correction("as it is", {"x": ("wall", "wall")})
    silent = replace(KEPT, boundaries={})
    with pdearena.open_file(tiny, replace(silent, correction=walls)) as file:
        assert file.schema.boundaries[0] == (Boundary.WALL, Boundary.WALL)
    opened = Correction("a mistake", {"x": ("wall", "open")})
    assert "corrects axis x; expected walls on all sides" in refusal(tiny, replace(silent, correction=opened))


def test_arrays_of_different_shapes_are_refused(tiny, values, refusal):
    redo(tiny, "vy", values["vy"][:, :2])
    assert "/valid/vy (2, 2, 4, 5)" in refusal(tiny, KEPT)


def test_axes_that_lie_otherwise_than_the_recipe_says_are_refused(tiny, refusal):
    assert "expected one shape (trajectory, time, y 5, x 4)" in refusal(tiny, replace(KEPT, axes=("y", "x")))


@pytest.mark.parametrize(
    ("name", "shape"), [("t", (N, T + 1)), ("dt", (N + 1,)), ("dt", ()), ("buo_y", (1,))]
)
def test_times_and_parameters_belong_to_the_rows(tiny, refusal, name, shape):
    redo(tiny, name, np.zeros(shape))
    assert f"/valid/{name}: shape {shape}; expected" in refusal(tiny, KEPT)


def test_a_coordinate_that_differs_between_rows_is_refused(tiny, refusal):
    redo(tiny, "x", np.stack([np.linspace(0, 8, X), np.linspace(0, 9, X)]))
    assert "/valid/x: shape (2, 4), or not the same for all rows" in refusal(tiny, KEPT)


def test_an_array_beside_the_recipe_is_named(tiny, refusal):
    with edit(tiny) as file:
        file["valid/pressure"] = np.zeros((N, T, X, Y))
    assert "/valid: has in addition to the recipe pressure" in refusal(tiny, KEPT)
