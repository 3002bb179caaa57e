"""The numbers of a report against numpy, on data whose answers are known."""

from pathlib import Path

import numpy as np
import pytest

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.recipe import Recipe
from ingest.reporting.survey import BINS, STEPS, TRAJECTORIES, VALUES, sample_size, survey
from shards.program.settings import make
from shards.read import Dataset

N, T, X, Y = 3, 7, 6, 4
FLOW = np.random.default_rng(5).normal(3.0, 2.0, size=(N, T, X, Y, 2)).cumsum(1)
HEAT = np.random.default_rng(6).normal(size=(N, T, X, Y)).cumsum(1)
STONE = np.zeros((N, X, Y), "i4")
STONE[:2, 1, 2], STONE[2, 4, 0] = 1, 1
TABLES = {
    "name": "vortex",
    "source": "arrays",
    "title": "Vortices past a stone",
    "axes": ["x", "y"],
    "layout": "n t x y",
    "fields": [
        {"name": "flow", "rank": 1, "layout": "n t x y c"},
        {"name": "heat"},
        {"name": "depth", "constant": True, "layout": "n x y"},
    ],
    "time": {"stop": 3.0},
    "coordinates": {"x": {"lower": 0.0, "upper": 3.0}, "y": {"lower": 0.0, "upper": 1.0}},
    "boundaries": {"x": ["periodic", "periodic"], "y": ["wall", "open"]},
    "scalars": {"Re": "Re"},
    "split": {"train": 1.0, "valid": 0.0, "test": 0.0},
    "mask": {"stored": "stone", "solid": "nonzero", "layout": "n x y"},
}


def vortex(folder: Path, heat: np.ndarray = HEAT, **changes: object) -> Dataset:
    """Three trajectories in float64, a stone in each, at the same place in two of them."""
    depth = np.arange(N * X * Y, dtype="f8").reshape(N, X, Y)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / "a.npz", flow=FLOW, heat=heat, depth=depth, stone=STONE, Re=np.array([10.0, 20.0, 20.0])
    )
    recipe = make(Recipe, TABLES | changes, "vortex.toml")
    plan = plan_build(recipe, folder / "a.npz", "zarr", "lz4")
    return Dataset(build(plan, folder / "root", Resources(1)).folder)


def fluid(values: np.ndarray) -> np.ndarray:
    """Values [N, T, X, Y] outside the stones, one after the other: what the moments of the card are of."""
    return values.transpose(0, 2, 3, 1)[STONE == 0].ravel()


@pytest.mark.parametrize("values", [7, 2**19, 2**24, 2**27, 2**32])
def test_a_sample_is_bounded_however_large_a_frame_is(values):
    trajectories, steps = sample_size(values)
    assert 1 <= trajectories <= TRAJECTORIES
    assert 4 <= steps <= STEPS
    assert 2 * trajectories * steps * values <= max(VALUES, 8 * values)


def test_changes_are_in_standard_deviations_of_the_card(tmp_path):
    seen = survey(vortex(tmp_path))
    flow, heat = seen.summaries
    assert (flow.name, flow.components) == ("flow", ("flow_x", "flow_y"))
    change = np.sqrt(np.mean(np.diff(HEAT, axis=1) ** 2, axis=(2, 3))) / fluid(HEAT).std()
    assert [each.change_T for each in heat.changes] == [pytest.approx(row) for row in change]
    assert heat.changes[0].time_T == pytest.approx(np.linspace(0, 3, T)[:-1])
    std = np.sqrt(np.mean([fluid(FLOW[..., axis]).var() for axis in range(2)]))
    change = np.sqrt(np.mean(np.diff(FLOW, axis=1) ** 2, axis=(2, 3, 4))) / std
    assert flow.changes[2].change_T == pytest.approx(change[2])


def test_a_histogram_counts_every_sampled_value_once(tmp_path):
    heat = survey(vortex(tmp_path)).summaries[1]
    expected, _ = np.histogram(HEAT[:, :-1], heat.edges_B, density=True)
    assert heat.density_CB[0] == pytest.approx(expected)
    assert (heat.edges_B[0], heat.edges_B[-1]) == pytest.approx((HEAT.min(), HEAT.max()))


