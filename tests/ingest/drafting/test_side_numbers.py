"""A draft finds the parameters of each run in files next to the data, and names the files it does not use."""

import json

import numpy as np
import pytest

from ingest.drafting.draft import draft
from tests.ingest.layouts.trial import brought
from tests.ingest.layouts.writers import LISTS, Right
from tests.ingest.solvers import TIME, T, U, write_hdf5

# A run holds U + mu, so that its values show which mu is right.
RUNS = {"003": 0.25, "001": 0.5, "010": 2.0}
NAMES = list(RUNS)


def write_runs(folder, name="out_{}.h5"):
    for run, mu in RUNS.items():
        write_hdf5(folder / name.format(run), {"u": U + np.float32(mu), **LISTS})


def a_table_with_a_row_per_file_in_another_order(folder):
    write_runs(folder)
    rows = [f"{int(run)},{mu},{9 - mu},/data/me/out_{run}.h5" for run, mu in sorted(RUNS.items())]
    (folder / "sweep_001.csv").write_text("\n".join(["id,mu,nx,file", *rows]) + "\n")


def a_table_with_a_row_per_number_without_zeros(folder):
    write_runs(folder, "set/r{}.h5")
    rows = [f"{int(run)}\t{mu}" for run, mu in sorted(RUNS.items())]
    (folder / "set" / "runs.tsv").write_text("\n".join(["index\tmu", *rows]) + "\n")


def a_table_above_folders_of_states(folder):
    for run, mu in RUNS.items():
        for step in range(T):
            path = folder / f"case-{run}" / f"u.{step}.h5"
            lists = {name: values for name, values in LISTS.items() if name in "xy"}
            write_hdf5(path, {"u": U[step] + np.float32(mu), **lists}, time=TIME[step])
    rows = [f'"case-{run}"; {mu}; a note' for run, mu in sorted(RUNS.items())]
    (folder / "README.csv").write_text("\n".join(["folder; mu; remark", *rows, "case-x; 7; failed"]) + "\n")


def a_list_of_runs_in_json(folder):
    write_runs(folder, "r{}/fields.h5")
    runs = [{"path": f"r{run}/fields.h5", "mu": mu} for run, mu in RUNS.items()]
    (folder / "index.json").write_text(json.dumps({"solver": {"cfl": 0.5}, "runs": runs[::-1]}))


def tables_called_by_runs(folder):
    write_runs(folder)
    (folder / "all.toml").write_text("".join(f'[run."out_{run}"]\nmu = {mu}\n' for run, mu in RUNS.items()))


def a_yaml_file_per_run_called_as_it(folder):
    write_runs(folder, "data/out_{}.h5")
    for run, mu in RUNS.items():
        text = f"fluid:\n  mu: {mu}\n  Pr: '0.7'\ngrid: [12, 10]\n"
        (folder / "data" / f"params_{run}.yaml").write_text(text)


def a_file_with_the_name_of_the_run_next_to_its_folder(folder):
    write_runs(folder, "r{}/fields.h5")
    for run, mu in RUNS.items():
        (folder / f"r{run}.json").write_text(json.dumps({"physics": {"mu": mu}}))


def a_table_of_names_and_values_in_each_folder(folder):
    write_runs(folder, "{}/fields.h5")
    for run, mu in RUNS.items():
        (folder / run / "parameters.csv").write_text(f"Parameter,Value,Unit\nmu,{mu},Pa s\nsteps,7,\n")


def what_hydra_started_each_run_with(folder):
    write_runs(folder, "{}/fields.h5")
    for run, mu in RUNS.items():
        (folder / run / ".hydra").mkdir()
        (folder / run / ".hydra" / "config.yaml").write_text(f"solver:\n  mu: {mu}\n  scheme: rk4\n")


def inputs_in_a_folder_of_each_run(folder):
    write_runs(folder, "{}/out/fields.h5")
    for run, mu in RUNS.items():
        (folder / run / "inputs").mkdir()
        (folder / run / "inputs" / "setup.toml").write_text(f"mu = {mu}\n")


