"""Lists of times, cell centres and channels in files of their own are those of the array next to them."""

import json
import tomllib

import numpy as np
import pytest

from ingest.building.inputs import find_inputs
from ingest.drafting.draft import draft
from ingest.recipe import Recipe
from ingest.source import find
from shards.errors import SourceError
from shards.program.settings import make
from tests.ingest.layouts.trial import brought, edited
from tests.ingest.layouts.writers import Right, save
from tests.ingest.solvers import CENTRES_X, CENTRES_Y, TIME, P, T, U, V

TIMES = TIME**2 + 0.5


def a_list_of_numpy(folder):
    np.save(folder / "times.npy", TIMES)


def a_column_of_numpy(folder):
    np.save(folder / "t.npy", TIMES[:, None])


def a_text_with_a_number_per_line(folder):
    np.savetxt(folder / "t.txt", TIMES, header="t")


def a_text_with_all_numbers_in_a_line(folder):
    (folder / "time.csv").write_text(",".join(map(repr, TIMES.tolist())))


def a_column_of_a_table(folder):
    rows = [f"{k},{time!r},{k % 2}" for k, time in enumerate(TIMES.tolist())]
    (folder / "history.csv").write_text("\n".join(["k,time,energy", *rows]))


def a_list_in_json(folder):
    (folder / "meta.json").write_text(json.dumps({"run": {"times": TIMES.tolist()}}))


LISTS = [
    a_list_of_numpy,
    a_column_of_numpy,
    a_text_with_a_number_per_line,
    a_text_with_all_numbers_in_a_line,
    a_column_of_a_table,
    a_list_in_json,
]


@pytest.mark.parametrize("write", LISTS)
def test_times_next_to_an_array_are_those_of_its_frames(tmp_path, write):
    save(tmp_path / "u.npy", U)
    write(tmp_path)
    text = draft(tmp_path)
    assert '\nlayout = "t x y"' in text
    # Two files of numpy are variables of one run.
    assert ("# CHECK: of a file next to the data; 6 frames" in text) == ("{variable}" not in text)
    assert "Not taken" not in text
    assert "not used" not in text
    found = brought(Right(tmp_path))
    np.testing.assert_array_equal(found.rows[0].time, TIMES)
    np.testing.assert_array_equal(next(iter(found.channels.values())), [U])


def test_each_run_has_its_own_times_or_all_have_those_above(tmp_path):
    for run, values in enumerate((U, V)):
        save(tmp_path / "own" / f"run_{run}" / "u.npy", values)
        np.save(tmp_path / "own" / f"run_{run}" / "times.npy", TIMES + run)
        save(tmp_path / "same" / f"u_{run}.npy", values)
    np.save(tmp_path / "same" / "times.npy", TIMES)
    assert [row.time for row in brought(Right(tmp_path / "own")).rows] == [tuple(TIMES), tuple(TIMES + 1)]
    assert [row.time for row in brought(Right(tmp_path / "same")).rows] == [tuple(TIMES)] * 2


def test_states_in_files_have_the_times_of_a_list(tmp_path):
    for step in range(T):
        save(tmp_path / f"u_{step:04d}.npy", U[step])
    np.savetxt(tmp_path / "times.txt", TIMES)
    found = brought(Right(tmp_path))
    np.testing.assert_array_equal(found.rows[0].time, TIMES)
    np.testing.assert_array_equal(found.channels["data"], [U])


def test_cell_centres_next_to_an_array_are_taken(tmp_path):
    save(tmp_path / "u_0.npy", U)
    save(tmp_path / "u_1.npy", V)
    for name, values in (("t", TIMES), ("x", CENTRES_X), ("y_coords", CENTRES_Y)):
        np.savetxt(tmp_path / f"{name}.txt", values)
    text = draft(tmp_path)
    assert 'x = { stored = "x.txt" }' in text
    assert 'y = { stored = "y_coords.txt" }' in text
    recipe = make(Recipe, tomllib.loads(edited(text, masked=False)), "draft")
    with find("arrays").open_file(tmp_path / "u_0.npy", recipe) as file:
        assert file.schema.grid.coordinates == (tuple(CENTRES_X), tuple(CENTRES_Y))


@pytest.mark.parametrize("values", [TIMES[:-2], np.stack([TIMES, TIMES], axis=1)])
def test_a_list_that_fits_no_axis_is_named_and_not_taken(tmp_path, values):
    save(tmp_path / "u.npy", U)
    np.savetxt(tmp_path / "times.txt", values)
    text = draft(tmp_path)
    assert "not used: times.txt" in text
    assert "\n[time]" not in text


