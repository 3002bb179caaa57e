"""A time step that differs between runs is read from its place, wherever it is."""

import json
import tomllib

import h5py
import numpy as np
import pytest

from ingest.building.inputs import find_inputs
from ingest.drafting.draft import draft
from ingest.recipe import Recipe
from ingest.source import find
from shards.errors import SourceError
from shards.program.settings import make
from tests.ingest.layouts.trial import edited
from tests.ingest.solvers import U, write_hdf5

STEPS = (0.1, 0.25, 0.05)


def built(folder) -> tuple[str, list[tuple[float, ...]]]:
    """The draft of a folder, and the times of all runs that its edited recipe gives."""
    text = draft(folder)
    recipe = make(Recipe, tomllib.loads(edited(text, masked=False)), "draft")
    times = []
    for each in find_inputs(recipe, folder):
        with find("arrays").open_file(each.place, recipe) as file:
            times += [row.time for row in file.rows]
    return text, times


def write_runs(folder, place: str) -> None:
    """Three runs with a step each: in an attribute, an array, a file next to them, or one of their group."""
    for number, step in enumerate(STEPS):
        path = folder / f"sim_{number}.h5"
        if place == "group":
            path = folder / "sims.h5"
            with h5py.File(path, "a") as file:
                file[f"sim_{number}/T"] = U + number
                file[f"sim_{number}"].attrs["dt"] = step
            continue
        write_hdf5(path, {"T": U + number} | ({"dt": step} if place == "array" else {}))
        if place == "attribute":
            with h5py.File(path, "a") as file:
                file.attrs["dt"] = step
        if place == "next to it":
            path.with_suffix(".json").write_text(json.dumps({"time": {"dt": step}}))


@pytest.mark.parametrize(
    ("place", "rule"),
    [
        ("attribute", '"@dt"'),
        ("array", '"dt"'),
        ("group", '"*@dt"'),
        ("next to it", '"sim_{run}.json#time.dt"'),
    ],
)
def test_each_run_has_the_step_that_it_states(tmp_path, place, rule):
    write_runs(tmp_path, place)
    text, times = built(tmp_path)
    assert f"# step = {rule}  # 0.05 to 0.25 in the runs" in text
    np.testing.assert_allclose(times, np.outer(STEPS, np.arange(len(U))), rtol=1e-12)


def test_states_of_runs_count_steps_of_their_run(tmp_path):
    for run, step in enumerate(STEPS):
        for k in range(3):
            write_hdf5(tmp_path / f"run{run}" / f"out_{10 * k:04d}.h5", {"T": U[k] + run}, dt=step)
    text, times = built(tmp_path)
    assert 'step = "@dt"  # CHECK: dt, 0.05 to 0.25 in the runs, multiplied by the number' in text
    np.testing.assert_allclose(times, np.outer(STEPS, [0, 10, 20]), rtol=1e-12)


def test_a_step_that_some_runs_lack_is_told(tmp_path):
    for number, attributes in enumerate(({"dt": 0.1}, {}, {"dt": 0.1})):
        write_hdf5(tmp_path / f"sim_{number}.h5", {"T": U + number}, **attributes)
    assert "CHECK: some runs have none, and would be left out" in draft(tmp_path)


def test_a_step_that_is_the_same_in_all_runs_is_a_number(tmp_path):
    for number in range(3):
        write_hdf5(tmp_path / f"sim_{number}.h5", {"T": U + number}, dt=0.1)
    assert "# step = 0.1  # the attribute dt, right" in draft(tmp_path)


def test_a_step_below_zero_and_a_place_that_another_source_would_need_are_refused(tmp_path):
    write_runs(tmp_path, "attribute")
    recipe = tomllib.loads(edited(draft(tmp_path), masked=False))
    write_hdf5(tmp_path / "sim_0.h5", {"T": U}, dt=-0.1)
    with pytest.raises(SourceError, match=r"@dt: the step is -0\.1; expected more than 0"):
        find("arrays").open_file(tmp_path / "sim_0.h5", make(Recipe, recipe, "draft")).__enter__()
    with pytest.raises(Exception, match="step '@dt': source bubbleml reads no place; write a number"):
        make(Recipe, recipe | {"source": "bubbleml", "files": "*.h5"}, "draft")
