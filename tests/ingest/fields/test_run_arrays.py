"""Runs of many files: what is wrong with one of them costs that run alone, and is said with its name."""

import os
import shutil
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest

from ingest.building.build import Resources, build
from ingest.building.inputs import find_inputs
from ingest.building.plan import plan_build
from ingest.building.verify import source_faults
from ingest.fields import run_arrays
from ingest.fields.overlaps import gap_notes
from ingest.fields.series import require_every_step
from ingest.recipe import Recipe
from ingest.source import find
from shards.errors import SettingsError, SourceError
from shards.program.settings import make
from shards.read import Dataset
from tests.ingest import solvers
from tests.ingest.solvers import TIME, U

TABLES = {
    "name": "wave",
    "source": "arrays",
    "title": "A wave along x",
    "axes": ["x", "y"],
    "layout": "t x y",
    "files": "{run}/out_{step}.h5",
    "fields": [{"name": "density", "stored": ["state/density"]}],
    "time": {"stored": "@time"},
    "coordinates": {"x": {"lower": 0.0, "upper": 2.0}, "y": {"lower": 0.0, "upper": 1.0}},
    "boundaries": {"x": ["periodic", "periodic"], "y": ["wall", "wall"]},
}
PIECES = {"files": "{run}_his_{piece}.nc", "fields": [{"name": "u"}], "time": {"stored": "time"}}


def recipe(**changes) -> Recipe:
    return make(Recipe, TABLES | changes, "wave.toml")


def opened_rows(folder: Path, described: Recipe):
    (found,) = find_inputs(described, folder)
    with find("arrays").open_file(found.place, described) as opened:
        return opened.rows, opened.frames(0, 0, len(opened.rows[0].time))


def spoil(path: Path, change) -> None:
    with h5py.File(path, "r+") as file:
        change(file)


def without(name: str):
    return lambda path: spoil(path, lambda file: file.__delitem__(name))


def not_a_number(path: Path) -> None:
    spoil(path, lambda file: file["state/density"].__setitem__((4, 2), np.nan))


def another_grid(path: Path) -> None:
    path.unlink()
    solvers.write_hdf5(path, {"state/density": np.ones((9, 8))}, time=0.5)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


FAULTS = [
    (Path.unlink, "step 20 is missing between the others"),
    (another_grid, "out_0020.h5:state/density: shape (9, 8); expected (9, 7) as in"),
    (cut, "out_0020.h5: truncated"),
    (without("state/density"), "out_0020.h5"),
    (not_a_number, "density is not finite in frame 2 (out_0020.h5)"),
    (
        lambda path: spoil(path, lambda file: file.attrs.__delitem__("time")),
        "out_0020.h5:: no attribute time",
    ),
]


def mark(name, file):
    file.attrs["run"] = name


@pytest.mark.parametrize(("harm", "words"), FAULTS, ids=["missing", "grid", "cut", "lacks", "nan", "time"])
def test_a_bad_file_in_the_middle_costs_its_run_only_and_is_named(tmp_path, harm, words):
    for name in ("a", "b", "c"):
        solvers.state_files(tmp_path / "in" / name)
        # Runs of equal bytes would be left out as copies.
        spoil(tmp_path / "in" / name / "out_0000.h5", partial(mark, name))
    harm(tmp_path / "in" / "b" / "out_0020.h5")
    done = build(plan_build(recipe(), tmp_path / "in", "zarr", "lz4"), tmp_path / "out", Resources(1))
    (left_out,) = done.card.quarantine
    assert left_out.path == "b/out_0000.h5"
    assert words in left_out.reason


def test_frames_that_two_pieces_hold_are_taken_from_the_later_one_and_told(tmp_path):
    (row,), frames = opened_rows(solvers.restart_pieces(tmp_path), recipe(**PIECES))
    np.testing.assert_array_equal(row.time, TIME)
    np.testing.assert_array_equal(frames[:, 0], U)
    assert row.files == ("basin_his_0001.nc",) * 2 + ("basin_his_0002.nc",) * 4
    (note,) = row.notes
    assert "2 frames of basin_his_0001.nc from t = 0.5 on: taken from basin_his_0002.nc" in note


def test_pieces_that_hold_other_values_at_one_time_are_no_run_unless_the_recipe_says_which_is_right(tmp_path):
    solvers.restart_pieces(tmp_path)
    with netCDF4.Dataset(tmp_path / "basin_his_0002.nc", "a") as file:
        file["u"][1, 2, 3] += 1
    with pytest.raises(SourceError, match=r"basin_his_0001.nc: u at t = 0.75 differs.*0002.nc, by up to 1;"):
        opened_rows(tmp_path, recipe(**PIECES))
    changed = U.copy()
    changed[3, 2, 3] += 1
    for overlap, values, first in (("later", changed, 2), ("earlier", U, 4)):
        (row,), frames = opened_rows(tmp_path, recipe(**PIECES, overlap=overlap))
        np.testing.assert_array_equal(frames[:, 0], values)
        assert row.time == tuple(TIME)
        assert row.files.count("basin_his_0001.nc") == first