def test_a_list_next_to_runs_that_differ_in_a_word_is_no_run(tmp_path):
    save(tmp_path / "train_data.npy", U)
    save(tmp_path / "test_data.npy", V)
    np.save(tmp_path / "times.npy", TIMES)
    found = brought(Right(tmp_path))
    assert [row.time for row in found.rows] == [tuple(TIMES)] * 2


def test_meshgrids_in_files_of_their_own_are_the_cell_centres(tmp_path):
    x, y = np.meshgrid(CENTRES_X, CENTRES_Y, indexing="ij")
    for name, values in {"u": U, "t": TIMES, "x": x, "y": y}.items():
        save(tmp_path / "apart" / f"{name}.npy", values)
    np.savez(tmp_path / "run.npz", u=U, x=x, y=y)
    for source in (tmp_path / "apart", tmp_path / "run.npz"):
        text = draft(source)
        assert 'x = { stored = "x" }' in text
        assert '"u"' in text


def test_lists_of_a_split_are_named_in_one_line(tmp_path):
    lists = {"train_idx": np.arange(3), "test_idx": np.arange(3, 5)}
    np.savez(tmp_path / "runs.npz", u=np.stack([U] * 5), t=TIMES, **lists)
    assert "#   test_idx, train_idx: the trajectories of a split; to keep it, save each" in draft(tmp_path)


def test_times_of_the_data_come_first(tmp_path):
    np.savez(tmp_path / "run.npz", u=U, t=TIME)
    np.save(tmp_path / "times.npy", TIMES)
    assert 'stored = "t"' in draft(tmp_path / "run.npz")


def test_a_single_file_is_drafted_without_the_lists_next_to_it(tmp_path):
    save(tmp_path / "u.npy", U)
    np.save(tmp_path / "times.npy", TIMES)
    text = edited(draft(tmp_path / "u.npy"), masked=False)
    assert 'files = "u.npy"' in text
    assert [each.path for each in find_inputs(make(Recipe, tomllib.loads(text), "draft"), tmp_path)] == [
        "u.npy"
    ]


def test_a_change_of_the_list_is_a_change_of_the_data_and_a_lost_one_is_told(tmp_path):
    np.savez(tmp_path / "u.npz", u=U)
    np.save(tmp_path / "times.npy", TIMES)
    recipe = make(Recipe, tomllib.loads(edited(draft(tmp_path), masked=False)), "draft")
    (before,) = find_inputs(recipe, tmp_path)
    np.save(tmp_path / "times.npy", TIMES + 1)
    (after,) = find_inputs(recipe, tmp_path)
    assert before.digest != after.digest
    (tmp_path / "times.npy").unlink()
    with (
        pytest.raises(SourceError, match=r"no times\.npy next to it; expected one; add it"),
        find("arrays").open_file(tmp_path / "u.npz", recipe),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "held"),
    [("meta.json", {"fields": ["rho", "u", "p"]}), ("field_names.json", ["rho", "u", "p"])],
)
def test_names_of_channels_next_to_an_array_are_those_of_its_fields(tmp_path, name, held):
    save(tmp_path / "data.npy", np.stack([U, V, P], axis=1))
    np.save(tmp_path / "times.npy", TIMES)
    (tmp_path / name).write_text(json.dumps(held))
    found = brought(Right(tmp_path))
    np.testing.assert_array_equal(
        np.stack([found.channels[each][0] for each in ("rho", "u", "p")]), [U, V, P]
    )
    assert 'name = "rho"  # CHECK: channel 0 of 3, as the file lists them' in draft(tmp_path)


def test_lists_next_to_raw_files_are_refused_with_what_to_do_with_these(tmp_path):
    for run in range(2):
        save(tmp_path / f"run{run}" / "x.npy", CENTRES_X)
        save(tmp_path / f"run{run}" / "mask.npy", np.ones((9, 7), bool))
        U.tofile(tmp_path / f"run{run}" / "u.dat")
    with pytest.raises(SourceError, match=r"if run\d/u.dat holds the fields, .*numpy.fromfile"):
        draft(tmp_path)


def test_a_log_next_to_numbered_states_may_hold_their_times(tmp_path):
    for step in range(T):
        save(tmp_path / f"rho_{100 * step}.npy", U[step])
    (tmp_path / "log.txt").write_text("step 0 time 0.0\nstep 100 time 0.31\n")
    assert "# If they hold the times, write these to times.txt" in draft(tmp_path)
    np.savetxt(tmp_path / "times.txt", TIME**2)
    text = draft(tmp_path)
    assert 'stored = "times.txt"' in text
    assert "If they hold the times" not in text