@pytest.mark.parametrize(
    "write",
    [
        a_table_with_a_row_per_file_in_another_order,
        a_table_with_a_row_per_number_without_zeros,
        a_table_above_folders_of_states,
        a_list_of_runs_in_json,
        tables_called_by_runs,
        a_yaml_file_per_run_called_as_it,
        a_file_with_the_name_of_the_run_next_to_its_folder,
        a_table_of_names_and_values_in_each_folder,
        what_hydra_started_each_run_with,
        inputs_in_a_folder_of_each_run,
    ],
)
def test_each_run_has_its_own_parameters(tmp_path, write):
    write(tmp_path)
    found = brought(Right(tmp_path))
    assert sorted(row.scalars["mu"] for row in found.rows) == sorted(RUNS.values())
    for values, row in zip(found.channels["u"], found.rows, strict=True):
        np.testing.assert_array_equal(values, U + np.float32(row.scalars["mu"]))


def test_a_file_of_some_runs_is_offered_and_one_of_a_single_run_is_named(tmp_path):
    write_runs(tmp_path, "r{}/out.h5")
    for run in NAMES[:2]:
        (tmp_path / f"r{run}" / "params.json").write_text(json.dumps({"mu": RUNS[run], "Pr": 0.7}))
    (tmp_path / "r010" / "extra.json").write_text('{"Ek": 1e-3}')
    text = draft(tmp_path)
    assert '# mu = "params.json#mu"  # 0.25 to 0.5; CHECK: some runs have none, and would be left out' in text
    assert "not used: r010/extra.json (next to 1 of 3 runs)" in text
    assert "\nmu = " not in text
    assert "Ek" not in text


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("setup.ini", "[fluid]\nmu = 2\n", "setup.ini"),
        ("INPUT", "viscosity 0.5\n", "INPUT"),
        ("history.csv", "time,energy\n0,1\n1,0.5\n", "history.csv (no number in rows that name"),
        (
            "sweep.csv",
            "file,mu\nout_001.h5,1\nout_003.h5,2\n",
            "sweep.csv (no number in rows that name",
        ),
        ("sweep.csv", "file,mu\nout_001.h5,1\n\nout_003.h5\n", "row 2 has 1 values for 2 columns"),
        ("params.json", '{"nu": 1, "nu": 2}', "nu is there twice"),
        ("words.json", '{"name": "water"}', "words.json (no number with a name)"),
    ],
)
def test_a_text_file_without_parameters_is_named(tmp_path, name, content, words):
    write_runs(tmp_path)
    (tmp_path / name).write_text(content)
    text = draft(tmp_path)
    assert f"# Text files next to the data, not used: {name}" in text
    assert words in text
    assert "\nmu = " not in text


def test_what_is_no_text_what_holds_no_parameters_and_what_is_ours_is_not_named(tmp_path):
    write_runs(tmp_path)
    (tmp_path / "plot.png").write_bytes(b"\x89PNG\r\n\0\0")
    for name in ("run.py", "notes.md", "run.log", "index.db", "README", "job.sh"):
        (tmp_path / name).write_text("mu = 2\n")
    (tmp_path / "recipe.schema.json").write_text("{}")
    (tmp_path / "own.toml").write_text('source = "arrays"\nmu = 2\n')
    assert "not used" not in draft(tmp_path)


@pytest.mark.parametrize(
    ("folders", "count"), [(("train", "more", "more"), 2), (("train", "train", "val"), 0)]
)
def test_runs_that_no_folder_puts_in_a_split_are_told(tmp_path, folders, count):
    for folder, run in zip(folders, RUNS, strict=True):
        write_hdf5(tmp_path / folder / f"out_{run}.h5", {"u": U, **LISTS})
    said = "# CHECK: no folder names the split of 2 of 3 runs (more/out_001.h5, more/out_010.h5)."
    assert draft(tmp_path).count(said) == count // 2


def test_a_file_and_the_row_that_names_it(tmp_path):
    a_table_with_a_row_per_file_in_another_order(tmp_path)
    found = brought(Right(tmp_path / "out_001.h5"))
    assert found.rows[0].scalars["mu"] == 0.5
