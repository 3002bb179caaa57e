"""Layouts of real solvers: each is read by a recipe alone, and every value compared with what was written."""

import h5py
import numpy as np
import pytest

from ingest.building.build import Resources, build
from ingest.building.inputs import find_inputs
from ingest.building.plan import plan_build
from ingest.recipe import Recipe
from ingest.source import find
from shards.errors import SourceError
from shards.program.settings import make
from shards.read import Dataset
from tests.ingest import solvers
from tests.ingest.solvers import TIME, P, U, V

TABLES = {
    "name": "wave",
    "source": "arrays",
    "title": "A wave along x",
    "axes": ["x", "y"],
    "layout": "t x y",
    "time": {"stored": "time"},
    "coordinates": {"x": {"lower": 0.0, "upper": 2.0}, "y": {"lower": 0.0, "upper": 1.0}},
    "boundaries": {"x": ["periodic", "periodic"], "y": ["wall", "wall"]},
}
STORED_CELLS = {"x": {"stored": "x"}, "y": {"stored": "y"}}


def recipe(**changes) -> Recipe:
    return make(Recipe, TABLES | changes, "wave.toml")


def scalar(*stored: str) -> list[dict]:
    return [{"name": f"f{number}", "stored": [name]} for number, name in enumerate(stored)]


def vector(*stored: str, layout: str = "") -> dict:
    return {"name": "velocity", "rank": 1, "stored": list(stored), "layout": layout}


MOMENTUM = vector("state/x-momentum", "state/y-momentum")
# How it is written, name of the file or folder, recipe, and the frames [T, C, X, Y].
LAYOUTS = [
    (
        solvers.state_files,
        "re_100",
        {
            "files": "out_{step}.h5",
            "fields": [*scalar("state/density"), MOMENTUM],
            "time": {"stored": "@time"},
            "scalars": {"gamma": "@gamma"},
        },
        [2 + U, V, P],
    ),
    (
        solvers.history_files,
        "history",
        {
            "files": "out_{step}.nc",
            "layout": "t y x",
            "fields": scalar("th", "qv"),
            "coordinates": {"x": {"stored": "xh"}, "y": {"stored": "yh"}},
        },
        [U, V],
    ),
    (solvers.restart_pieces, "pieces", {"files": "{run}_his_{piece}.nc", "fields": scalar("u")}, [U]),
    (
        solvers.variable_files,
        "variables",
        {"files": "{variable}.nc", "fields": scalar("u", "v", "p"), "coordinates": STORED_CELLS},
        [U, V, P],
    ),
    (
        solvers.group_per_step,
        "steps.h5",
        {
            "fields": [*scalar("step_{step}/rho"), vector("step_{step}/vel", layout="t x y c")],
            "time": {"stored": "step_{step}@time"},
        },
        [U, V, P],
    ),
    (solvers.slices, "slices.h5", {"fields": scalar("{step}/data"), "time": {"stored": "{step}/time"}}, [U]),
    (
        solvers.steps_below_fields,
        "below.h5",
        {
            "layout": "t y x",
            "crop": {"x": [3, 3], "y": [3, 3]},
            "fields": scalar("timeseries/b/{step}"),
            "time": {"stored": "timeseries/t/{step}"},
        },
        [U],
    ),
    (
        solvers.openpmd,
        "data.h5",
        {
            "fields": [
                *scalar("data/{step}/meshes/rho"),
                vector("data/{step}/meshes/E/x", "data/{step}/meshes/E/y"),
            ],
            "time": {"stored": "data/{step}@time"},
        },
        [P, U, V],
    ),
    (
        solvers.array_per_step,
        "steps.zarr",
        {"fields": scalar("u_{step}"), "time": {"stored": "{step}", "step": 0.05}},
        [U],
    ),
]


