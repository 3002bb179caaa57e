"""Layouts of real solvers: each is read by a recipe alone, and every value compared with what was written."""

import numpy as np
import pytest

from ingest.building.build import Resources, build
from ingest.building.inputs import find_inputs
from ingest.building.plan import plan_build
from ingest.recipe import Recipe
from ingest.source import find
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
