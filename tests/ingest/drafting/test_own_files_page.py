"""The tables of docs/own-files.md hold recipes that read what they say."""

import re
import tomllib
from pathlib import Path

import pytest

from ingest.building.inputs import find_inputs
from ingest.recipe import Recipe
from ingest.source import find
from shards.program.settings import make
from tests.ingest.fields.test_scalars import TABLES
from tests.ingest.solvers import TIME, U, write_hdf5

PAGE = Path(__file__).parents[3] / "docs" / "own-files.md"
# Where the data of each row of the table of parameters is, and the file next to it.
PARAMETERS = [
    ("{}/out.h5", "1/params.json", '{"fluid": {"Re": 100}}'),
    ("run_{}.h5", "run_1.yaml", "Re: 100\n"),
    ("{}.h5", "sweep.csv", "file,Re\n1.h5,100\n"),
    ("out_{}.h5", "runs.json", '{"runs": [{"id": 1, "Re": 100}, {"id": 2, "Re": 7}]}'),
]


def recipes(section: str) -> list[dict]:
    """The keys in the last column of the table below a heading."""
    text = PAGE.read_text(encoding="utf-8").partition(f"## {section}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)[1:]
    cells = [re.findall(r"`([^`]*=[^`]*)`", row.rpartition(" | ")[2]) for row in rows]
    return [tomllib.loads("\n".join(lines)) for lines in cells if lines]


@pytest.mark.parametrize("row", range(len(PARAMETERS)))
def test_the_parameters_of_the_page_are_read(tmp_path, row):
    keys = recipes("Parameters")[row]
    data, name, content = PARAMETERS[row]
    path = write_hdf5(tmp_path / data.format(1), {"u": U, "t": TIME})
    (tmp_path / name).write_text(content)
    files = keys.pop("files", "*/*.h5")
    recipe = make(Recipe, TABLES | {"files": files, "layout": "t x y", "scalars": keys}, "page")
    (run,) = find_inputs(recipe, tmp_path)
    with find("arrays").open_file(path, recipe) as file:
        assert file.rows[0].scalars == {"Re": 100.0}
    assert run.place == path


def test_every_row_is_tested():
    assert len(recipes("Parameters")) == len(PARAMETERS)
