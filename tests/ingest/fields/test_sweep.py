"""Several axes of trajectories in one array, against numpy's own C order."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.building.verify import source_faults
from ingest.recipe import Recipe
from ingest.source import find
from shards.errors import SettingsError, SourceError
from shards.program.settings import make
from shards.read import Dataset

STATES, VISCOSITIES, T, X, Y = 4, 3, 5, 7, 6
TABLES = {
    "name": "sweep",
    "source": "arrays",
    "title": "Initial states times viscosities",
    "axes": ["x", "y"],
    "layout": "n n t x y",
    "fields": [
        {"name": "u"},
        {"name": "v", "layout": "n2 t n1 y x"},
        {"name": "start", "constant": True, "layout": "n1 x y"},
        {"name": "force", "constant": True, "layout": "n2 x y"},
    ],
    "time": {"stored": "t"},
    "coordinates": {"x": {"lower": 0.0, "upper": 1.0}, "y": {"lower": 0.0, "upper": 1.0}},
    "boundaries": {"x": ["wall", "wall"], "y": ["wall", "wall"]},
    "scalars": {"nu": "nu[n2]", "seed": "seed[n1]", "each": "each", "Ma": "tables[1][n2]"},
}


def written(folder: Path, **changes: np.ndarray) -> tuple[Path, dict[str, np.ndarray]]:
    random = np.random.default_rng(4)
    values = {
        "u": random.normal(size=(STATES, VISCOSITIES, T, X, Y)).astype("f4"),
        "v": random.normal(size=(VISCOSITIES, T, STATES, Y, X)).astype("f4"),
        "start": random.normal(size=(STATES, X, Y)).astype("f4"),
        "force": random.normal(size=(VISCOSITIES, X, Y)).astype("f4"),
        "nu": np.array([0.1, 0.2, 0.5]),
        "seed": np.arange(STATES) * 10.0,
        "each": np.arange(STATES * VISCOSITIES).reshape(STATES, VISCOSITIES) + 0.5,
        "tables": np.arange(2.0 * VISCOSITIES).reshape(VISCOSITIES, 2),
        "t": np.arange(T) * 0.1,
    } | changes
    path = folder / "sweep.h5"
    with h5py.File(path, "w") as file:
        for name, data in values.items():
            file[name] = data
    return path, values


def recipe(**changes: object) -> Recipe:
    return make(Recipe, TABLES | changes, "sweep.toml")


def test_each_combination_is_a_trajectory_and_the_last_axis_varies_fastest(tmp_path):
    path, values = written(tmp_path)
    with find("arrays").open_file(path, recipe()) as file:
        assert len(file.rows) == STATES * VISCOSITIES
        for row, (state, nu) in enumerate(np.ndindex(STATES, VISCOSITIES)):
            frames = file.frames(row, 1, 4)
            np.testing.assert_array_equal(frames[:, 0], values["u"][state, nu, 1:4])
            np.testing.assert_array_equal(frames[:, 1], values["v"][nu, 1:4, state].swapaxes(1, 2))
            np.testing.assert_array_equal(file.static(row), [values["start"][state], values["force"][nu]])
            assert file.rows[row].scalars == {
                "nu": values["nu"][nu],
                "seed": 10.0 * state,
                "each": values["each"][state, nu],
                "Ma": 2.0 * nu + 1,
            }


@pytest.mark.parametrize(
    ("shape", "stored"),
    [((VISCOSITIES, T), "t[n2]"), ((STATES, VISCOSITIES, T), "t"), ((STATES * VISCOSITIES, T), "t")],
)
def test_times_may_differ_along_the_axes_of_a_sweep(tmp_path, shape, stored):
    times = np.cumsum(np.full(shape, 0.5) + np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)), axis=-1)
    path, _ = written(tmp_path, t=times)
    with find("arrays").open_file(path, recipe(time={"stored": stored})) as file:
        found = np.array([row.time for row in file.rows]).reshape(STATES, VISCOSITIES, T)
    expected = times[None] if stored == "t[n2]" else times.reshape(STATES, VISCOSITIES, T)
    np.testing.assert_array_equal(found, np.broadcast_to(expected, found.shape))


def test_a_mask_may_run_along_one_axis_of_a_sweep(tmp_path):
    solid = np.zeros((VISCOSITIES, X, Y), "i4")
    solid[np.arange(VISCOSITIES), np.arange(VISCOSITIES) + 1, 2] = 1
    path, _ = written(tmp_path, solid=solid)
    mask = {"stored": "solid", "solid": "nonzero", "layout": "n2 x y"}
    with find("arrays").open_file(path, recipe(mask=mask)) as file:
        for row, (_, nu) in enumerate(np.ndindex(STATES, VISCOSITIES)):
            np.testing.assert_array_equal(file.boundary(row) & 8 > 0, solid[nu] > 0)


def test_a_sweep_is_built_and_verified(tmp_path):
    written(tmp_path)
    dataset = Dataset(
        build(plan_build(recipe(), tmp_path, "zarr", "lz4"), tmp_path / "root", Resources(1)).folder
    )
    assert len(dataset.index.trajectories) == STATES * VISCOSITIES
    assert list(source_faults(dataset, tmp_path)) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layout": "n t x y"}, "layout 'n t x y': expected n1, n2"),
        ({"layout": "n1 n1 t x y"}, "each once"),
        ({"layout": "n n2 t x y"}, "each once"),
        (
            {"fields": [{"name": "u"}, {"name": "start", "constant": True, "layout": "n x y"}]},
            "expected n1, n2",
        ),
        ({"fields": [{"name": "u", "layout": "n2 n3 t x y"}], "layout": ""}, "expected n1, n2"),
    ],
)
def test_layouts_that_do_not_fit_together_are_refused(changes, words):
    with pytest.raises(SettingsError, match=words):
        recipe(**changes)


@pytest.mark.parametrize(
    ("scalars", "words"),
    [
        ({"nu": "nu"}, r'3 values; .*, write "nu\[n2\]"'),
        ({"nu": "nu[n1]"}, "3 values; expected 4, as the axis n1"),
        ({"nu": "nu[n3]"}, "no axis n3; found 2"),
    ],
)
def test_a_parameter_along_another_axis_is_refused(tmp_path, scalars, words):
    path, _ = written(tmp_path)
    with pytest.raises(SourceError, match=words), find("arrays").open_file(path, recipe(scalars=scalars)):
        pass


def test_arrays_with_axes_of_other_lengths_are_refused(tmp_path):
    path, _ = written(tmp_path, force=np.zeros((VISCOSITIES + 1, X, Y)))
    opened = find("arrays").open_file(path, recipe())
    with pytest.raises(SourceError, match="force: 4 trajectories along n2; other arrays have 3"), opened:
        pass