@pytest.mark.parametrize(
    ("write", "name", "changes", "expected"), LAYOUTS, ids=[each[0].__name__ for each in LAYOUTS]
)
def test_a_layout_is_read_by_its_recipe(tmp_path, write, name, changes, expected):
    described = recipe(**changes)
    (found,) = find_inputs(described, write(tmp_path / name))
    with find("arrays").open_file(found.place, described) as opened:
        (row,) = opened.rows
        np.testing.assert_allclose(row.time, TIME)
        frames = opened.frames(0, 0, len(TIME))
        np.testing.assert_array_equal(frames, np.stack(expected, 1).astype(frames.dtype))
        # In any order, a few at a time.
        np.testing.assert_array_equal(opened.frames(0, 3, 6), frames[3:6])
        np.testing.assert_array_equal(opened.frames(0, 1, 2), frames[1:2])


def test_each_folder_of_states_is_a_run_and_its_name_the_key(tmp_path):
    for name in ("re_100", "re_200"):
        solvers.state_files(tmp_path / "in" / name)
    described = recipe(
        files="{run}/out_{step}.h5", fields=[*scalar("state/density"), MOMENTUM], time={"stored": "@time"}
    )
    build(plan_build(described, tmp_path / "in", "zarr", "lz4"), tmp_path / "out", Resources(1))
    dataset = Dataset(tmp_path / "out" / "wave")
    entries = [entry for split in ("train", "valid", "test") for entry in dataset.entries(split)]
    assert sorted(entry.key for entry in entries) == ["re_100-00000", "re_200-00000"]
    assert [entry.frames for entry in entries] == [6, 6]


def opened_frames(path, described):
    (found,) = find_inputs(described, path)
    with find("arrays").open_file(found.place, described) as opened:
        return opened.frames(0, 0, len(TIME)), opened.static(0), opened.boundary(0), opened.rows[0].notes


@pytest.mark.parametrize(
    ("mask", "solid"),
    [
        ({"stored": "solid", "solid": "nonzero"}, solvers.solid_cells()),
        ({"stored": "u", "solid": "nan"}, solvers.solid_cells()),
    ],
)
def test_not_a_number_on_land_is_stored_as_zero_and_does_not_count(tmp_path, mask, solid):
    path = solvers.land(tmp_path / "land.h5")
    described = recipe(fields=scalar("u"), mask=mask)
    frames, _, boundary, _ = opened_frames(path, described)
    np.testing.assert_array_equal(boundary & 8 > 0, solid)
    np.testing.assert_array_equal(frames[:, 0], np.where(solid, 0, U))
    card = build(plan_build(described, path, "zarr", "lz4"), tmp_path / "out", Resources(1)).card
    assert card.quarantine == ()
    moments = card.moments["f0"]
    assert moments.count == U[:, ~solid].size
    np.testing.assert_allclose(moments.mean, U[:, ~solid].mean())
    np.testing.assert_allclose(moments.std, U[:, ~solid].std())


def test_not_a_number_in_the_water_still_costs_the_run(tmp_path):
    path = solvers.land(tmp_path / "land.h5")
    with h5py.File(path, "r+") as file:
        file["u"][2, 0, 0] = np.nan
    for mask in ({"stored": "solid", "solid": "nonzero"}, {"stored": "u", "solid": "nan"}):
        described = recipe(fields=scalar("u"), mask=mask)
        plan = plan_build(described, path, "zarr", "lz4")
        with pytest.raises(SourceError, match="f0 is not finite in frame 2"):
            build(plan, tmp_path / mask["solid"], Resources(1))


def test_a_mask_that_moves_is_the_union_of_its_frames_and_told(tmp_path):
    path = solvers.land(tmp_path / "land.h5")
    described = recipe(fields=scalar("u"), mask={"stored": "moving", "solid": "nonzero"})
    _, _, boundary, notes = opened_frames(path, described)
    expected = np.any([np.roll(solvers.solid_cells(), k, axis=0) for k in range(len(TIME))], axis=0)
    np.testing.assert_array_equal(boundary & 8 > 0, expected)
    assert "a cell that is solid in one frame is solid in all" in notes[0]


