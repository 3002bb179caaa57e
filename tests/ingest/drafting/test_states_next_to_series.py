"""A series and states of the same run in one folder: the series is the run, and no state is lost unseen."""

import numpy as np
import pytest

from ingest.building.inputs import find_inputs
from ingest.drafting.draft import draft
from ingest.inspecting.folder import look_through
from shards.counted import counted
from shards.errors import SourceError
from tests.ingest.layouts.trial import recipe_of
from tests.ingest.layouts.writers import CELLS, Right
from tests.ingest.solvers import TIME, U, write_hdf5

SERIES = {"u": U, "t": TIME, **CELLS}


def state(*names):
    """The last state, and with it fields that the series has not."""
    return {**{name: U[-1] for name in names}, **CELLS}


KINDS = {
    "results.h5": ("dump_0500.h5", "dump_0600.h5"),
    "run_a/out.h5": ("run_a/init.h5",),
    "b/flow.h5": ("b/flow_final.h5", "b/start.h5"),
    "series.h5": ("chkpt_1.h5", "chkpt_2.h5", "chkpt_3.h5"),
    "data/all.h5": ("data/state-1.h5", "data/state-2.h5", "data/IC.h5"),
    "one.h5": ("one_initial_condition.h5",),
}


@pytest.mark.parametrize("series", KINDS)
def test_the_series_is_the_run_and_states_next_to_it_are_named(tmp_path, series):
    write_hdf5(tmp_path / "in" / series, SERIES)
    for name in KINDS[series]:
        write_hdf5(tmp_path / "in" / name, state("u", "T"))
    found = look_through(tmp_path / "in")
    assert (found.kind, found.files, found.others) == ("runs", 1, tuple(sorted(KINDS[series])))
    count = len(KINDS[series])
    assert f"# CHECK: not taken, with fields in them, {counted(count, 'file')}: " in draft(tmp_path / "in")
    assert [file.path for file in find_inputs(recipe_of(Right(tmp_path / "in")), tmp_path / "in")] == [series]


def test_a_restart_file_whose_name_fits_those_of_the_runs_is_excluded(tmp_path):
    for number, name in enumerate(("cylinder", "wing")):
        write_hdf5(tmp_path / f"{name}.h5", SERIES | {"u": U + number})
    write_hdf5(tmp_path / "restart.h5", state("u"))
    recipe = recipe_of(Right(tmp_path))
    assert recipe.excluded(tmp_path / "restart.h5") == "one state, to continue from"
    assert recipe.excluded(tmp_path / "wing.h5") is None
    assert "2 files of 2 runs" in draft(tmp_path)


def test_restart_files_are_the_run_where_nothing_else_is_one(tmp_path):
    for piece, first in enumerate((0, 3)):
        part = slice(first, first + 3)
        write_hdf5(tmp_path / f"restart_{piece}.h5", SERIES | {"u": U[part], "t": TIME[part]})
    write_hdf5(tmp_path / "grid.h5", CELLS)
    found = look_through(tmp_path)
    assert (found.kind, found.pattern, found.others) == ("pieces", "restart_{piece}.h5", ("grid.h5",))


def test_a_list_of_sums_with_many_times_is_no_series_of_the_fields(tmp_path):
    for step in range(4):
        write_hdf5(tmp_path / f"snap_{step}.h5", state("u"))
    sums = {"energy": np.ones((40, 5)), "t": np.arange(40.0)}
    write_hdf5(tmp_path / "sums.h5", sums)
    assert look_through(tmp_path).pattern == "snap_{step}.h5"


def test_a_state_alone_in_a_folder_is_not_told_to_name_the_folder(tmp_path):
    write_hdf5(tmp_path / "restart.0001200.h5", state("u"), time=1.5)
    with pytest.raises(SourceError, match="1 file of this folder fit") as refused:
        draft(tmp_path)
    assert "name the folder" not in str(refused.value)


def test_runs_at_several_depths_and_words_of_splits_are_all_counted(tmp_path):
    for number in range(3):
        write_hdf5(tmp_path / "a" / "train" / f"sim_{number}.h5", SERIES | {"u": U + number})
    write_hdf5(tmp_path / "a" / "sim_3.h5", SERIES)
    found = look_through(tmp_path / "a")
    assert (found.pattern, found.files, found.runs, found.others) == ("sim_*.h5", 4, 4, ())

    for split, count in (("train", 6), ("test", 4), ("valid", 2)):
        for number in range(count):
            write_hdf5(tmp_path / "b" / f"burgers_{split}_{number}.h5", SERIES | {"u": U + number})
    found = look_through(tmp_path / "b")
    assert (found.files, found.runs, found.others, found.doubt) == (12, 12, (), "")
