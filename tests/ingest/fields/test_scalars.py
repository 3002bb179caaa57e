"""Parameters come from the places that [scalars] names, and from nothing else."""

import h5py
import numpy as np
import pytest

from ingest.building.inputs import find_inputs, require_unchanged
from ingest.formats.side_files import numbers_in
from ingest.formats.side_tables import BYTES, YAML_BYTES
from ingest.recipe import Recipe
from ingest.source import find
from shards.errors import MismatchError, SourceError
from shards.program.settings import make
from tests.ingest.solvers import TIME, U, write_hdf5

TABLES = {
    "name": "wave",
    "source": "arrays",
    "title": "A wave",
    "axes": ["x", "y"],
    "layout": "n t x y",
    "time": {"stored": "t"},
    "coordinates": {"x": {"lower": 0.0, "upper": 2.0}, "y": {"lower": 0.0, "upper": 1.0}},
    "boundaries": {"x": ["open", "open"], "y": ["open", "open"]},
    "fields": [{"name": "u"}],
}


def recipe(**changes) -> Recipe:
    return make(Recipe, TABLES | changes, "wave.toml")


@pytest.fixture
def runs(tmp_path):
    """Two trajectories in one file, with parameters in every place that there is."""
    arrays = {"u": np.stack([U, U + 1]), "t": TIME, "nu": [0.5, 0.25], "params": [[1.0, 2.5], [3.0, 4.5]]}
    path = write_hdf5(tmp_path / "case" / "out" / "runs.h5", arrays, gamma=1.4)
    with h5py.File(path, "r+") as file:
        file["u"].attrs["Ma"] = 0.3
    (tmp_path / "case" / "params.json").write_text('{"fluid": {"Pr": 0.71}, "size": [2, 1.5], "on": true}')
    (path.parent / "setup.toml").write_text("[fluid]\nRe = 1e3\n")
    (path.parent / "input.nml").write_text("&fluid Ek = 1.5d-3, name = 'Ro = 2' \n We=3 / \n Fr = 2\n")
    (path.parent / "runs.yaml").write_text("fluid:\n  mu: 2e-3  # text for YAML 1.1\n")
    (path.parent / "sweep.csv").write_text("# two runs\nfile; mu\nother.h5; 1\nruns.h5; 0.25\n")
    (path.parent / "all.json").write_text(
        '{"list": [{"id": "a", "mu": 1}, {"id": "runs", "mu": 0.5}], "runs": {"mu": "0.75"},'
        ' "twice": [{"id": "runs", "mu": 1}, {"id": "runs", "mu": 2}]}'
    )
    return path


@pytest.mark.parametrize(
    ("place", "values"),
    [
        ("nu", [0.5, 0.25]),
        ("params[1]", [2.5, 4.5]),
        ("@gamma", [1.4, 1.4]),
        ("u@Ma", [0.3, 0.3]),
        ("params.json#fluid.Pr", [0.71, 0.71]),
        ("params.json#size[1]", [1.5, 1.5]),
        ("setup.toml#fluid.Re", [1000.0, 1000.0]),
        ("input.nml#fluid.Ek", [0.0015, 0.0015]),
        ("input.nml#fluid.We", [3.0, 3.0]),
        ("{run}.yaml#fluid.mu", [0.002, 0.002]),
        ("sweep.csv#[file={run}.h5].mu", [0.25, 0.25]),
        ("all.json#list[id={run}].mu", [0.5, 0.5]),
        ("all.json#{run}.mu", [0.75, 0.75]),
    ],
)
def test_a_parameter_is_read_where_it_is(runs, place, values):
    described = recipe(files="out/{run}.h5", scalars={"value": place})
    with find("arrays").open_file(runs, described) as file:
        assert [row.scalars["value"] for row in file.rows] == values