def test_a_constant_field_may_be_stored_once_per_frame(tmp_path):
    fields = [*scalar("u"), {"name": "orog", "constant": True, "layout": "t x y"}]
    path = solvers.still(tmp_path / "still.h5")
    _, static, _, _ = opened_frames(path, recipe(fields=fields))
    np.testing.assert_array_equal(static[0], P[0])
    with h5py.File(path, "r+") as file:
        file["orog"][4, 0, 0] += 1
    with pytest.raises(SourceError, match="changes in frame 4; expected a constant field"):
        opened_frames(path, recipe(fields=fields))


def test_a_field_at_rest_ends_the_run_unless_it_is_kept(tmp_path):
    path = solvers.still(tmp_path / "still.h5")
    plan = plan_build(recipe(fields=scalar("u", "w")), path, "zarr", "lz4")
    with pytest.raises(SourceError, match='f1 never changes; declare it constant, set at_rest = "keep"'):
        build(plan, tmp_path / "refused", Resources(1))
    plan = plan_build(recipe(fields=scalar("u", "w"), at_rest="keep"), path, "zarr", "lz4")
    assert build(plan, tmp_path / "kept", Resources(1)).card.quarantine == ()


def test_a_constant_field_makes_no_trajectories(tmp_path):
    fields = [*scalar("u"), {"name": "orog", "constant": True, "layout": "n x y"}]
    with pytest.raises(SourceError, match="would give 6 equal trajectories"):
        opened_frames(solvers.still(tmp_path / "still.h5"), recipe(fields=fields))


def test_an_end_that_repeats_the_start_is_told_until_it_is_cut(tmp_path):
    path = solvers.linspace_ends(tmp_path / "ends.h5")
    (note,) = plan_build(recipe(fields=scalar("u")), path, "zarr", "lz4").caveats
    assert "repeat the first ones" in note
    assert "crop = { x = [0, 1] }" in note
    cut = recipe(fields=scalar("u"), crop={"x": [0, 1]})
    assert plan_build(cut, path, "zarr", "lz4").caveats == ()
    np.testing.assert_array_equal(opened_frames(path, cut)[0][:, 0], U)


def test_an_axis_that_runs_downwards_may_not_be_mirrored_by_its_ends(tmp_path):
    down = {"u": U, "y": solvers.CENTRES_Y[::-1], "time": TIME}
    path = solvers.write_hdf5(tmp_path / "down.h5", down)
    with pytest.raises(SourceError, match="decreases, from"):
        opened_frames(path, recipe(fields=scalar("u")))
    coordinates = TABLES["coordinates"] | {"y": {"stored": "y"}}
    np.testing.assert_array_equal(
        opened_frames(path, recipe(fields=scalar("u"), coordinates=coordinates))[0][:, 0], U
    )


@pytest.mark.parametrize("rounding", [0.0, 1e-9])
def test_a_meshgrid_is_reduced_to_its_lines(tmp_path, rounding):
    x, y = np.meshgrid(solvers.CENTRES_X, solvers.CENTRES_Y, indexing="ij")
    np.savez(tmp_path / "a.npz", u=U, time=TIME, X=x + rounding * y, Y=y)
    coordinates = {"x": {"stored": "X"}, "y": {"stored": "Y"}}
    described = recipe(fields=scalar("u"), coordinates=coordinates)
    with find("arrays").open_file(tmp_path / "a.npz", described) as opened:
        np.testing.assert_allclose(opened.schema.grid.coordinates[0], solvers.CENTRES_X, atol=1e-8)
        np.testing.assert_allclose(opened.schema.grid.coordinates[1], solvers.CENTRES_Y)
    bent = recipe(fields=scalar("u"), coordinates={"x": {"stored": "Y"}, "y": {"stored": "Y"}})
    with pytest.raises(SourceError, match="expected 9 cell centres of x"):
        opened_frames(tmp_path / "a.npz", bent)