def test_one_wild_cell_does_not_squeeze_the_others_into_a_bin(tmp_path):
    wild = HEAT.copy()
    wild[1, 3, 2, 1] = 1e4
    heat = survey(vortex(tmp_path, wild)).summaries[1]
    assert heat.edges_B[-1] < 5e3
    assert (heat.density_CB * np.diff(heat.edges_B)).sum() == pytest.approx(1)
    assert heat.density_CB[0, -1] > 0


def test_a_positive_field_over_decades_has_bins_of_equal_ratio(tmp_path):
    heat = survey(vortex(tmp_path, np.exp(3 * HEAT))).summaries[1]
    assert heat.logarithmic
    assert np.diff(np.log(heat.edges_B)) == pytest.approx(
        [np.log(heat.edges_B[-1] / heat.edges_B[0]) / BINS] * BINS
    )


def test_a_spectrum_is_a_share_of_the_variance_at_three_times(tmp_path):
    x = np.arange(X)[:, None] + np.zeros(Y)
    waves = np.array([3.0, 0, 0, 2.0, 0, 1.0, 9.0])[:, None, None] * np.cos(2 * np.pi * x / X)
    seen = survey(
        vortex(tmp_path, np.stack([waves] * N), boundaries={axis: ["periodic"] * 2 for axis in "xy"})
    )
    # The last frame has no next one: the sample ends one before.
    assert seen.summaries[1].spectrum_TK[:, 0] == pytest.approx(3 * np.array([9, 4, 1]) / 14)


def test_pictures_are_in_physical_units_and_a_stone_has_no_values(tmp_path):
    seen = survey(vortex(tmp_path))
    (film,) = seen.snapshots
    assert (film.key, film.images_TCVU.shape) == ("a-00000", (6, 3, Y, X))
    upright = HEAT[0, 0].T[::-1].copy()
    upright[Y - 1 - 2, 1] = np.nan
    assert film.images_TCVU[0, 2] == pytest.approx(upright, nan_ok=True)
    assert (film.static_CVU[0] == np.arange(X * Y).reshape(X, Y).T[::-1]).all()
    assert len(seen.obstacles) == 2


def test_a_volume_is_looked_through_and_a_stone_hides_nothing(tmp_path):
    heat = np.random.default_rng(3).normal(size=(1, 4, 5, 4, 3))
    heat[0, :, 1, 2, 0] = 99
    stone = np.zeros((5, 4, 3), "i4")
    stone[1, 2, 0] = stone[3, 1, 1] = 1
    np.savez(tmp_path / "a.npz", heat=heat, stone=stone)
    axes = ["x", "y", "z"]
    changes = {
        "axes": axes,
        "layout": "n t x y z",
        "fields": [{"name": "heat"}],
        "coordinates": {axis: {"lower": 0.0, "upper": 1.0} for axis in axes},
        "boundaries": {axis: ["wall", "open"] for axis in axes},
        "mask": {"stored": "stone", "solid": "nonzero"},
        "scalars": {},
    }
    plan = plan_build(make(Recipe, TABLES | changes, "heat.toml"), tmp_path / "a.npz", "zarr", "lz4")
    seen = survey(Dataset(build(plan, tmp_path / "root", Resources(1)).folder))
    plane, through = seen.snapshots
    assert seen.view is plane.view
    values = np.where(stone, np.nan, heat[0, 0])
    assert plane.images_TCVU[0, 0] == pytest.approx(values[:, :, 1].T[::-1], nan_ok=True)
    places = np.nanargmax(np.abs(values), axis=2)
    largest = np.take_along_axis(values, places[:, :, None], 2)[:, :, 0]
    assert through.images_TCVU[0, 0] == pytest.approx(largest.T[::-1])
    assert through.view.cut == "largest along z"


def test_two_frames_are_one_step_at_all_three_times(tmp_path):
    fields = [{"name": "heat"}]
    (heat,) = survey(vortex(tmp_path, HEAT[:, :2], fields=fields)).summaries
    assert [len(each.change_T) for each in heat.changes] == [1, 1, 1]
    assert (heat.spectrum_TK > 0).all()
    assert (heat.spectrum_TK == heat.spectrum_TK[0]).all()


def test_parameters_come_with_their_split(tmp_path):
    seen = survey(vortex(tmp_path, split={"train": 0.4, "valid": 0.3, "test": 0.3}))
    found = [(split, scalars["Re"]) for split, scalars in seen.parameters]
    assert found == [("train", 10), ("valid", 20), ("test", 20)]
