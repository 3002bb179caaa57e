"""A few files that cannot be read are left out of a draft, and named; suffixes may be in upper case."""

import tomllib

import numpy as np
import pytest

from ingest.building.inputs import find_inputs
from ingest.drafting.draft import draft
from ingest.inspecting.inspect import inspect
from ingest.recipe import Recipe
from ingest.source import find
from shards.errors import SourceError
from shards.program.settings import make
from tests.ingest.layouts.trial import edited
from tests.ingest.solvers import CENTRES_X, CENTRES_Y, TIME, T, U, write_hdf5

GRID = {"t": TIME, "x": CENTRES_X, "y": CENTRES_Y}


def first_values(folder) -> list[np.ndarray]:
    """The first frames [X, Y] of all runs, as the recipe of the edited draft gives them."""
    recipe = make(Recipe, tomllib.loads(edited(draft(folder), masked=False)), "draft")
    found = []
    for each in find_inputs(recipe, folder):
        with find("arrays").open_file(each.place, recipe) as file:
            found += [file.frames(number, 0, 1)[0, 0] for number, _ in enumerate(file.rows)]
    return found


@pytest.mark.parametrize("name", ["RUN_{}.H5", "run_{}.{}"])
def test_runs_whose_suffixes_are_in_upper_case_are_taken(tmp_path, name):
    for number, suffix in enumerate(("h5", "H5", "h5", "H5")):
        write_hdf5(tmp_path / name.format(number, suffix), {"T": U + number, **GRID})
    assert "4 files of 4 runs" in draft(tmp_path)
    np.testing.assert_array_equal(first_values(tmp_path), [U[0] + number for number in range(4)])


def test_states_whose_suffixes_are_in_upper_case_are_one_run(tmp_path):
    for k in range(T):
        path = tmp_path / f"out_{k:03d}.{'NPZ' if k % 2 else 'npz'}"
        with path.open("wb") as file:
            np.savez(file, T=U[k], time=TIME[k], x=CENTRES_X, y=CENTRES_Y)
    recipe = make(Recipe, tomllib.loads(edited(draft(tmp_path), masked=False)), "draft")
    assert recipe.files == "out_{step}.npz"
    (run,) = find_inputs(recipe, tmp_path)
    with find("arrays").open_file(run.place, recipe) as file:
        assert file.rows[0].time == tuple(TIME)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"", "run_1.h5 (found an empty file)"),
        (None, "run_1.h5 (truncated: 3000 of "),
        (b"<!doctype html>", "run_1.h5 (found an HTML page of 15 bytes)"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_drafted(tmp_path, bad, reason, place):
    for number in range(3):
        write_hdf5(tmp_path / f"run_{number}.h5", {"T": U + number, **GRID})
    path = tmp_path / f"run_{place}.h5"
    path.write_bytes(path.read_bytes()[:3000] if bad is None else bad)
    text = draft(tmp_path)
    named = reason.replace("run_1", f"run_{place}")
    assert f"# CHECK: 1 file cannot be read, and not taken: {named}" in text
    assert 'files = "run_*.h5"' in text
    assert any(note.startswith(f"not read: {named}") for note in inspect(tmp_path).notes)


def test_a_broken_link_next_to_files_of_variables_is_named(tmp_path):
    write_hdf5(tmp_path / "rho.h5", {"rho": U, **GRID})
    write_hdf5(tmp_path / "u.h5", {"u": U, **GRID})
    (tmp_path / "latest.h5").symlink_to(tmp_path / "nowhere.h5")
    text = draft(tmp_path)
    assert "latest.h5 (there is no such file or folder)" in text
    assert 'files = "{variable}.h5"' in text


def test_a_folder_in_which_most_files_cannot_be_read_is_refused_as_before(tmp_path):
    write_hdf5(tmp_path / "grid.h5", {"T": U, **GRID})
    for number in range(3):
        (tmp_path / f"run_{number}.h5").write_bytes(b"<!doctype html>")
    with pytest.raises(SourceError, match="found an HTML page"):
        draft(tmp_path)
