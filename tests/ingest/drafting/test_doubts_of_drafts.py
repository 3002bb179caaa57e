"""What a draft cannot know is a line with CHECK: marks of no value, copies, species, single moments."""

import h5py
import numpy as np
import pytest

from ingest.drafting.draft import draft
from tests.ingest.solvers import TIME, T, U, V, write_hdf5


def checks(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if "CHECK" in line or "# or parts" in line)


@pytest.mark.parametrize(
    ("mark", "kind", "is_told"),
    [(-9999.0, "f8", True), (1e20, "f4", True), (9.96921e36, "f4", True), (-99.0, "f8", False)],
)
def test_a_usual_number_for_no_value_is_told_if_all_others_are_far_smaller(tmp_path, mark, kind, is_told):
    values = (U * (1 if is_told else 80)).astype(kind)
    values[:, 2:4, 1:3] = mark
    np.savez(tmp_path / "ocean.npz", temp=values, salt=V, t=TIME)
    text = draft(tmp_path / "ocean.npz")
    assert (f"4 cells are {mark:g} in all frames" in checks(text)) == is_told
    assert text.count("cells are") == is_told


def test_a_value_that_comes_and_goes_marks_nothing(tmp_path):
    values = U.copy()
    values[0, 2:4, 1:3] = -9999.0
    np.savez(tmp_path / "ocean.npz", temp=values, t=TIME)
    assert "cells are" not in draft(tmp_path / "ocean.npz")


def test_a_word_among_numbered_runs_is_told(tmp_path):
    for name in ("1", "2", "3", "std", "1 (1)"):
        write_hdf5(tmp_path / f"run_{name}.h5", {"T": U, "t": TIME})
    assert "run_1 (1).h5, run_std.h5 may be a copy, a mean or an old run" in checks(draft(tmp_path))


def test_runs_called_by_words_or_by_numbers_alone_are_not_told(tmp_path):
    for folder, names in (("words", ("alfa", "beta", "gamma2")), ("numbers", ("1", "2", "3"))):
        for name in names:
            write_hdf5(tmp_path / folder / f"run_{name}.h5", {"T": U, "t": TIME})
        assert "may be a copy" not in draft(tmp_path / folder)


def test_a_variable_of_one_moment_is_named_as_not_taken(tmp_path):
    for name, values in (("ez", U), ("hx", V)):
        for k in range(T):
            write_hdf5(tmp_path / f"bend-{name}-{20 * k:06d}.00.h5", {name: values[k]})
    write_hdf5(tmp_path / "bend-eps-000000.00.h5", {"eps": U[0]})
    assert "CHECK: not taken, with fields in them, 1 file: bend-eps-000000.00.h5" in draft(tmp_path)


@pytest.mark.parametrize("name", ["rho_{:04d}.npy", "rho_{:+05d}.npy"])
def test_numbered_volumes_without_names_may_be_states(tmp_path, name):
    for k in range(-2, 2):
        np.save(tmp_path / name.format(k + (2 if "+" not in name else 0)), np.ones((8, 6, 7)) + k)
    assert "if each is a state of one run, write {step} there" in checks(draft(tmp_path))


@pytest.mark.parametrize(("groups", "is_told"), [(("electrons", "ions"), True), (("k1", "k2"), False)])
def test_groups_called_by_words_may_be_species(tmp_path, groups, is_told):
    path = write_hdf5(tmp_path / "out.h5", {"t": TIME})
    with h5py.File(path, "a") as file:
        for group in groups:
            file[f"{group}/n"] = U
    text = checks(draft(path))
    assert ('write a field for each array: stored = ["electrons/n"]' in text) == is_told


@pytest.mark.parametrize(("words", "is_told"), [(("lbm", "fvm"), True), (("flow_p", "temp"), False)])
def test_words_of_files_that_name_no_field_may_be_programs(tmp_path, words, is_told):
    for word, fields in zip(words, ({"p": U, "q": V}, {"temperature": U, "c": V}), strict=True):
        for run in range(2):
            write_hdf5(tmp_path / f"{word}_{run}.h5", {**fields, "t": TIME})
    assert ("are taken for variables of one run, by these names" in checks(draft(tmp_path))) == is_told


def test_that_files_in_the_middle_were_not_opened_is_told(tmp_path, monkeypatch):
    for step in range(T):
        write_hdf5(tmp_path / f"out_{step:04d}.h5", {"T": U[step], "p": V[step]}, time=TIME[step])
    said = "# Only the first and the last {} files were opened to see which are damaged"
    assert said.format(100) not in draft(tmp_path)
    monkeypatch.setattr("ingest.drafting.text.MANY_OPENED", 2)
    assert said.format(2) in draft(tmp_path)