@pytest.mark.parametrize(
    ("files", "place", "words"),
    [
        ("out/*.h5", "params[2]", "expected a table of parameters with a column 2"),
        ("out/*.h5", "@mu", "no attribute mu"),
        ("out/*.h5", "params", "4 values; expected one, or one for each of 2 trajectories"),
        ("out/*.h5", "params.json#Pr", r"params.json: no number Pr; found fluid.Pr, size\[0\], size\[1\]"),
        ("out/*.h5", "params.json#on", "params.json: no number on"),
        ("out/*.h5", "input.nml#fluid.Fr", "no number fluid.Fr"),
        ("out/{run}.h5", "sweep.csv#[mu=7].mu", "sweep.csv: no rows with mu = 7; expected one for each run"),
        ("out/{run}.h5", "all.json#twice[id={run}].mu", "all.json: 2 rows with id = runs"),
        ("out/{run}.h5", "{run}.toml#mu", "no runs.toml next to it"),
        # Without the folder in `files`, the file above is not next to the data.
        ("*.h5", "params.json#fluid.Pr", "no params.json next to it"),
    ],
)
def test_a_place_without_a_number_is_told(runs, files, place, words):
    described = recipe(files=files, scalars={"value": place})
    with pytest.raises(SourceError, match=words), find("arrays").open_file(runs, described):
        pass


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b"[" * 200_000, "cannot be read as json"),
        ("a.json", b" " * (BYTES + 1), "more than 1048576 bytes"),
        ("a.json", b"\xff\xfe", "cannot be read as json"),
        ("a.json", b"9" * 9000, "cannot be read as json"),
        ("a.toml", b"a = " + b"[" * 100_000, "cannot be read as toml"),
        ("a.toml", b"nu = ", "cannot be read as toml"),
        ("a.json", b'{"nu": 1, "nu": 2}', "nu is there twice"),
        ("a.yaml", b"nu: 1\nnu: 2\n", "nu is there twice"),
        ("a.yaml", b"a: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]\n", "it has anchors"),
        ("a.yaml", b"a: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
        ("a.yaml", b"[" * 20_000, "cannot be read as yaml"),
        ("a.yml", b" " * (YAML_BYTES + 1), "more than 65536 bytes"),
        ("a.csv", b"run,nu,nu\na,1,2\n", "nu is there twice"),
        ("a.csv", b"run,nu\na,1\nb\n", "row 2 has 1 values for 2 columns"),
        ("a.csv", b"0.5,1\n1.5,2\n", "its first line does not name the columns"),
        ("a.csv", b'run,nu\n"' + b"a" * 200_000, "cannot be read as csv"),
    ],
)
def test_a_hostile_file_next_to_the_data_is_one_line(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=words):
        numbers_in(path)


def test_only_finite_numbers_are_taken(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(
        '{"a": NaN, "b": 1e999, "c": "1_0", "d": null, "e": {"f": -2}, "h": "nan", "i": "1e-3", "g": 1'
        + "0" * 400
        + "}"
    )
    assert numbers_in(path) == {"e.f": -2.0, "i": 0.001}


def test_a_change_of_the_file_next_to_the_data_is_a_change_of_the_data(runs, tmp_path):
    described = recipe(files="out/*.h5", scalars={"Pr": "params.json#fluid.Pr"})
    (before,) = find_inputs(described, tmp_path / "case")
    (tmp_path / "case" / "params.json").write_text('{"fluid": {"Pr": 7.0}}')
    with pytest.raises(MismatchError, match="has changed"):
        require_unchanged(described, before)
    (after,) = find_inputs(described, tmp_path / "case")
    assert before.digest != after.digest


def test_a_number_in_the_name_of_a_group_is_that_of_its_trajectory(tmp_path):
    groups = {"a/Re100_N2": U, "a/Re20_N3": U + 1, "b/Re100_N2": U + 2}
    arrays = {f"{group}/u": values for group, values in groups.items()}
    path = write_hdf5(tmp_path / "a.h5", arrays | {"t": TIME})
    tables = {"layout": "t x y", "fields": [{"name": "u", "stored": ["*/*/u"]}]}
    with find("arrays").open_file(path, recipe(scalars={"Re": "*/Re{Re}_N*"}, **tables)) as file:
        assert [row.scalars["Re"] for row in file.rows] == [20.0, 100.0, 100.0]
        assert [file.frames(row, 0, 1)[0, 0, 0, 0] - U[0, 0, 0] for row in range(3)] == pytest.approx(
            [1, 0, 2]
        )
    for place, wrong in (
        ("*/N{Re}", "no group fits"),
        ("{name}/R*_N2", "'a' in its name; expected a number"),
    ):
        with pytest.raises(SourceError, match=wrong):
            find("arrays").open_file(path, recipe(scalars={"Re": place}, **tables)).__enter__()


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (0.5, None, r"\*/params@nu: 1 value; expected one for each of 2 trajectories"),
        (0.5, "thick", "second/params: attribute nu holds .*thick.*; expected one number"),
    ],
)
def test_a_number_of_one_run_is_not_taken_for_that_of_all(tmp_path, first, second, words):
    with h5py.File(tmp_path / "runs.h5", "w") as file:
        for name, nu in (("first", first), ("second", second)):
            file[f"{name}/u"] = np.zeros((3, 4, 5))
            if nu is not None:
                file.create_group(f"{name}/params").attrs["nu"] = nu
    tables = {"layout": "t x y", "fields": [{"name": "u", "stored": ["*/u"]}]}
    described = recipe(scalars={"nu": "*/params@nu"}, **tables)
    with pytest.raises(SourceError, match=words), find("arrays").open_file(tmp_path / "runs.h5", described):
        pass