def test_pieces_whose_times_begin_again_are_told_of_the_offset_which_joins_them(tmp_path):
    described = PIECES | {"files": "leg_{piece}.h5"}
    for piece, first in enumerate((0, 2)):
        path = tmp_path / f"leg_{piece}.h5"
        solvers.write_hdf5(path, {"u": U[first : first + 3], "time": TIME[:3]}, begin=first * 0.25)
    with pytest.raises(
        SourceError, match=r"times begin again in each file: .*offset = .previous."
    ) as refused:
        opened_rows(tmp_path, recipe(**described))
    assert "overlap" not in str(refused.value)

    for offset in ("@begin", "previous"):
        rule = {"stored": "time", "offset": offset}
        (row,), frames = opened_rows(tmp_path, recipe(**described | {"time": rule}))
        np.testing.assert_array_equal(row.time, TIME[:5])
        np.testing.assert_array_equal(frames[:, 0], U[:5])


def test_an_offset_counts_for_a_single_file_too_and_needs_times(tmp_path):
    solvers.write_hdf5(tmp_path / "a.h5", {"u": U, "time": TIME, "begin": 1.5})
    described = PIECES | {"files": "*.h5", "time": {"stored": "time", "offset": "begin"}}
    (row,), _ = opened_rows(tmp_path, recipe(**described))
    np.testing.assert_array_equal(row.time, 1.5 + TIME)
    with pytest.raises(SettingsError, match="offset 'begin' is added to stored times"):
        recipe(**PIECES | {"time": {"step": 0.5, "offset": "begin"}})


def test_a_state_that_was_copied_over_another_is_told_by_the_time_that_is_absent(tmp_path):
    solvers.state_files(tmp_path / "a")
    shutil.copy(tmp_path / "a" / "out_0020.h5", tmp_path / "a" / "out_0030.h5")
    (row,), frames = opened_rows(tmp_path, recipe())
    np.testing.assert_array_equal(frames[:, 0], 2 + U[[0, 1, 2, 4, 5]])
    assert row.notes == (
        "1 frame of out_0020.h5 from t = 0.5 on: taken from out_0030.h5, which has the same times",
        "no state at t = 0.75, between out_0030.h5 (t = 0.5) and out_0040.h5 (1)",
    )


def test_states_whose_times_do_not_increase_with_their_names_are_no_run(tmp_path):
    solvers.state_files(tmp_path / "a")
    (tmp_path / "a" / "out_0000.h5").rename(tmp_path / "a" / "out_0060.h5")
    with pytest.raises(SourceError, match=r"out_0010.h5: t = 0.25, but a later file begins earlier"):
        opened_rows(tmp_path, recipe())


def test_a_parameter_that_changes_from_file_to_file_is_none(tmp_path):
    solvers.state_files(tmp_path / "a")
    assert opened_rows(tmp_path, recipe(scalars={"gamma": "@gamma"}))[0][0].scalars == {"gamma": 1.4}
    with pytest.raises(
        SourceError, match=r"out_0010.h5: scalar clock \(@time\) is 0.25, but 0 in out_0000.h5;"
    ):
        opened_rows(tmp_path, recipe(scalars={"clock": "@time"}))


def test_a_stride_runs_on_over_the_files_of_a_run(tmp_path):
    solvers.restart_pieces(tmp_path / "pieces")
    (row,), frames = opened_rows(tmp_path / "pieces", recipe(**PIECES, stride=3))
    assert (row.time, row.files) == ((0.0, 0.75), ("basin_his_0001.nc", "basin_his_0002.nc"))
    np.testing.assert_array_equal(frames[:, 0], U[::3])

    solvers.state_files(tmp_path / "states" / "a")
    thinned = recipe(stride=2)
    plan = plan_build(thinned, tmp_path / "states", "zarr", "lz4")
    assert [part.frames for part in plan.parts] == [3]
    assert any("one of every 2 frames is taken" in note for note in plan.caveats)
    build(plan, tmp_path / "out", Resources(1))
    dataset = Dataset(tmp_path / "out" / "wave")
    assert list(source_faults(dataset, tmp_path / "states")) == []
    (entry,) = dataset.index.trajectories
    stored = np.empty((3, 1, *U.shape[1:]))
    dataset.read_frames(entry, range(3), stored)
    np.testing.assert_array_equal(stored[:, 0] * 2.0 ** dataset.card.powers["density"], 2 + U[::2])


