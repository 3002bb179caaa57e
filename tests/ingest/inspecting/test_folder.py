"""How the files of a folder belong together."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.drafting.dataset_name import dataset_name
from ingest.inspecting.folder import look_through
from shards.errors import SourceError

T, X, Y = 4, 12, 9


def state(path: Path, time: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["rho"] = np.full((X, Y), 1 + time)
        file.attrs["time"] = time


def series(path: Path, times: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["u"], file["t"] = np.ones((len(times), X, Y)), times


def test_states_are_known_by_their_time_and_their_numbers(tmp_path):
    for number in range(5):
        state(tmp_path / f"dump_{10 * number:04d}.h5", 0.5 * number)
    found = look_through(tmp_path)
    assert (found.kind, found.pattern, found.states, found.runs) == ("states", "dump_{step}.h5", 5, 1)
    assert found.first.name == "dump_0000.h5"


def test_a_folder_for_each_run_is_a_named_part(tmp_path):
    for run in ("re_100", "re_200", "re_400"):
        for number in range(4):
            state(tmp_path / run / f"out.{number}.h5", 0.5 * number)
    found = look_through(tmp_path)
    assert (found.kind, found.pattern, found.states, found.runs) == ("states", "re_{re}/out.{step}.h5", 4, 3)
    assert found.words == '12 files of 3 runs, one state of a run per file: files = "re_{re}/out.{step}.h5"'
    assert [(each.name, each.text) for each in found.parameters] == [("re", "100")]


def test_a_name_may_hold_a_number_of_the_run_and_one_of_the_step(tmp_path):
    for run in (1, 2):
        for number in range(6):
            state(tmp_path / f"run{run}_{number:03d}.h5", 0.5 * number)
    found = look_through(tmp_path)
    assert (found.pattern, found.states, found.runs) == ("run{run}_{step}.h5", 6, 2)


def test_pieces_go_on_in_time_and_runs_begin_anew(tmp_path):
    for piece in range(3):
        series(tmp_path / "pieces" / f"snap_s{piece + 1}.h5", np.arange(T) + T * piece)
        series(tmp_path / "runs" / f"case_{piece}.h5", np.arange(T))
    pieces, runs = look_through(tmp_path / "pieces"), look_through(tmp_path / "runs")
    assert (pieces.kind, pieces.pattern) == ("pieces", "snap_s{piece}.h5")
    assert (runs.kind, runs.pattern, runs.runs) == ("runs", "case_*.h5", 3)


def test_files_that_hold_different_arrays_are_variables_of_one_run(tmp_path):
    for name in ("rho", "pressure"):
        with h5py.File(tmp_path / f"sod_{name}.h5", "w") as file:
            file[name], file["t"] = np.ones((T, X, Y)), np.arange(T)
    found = look_through(tmp_path)
    assert (found.kind, found.pattern, found.runs) == ("variables", "sod_{variable}.h5", 1)
    assert len(found.members) == 2


def test_words_decide_where_files_hold_one_array_each_and_the_draft_says_so(tmp_path):
    for folder, names in (("variables", ("rho", "vel_x")), ("runs", ("cylinder", "wing"))):
        (tmp_path / folder).mkdir()
        for name in names:
            np.save(tmp_path / folder / f"{name}.npy", np.ones((T, X, Y)))
    variables, runs = look_through(tmp_path / "variables"), look_through(tmp_path / "runs")
    assert (variables.kind, variables.pattern, variables.runs) == ("variables", "{variable}.npy", 1)
    assert variables.doubt == "rho, vel_x are taken for variables of one run, by these names or their shapes"
    assert (runs.kind, runs.pattern, runs.runs) == ("runs", "*.npy", 2)
    assert runs.doubt.startswith("cylinder, wing are taken for runs; if they are variables of one run")


def test_what_does_not_fit_is_named(tmp_path):
    for number in range(3):
        state(tmp_path / f"out_{number}.h5", 0.5 * number)
    state(tmp_path / "grid.h5", 0.0)
    (tmp_path / "run.log").write_text("done")
    assert look_through(tmp_path).others == ("grid.h5",)


def test_an_empty_folder_is_one_line(tmp_path):
    with pytest.raises(SourceError, match="found no file; expected HDF5"):
        look_through(tmp_path)


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        # JAX-Fluids: the time is in the name; its fraction is no step of a run 0 or 1.
        ([f"data_{time:.6f}.h5" for time in (0, 0.5, 1, 1.5)], "data_{step}.h5"),
        # WRF: a date is one number; hours are no runs.
        ([f"out_d01_2020-01-31_{hour}:00" for hour in ("22:00", "22:30", "23:00")], "out_d01_{step}"),
        # CESM: year and month, behind a number of its own.
        (
            [f"b.e21.cam.h0.{month}.h5" for month in ("0001-11", "0001-12", "0002-01")],
            "b.e21.cam.h0.{step}.h5",
        ),
        # Athena++: state 10 of output 2.
        ([f"sod.out2.{number:05d}.h5" for number in (9, 10, 11)], "sod.out2.{step}.h5"),
    ],
)
def test_fractions_and_dates_in_names_are_one_number(tmp_path, names, pattern):
    for number, name in enumerate(names):
        state(tmp_path / name, 0.5 * number)
    found = look_through(tmp_path)
    assert (found.kind, found.pattern, found.runs) == ("states", pattern, 1)


def test_what_each_process_wrote_of_a_virtual_file_is_no_run(tmp_path):
    for piece in range(3):
        series(tmp_path / f"snap_s{piece + 1}.h5", np.arange(T) + T * piece)
        for process in range(2):
            series(tmp_path / f"snap_s{piece + 1}" / f"snap_s{piece + 1}_p{process}.h5", np.arange(T))
    found = look_through(tmp_path)
    assert (found.kind, found.pattern, found.files) == ("pieces", "snap_s{piece}.h5", 3)


def test_a_file_that_stands_apart_is_opened_as_often_in_a_folder_of_many_files(tmp_path, monkeypatch):
    opened = []
    name = "ingest.inspecting.folder.virtual_sources"
    monkeypatch.setattr(name, lambda path: opened.append(path) or [])
    for states in (3, 6):
        place = tmp_path / str(states)
        for number in range(states):
            state(place / f"out_{number:03d}.h5", 0.5 * number)
        series(place / "mean.h5", np.arange(T))
        look_through(place)
    asked = [path.parent.name for path in opened]
    assert asked.count("3") == asked.count("6") > 0


def test_a_virtual_dataset_is_the_run_and_its_sources_are_none(tmp_path):
    values = np.random.default_rng(4).normal(size=(T, X, Y))
    for number in range(2):
        series(tmp_path / f"part{number}.h5", np.arange(2) + 2.0 * number)
    whole = h5py.VirtualLayout((T, X, Y), values.dtype)
    for number in range(2):
        whole[2 * number : 2 * number + 2] = h5py.VirtualSource(f"part{number}.h5", "u", (2, X, Y))
    with h5py.File(tmp_path / "everything.h5", "w") as file:
        file.create_virtual_dataset("u", whole)
        file["t"] = np.arange(T)
    found = look_through(tmp_path)
    assert (found.kind, found.pattern, found.runs) == ("runs", "everything.h5", 1)
    assert found.others == ("part0.h5", "part1.h5")


def test_a_word_before_a_known_symbol_is_no_part_of_its_name(tmp_path):
    for reynolds in ("1e3", "2e3"):
        series(tmp_path / f"solution_Re={reynolds},inlet_temperature=300.h5", np.arange(T))
    found = look_through(tmp_path)
    assert [each.name for each in found.parameters] == ["Re", "inlet_temperature"]


@pytest.mark.parametrize(("folder", "name"), [("M14_N", "M14_N"), ("B3", "B3"), ("run_01", "channel")])
def test_a_folder_with_a_label_names_the_dataset_and_a_numbered_run_does_not(tmp_path, folder, name):
    place = tmp_path / "channel" / folder
    place.mkdir(parents=True)
    assert dataset_name(place) == name


def test_runs_may_differ_in_one_field_and_outputs_of_other_kinds_are_no_runs(tmp_path):
    for name, fields in (("low", "uvp"), ("high", "uv"), ("means", "abc")):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["t"] = np.arange(T)
            for field in fields:
                file[field] = np.ones((T, X, Y))
    assert look_through(tmp_path).runs == 3
    (tmp_path / "high.h5").unlink()
    with h5py.File(tmp_path / "means.h5", "a") as file:
        file["u"] = np.ones((T, X, Y))
    found = look_through(tmp_path)
    assert (found.pattern, found.others, found.runs) == ("means.h5", ("low.h5",), 1)
    assert found.others_hold_fields


def test_a_single_file_may_repeat_the_name_of_its_folder(tmp_path):
    series(tmp_path / "snap" / "snap_s1.h5", np.arange(T))
    found = look_through(tmp_path)
    assert (found.files, found.runs, found.pattern) == (1, 1, "*/*.h5")


@pytest.mark.parametrize(
    ("word", "begins", "doubt"),
    [
        ("restart", (0, 3), ""),
        ("output-000", (0, 1), ""),
        ("a", (0, 3), "each a is taken for a piece of a run"),
        ("a", (0, 1), ""),
        ("restart", (0, 0), "each restart is taken for a run"),
        ("a", (0, 0), ""),
    ],
)
def test_states_in_folders_are_pieces_where_their_times_go_on(tmp_path, word, begins, doubt):
    for number, begin in enumerate(begins):
        for step in range(begin, begin + 4):
            state(tmp_path / f"{word}{number}" / f"out_{step:03d}.h5", 0.5 * step)
    found = look_through(tmp_path)
    are_pieces = begins == (0, 3) or (word.startswith("output") and begins == (0, 1))
    assert found.pattern == ("{piece}/out_{step}.h5" if are_pieces else "{run}/out_{step}.h5")
    assert found.runs == (1 if are_pieces else 2)
    assert found.doubt.startswith(doubt)
    assert bool(found.doubt) == bool(doubt)


def test_a_file_of_scalars_in_time_next_to_fields_is_no_run_and_no_variable(tmp_path):
    np.savez(tmp_path / "yelmo1D.npz", V=np.arange(21.0), time=np.arange(21.0))
    np.savez(tmp_path / "yelmo2D.npz", H=np.ones((T, X, Y)), time=np.arange(float(T)))
    found = look_through(tmp_path)
    assert (found.pattern, found.runs, found.others) == ("yelmo2D.npz", 1, ("yelmo1D.npz",))


@pytest.mark.parametrize("name", ["{word}/{word}_t={step}.npy", "{word}/{step}.npy"])
def test_folders_of_arrays_without_names_may_be_variables(tmp_path, name):
    for word in ("prey", "predator"):
        for step in range(4):
            path = tmp_path / name.format(word=word, step=0.5 * step)
            path.parent.mkdir(exist_ok=True)
            np.save(path, np.full((X, Y), step))
    found = look_through(tmp_path)
    assert "predator, prey are taken for runs; if they are variables" in found.doubt


@pytest.mark.parametrize(("name", "is_asked"), [("delta_z", True), ("rho_Re", False)])
def test_values_in_names_of_arrays_without_times_may_count_states(tmp_path, name, is_asked):
    for seed in (1, 2):
        (tmp_path / f"seed_{seed}").mkdir()
        for value in (12.0, 9.5, 8.0):
            np.save(tmp_path / f"seed_{seed}" / f"{name}={value:.2f}.npy", np.ones((X, Y, T)))
    found = look_through(tmp_path)
    assert found.kind == "runs"
    assert ("if it counts the states of one, write {step} there" in found.doubt) == is_asked


def test_the_symbol_of_a_parameter_may_end_with_a_digit(tmp_path):
    for height in ("1.0", "1.5", "2.0"):
        series(tmp_path / f"Hm0_{height}" / "output.h5", np.arange(4.0))
    found = look_through(tmp_path)
    assert (found.kind, found.pattern, found.runs) == ("runs", "Hm0_{Hm0}/output.h5", 3)
