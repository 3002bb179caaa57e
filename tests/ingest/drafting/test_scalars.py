"""A draft loses no parameter: whatever the shape of its array, whatever its value."""

import numpy as np

from ingest.drafting.draft import draft
from tests.ingest.layouts.trial import brought
from tests.ingest.layouts.writers import LISTS, Right, save
from tests.ingest.solvers import TIME, P, T, U, V, X, Y, write_hdf5


def test_one_number_is_a_parameter_whatever_its_shape(tmp_path):
    for run, number in enumerate((100.0, 40.0)):
        arrays = {"Re": [[number]], "phi": [[[0.5]]], "u": U + np.float32(run), **LISTS}
        write_hdf5(tmp_path / f"case{run}.h5", arrays)
    rows = brought(Right(tmp_path)).rows
    assert [row.scalars for row in rows] == [{"Re": 100.0, "phi": 0.5}, {"Re": 40.0, "phi": 0.5}]


def test_a_row_or_a_column_of_numbers_has_one_for_each_trajectory(tmp_path):
    arrays = {"u": np.stack([U, V, P]), "nu": [[0.5], [0.25], [0.125]], "Re": [[7.0, 9.0, 8.0]], **LISTS}
    rows = brought(Right(write_hdf5(tmp_path / "runs.h5", arrays))).rows
    assert [(row.scalars["nu"], row.scalars["Re"]) for row in rows] == [(0.5, 7), (0.25, 9), (0.125, 8)]


def test_a_fraction_that_changes_is_a_field_and_a_body_that_moves_is_a_mask(tmp_path):
    body = np.zeros((T, X, Y), "i1")
    body[np.arange(T), np.arange(T) + 1, 2] = 1
    text = draft(write_hdf5(tmp_path / "a.h5", {"u": U, "solid_fraction": np.abs(V), "t": TIME}))
    assert 'name = "solid_fraction"' in text
    assert "[mask]" not in text
    text = draft(write_hdf5(tmp_path / "b.h5", {"u": U, "solid": body, "t": TIME}))
    assert '# stored = "solid"' in text
    assert 'name = "solid"' not in text


def test_a_whole_number_that_differs_between_runs_is_a_parameter_and_a_counter_is_none(tmp_path):
    for angle, job in ((22, 7), (26, 8), (30, 9)):
        numbers = {"inclination_deg": angle, "job_number": job, "hidden_layers": 3}
        write_hdf5(tmp_path / f"incline_{angle}deg.h5", {"u": U + angle, **LISTS}, **numbers)
    text = draft(tmp_path)
    assert "belong to the program and not to the physics: job_number = 7 to 9\n" in text
    assert "the same in all runs may be settings: hidden_layers = 3\n" in text
    rows = brought(Right(tmp_path)).rows
    # The number in the names is that of the attribute, and is there once.
    assert [row.scalars for row in rows] == [{"inclination_deg": angle} for angle in (22, 26, 30)]


def test_a_list_of_whole_numbers_is_a_parameter_and_one_of_seeds_is_none(tmp_path):
    arrays = {"u": np.stack([U, V, P]), "omega_pe": [1, 2, 3], "noise_seed": [4, 5, 6], **LISTS}
    text = draft(write_hdf5(tmp_path / "runs.h5", arrays))
    assert '\nomega_pe = "omega_pe"  # 1 to 3\n' in text
    assert "belong to the program and not to the physics: noise_seed = 4 to 6" in text


def test_a_list_in_a_file_of_its_own_is_a_parameter(tmp_path):
    arrays = {"disp": np.stack([U, V, P]), "youngs_modulus": np.array([1.0, 4.0, 2.0]), "t": TIME}
    for name, values in arrays.items():
        save(tmp_path / f"{name}.npy", values)
    assert '\nyoungs_modulus = "youngs_modulus"  # 1 to 4\n' in draft(tmp_path)