def test_a_gap_between_pieces_is_told(tmp_path):
    (row,), frames = opened_rows(solvers.restart_pieces(tmp_path, ((0, 2), (4, 6))), recipe(**PIECES))
    assert len(frames) == 4
    assert row.notes == ("no frames between t = 0.25 (basin_his_0001.nc) and 1 (basin_his_0002.nc)",)


def test_pieces_without_stored_times_are_joined_as_they_are(tmp_path):
    described = recipe(**PIECES | {"time": {"step": 0.5}})
    (row,), frames = opened_rows(solvers.restart_pieces(tmp_path, ((0, 2), (2, 6))), described)
    np.testing.assert_array_equal(frames[:, 0], U)
    assert row.files == ("basin_his_0001.nc",) * 2 + ("basin_his_0002.nc",) * 4
    assert row.time == (0, 0.5, 1, 1.5, 2, 2.5)


def test_files_of_one_run_must_have_one_grid(tmp_path):
    for number, shift in enumerate((0.0, 0.1)):
        arrays = {"u": (("time", "x"), U[2 * number : 2 * number + 2, :, 0])}
        cells = {
            "time": (("time",), TIME[2 * number : 2 * number + 2]),
            "x": (("x",), solvers.CENTRES_X + shift),
        }
        solvers.write_netcdf(tmp_path / f"basin_his_{number}.nc", arrays | cells)
    line = {"axes": ["x"], "layout": "t x", "boundaries": {"x": ["wall", "wall"]}}
    described = recipe(**PIECES, **line, coordinates={"x": {"stored": "x"}})
    with pytest.raises(
        Exception, match=r"basin_his_1.nc: other cell centres or blocks than in .*basin_his_0.nc"
    ):
        opened_rows(tmp_path, described)


def test_variables_of_other_times_are_not_one_run(tmp_path):
    solvers.variable_files(tmp_path)
    arrays = {"p": (("time", "x", "y"), U), "time": (("time",), TIME + 0.1)}
    solvers.write_netcdf(tmp_path / "p.nc", arrays)
    described = recipe(files="{variable}.nc", fields=[{"name": "u"}, {"name": "p"}], time={"stored": "time"})
    with pytest.raises(Exception, match="expected the same times and coordinates in all files of a run"):
        opened_rows(tmp_path, described)


def test_a_change_of_any_file_of_a_run_is_a_change_of_the_run(tmp_path):
    solvers.state_files(tmp_path / "a")
    before = find_inputs(recipe(), tmp_path)
    not_a_number(tmp_path / "a" / "out_0020.h5")
    after = find_inputs(recipe(), tmp_path)
    assert [each.path for each in before] == ["a/out_0000.h5"]
    assert before[0].digest != after[0].digest


def test_a_split_is_the_folder_of_its_runs(tmp_path):
    solvers.state_files(tmp_path / "test" / "a")
    (found,) = find_inputs(recipe(), tmp_path)
    assert (found.run, found.split) == ("a", "test")


def test_a_folder_of_a_split_may_be_a_part_of_the_pattern_and_have_another_common_name(tmp_path):
    for folder in ("train", "val", "Testing", "other"):
        solvers.state_files(tmp_path / folder / "a")
    found = find_inputs(recipe(files="{set}/{run}/out_{step}.h5"), tmp_path)
    splits = {each.run: each.split for each in found}
    assert splits == {"train-a": "train", "val-a": "valid", "Testing-a": "test", "other-a": None}


def test_few_files_are_open_at_a_time(tmp_path):
    count = 3 * run_arrays.OPEN
    for k in range(count):
        solvers.write_hdf5(tmp_path / "a" / f"out_{k}.h5", {"state/density": U[0] + k}, time=float(k))
    described = recipe()
    (found,) = find_inputs(described, tmp_path)

    with find("arrays").open_file(found.place, described) as opened:
        frames = opened.frames(0, 0, count)
        assert 0 < handles() <= run_arrays.OPEN
    assert handles() == 0
    np.testing.assert_array_equal(frames[:, 0, 0, 0], U[0, 0, 0] + np.arange(count))


def handles() -> int:
    """How many HDF5 files this process holds open."""
    links = [Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd")]
    return sum(os.readlink(link).endswith(".h5") for link in links if link.is_symlink())


@pytest.mark.parametrize(
    ("steps", "lost"),
    [
        (("0.0", "0.05", "0.1", "0.15", "0.2", "1.0", "10.5"), False),
        (("0", "1", "2", "3", "5", "7", "9"), False),
        (("0", "1", "2", "4", "5"), True),
        (("0", "1", "2", "3", "5"), True),
    ],
)
def test_times_in_names_that_lie_further_apart_towards_the_end_are_no_gap(steps, lost):
    times = tuple(map(float, steps))
    with pytest.raises(SourceError, match="is missing between") if lost else nullcontext():
        require_every_step("run", steps, times)
    assert bool(list(gap_notes([(time,) for time in times], steps))) == lost
