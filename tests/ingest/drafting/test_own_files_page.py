"""The tables of docs/own-files.md hold recipes that read what they say."""

import re
import tomllib
from pathlib import Path

import pytest

from ingest.building.inputs import find_inputs
from ingest.drafting.draft import draft
from ingest.recipe import Recipe
from ingest.source import find
from shards.program.settings import make
from tests.ingest.fields.test_scalars import TABLES
from tests.ingest.layouts.writers import CELLS, LISTS
from tests.ingest.solvers import TIME, P, U, write_hdf5

PAGE = Path(__file__).parents[3] / "docs" / "own-files.md"
# Where the data of each row of the table of parameters is, and the file next to it.
PARAMETERS = [
    ("{}/out.h5", "1/params.json", '{"fluid": {"Re": 100}}'),
    ("run_{}.h5", "run_1.yaml", "Re: 100\n"),
    ("{}.h5", "sweep.csv", "file,Re\n1.h5,100\n"),
    ("run_{}/a.h5", "run_1/.hydra/config.yaml", "solver:\n  Re: 100\n"),
    ("out_{}.h5", "runs.json", '{"runs": [{"id": 1, "Re": 100}, {"id": 2, "Re": 7}]}'),
]
EARLIER, LATER = ({"u": U[frames], "t": TIME[frames], **CELLS} for frames in (slice(0, 3), slice(3, 6)))
STATES = {f"{run}/out_{10 * step:04d}.h5": {"u": U[step], "time": step} for run in "ab" for step in range(4)}
RESTARTS = ((0, 0), (0, 1), (0, 2), (1, 2), (1, 3))
VARIABLES = {"u": {"u": U, **LISTS}, "q": {"q": P, **LISTS}}
RUN = {"u": U, **LISTS}
# The files of each row of the table of runs in several files.
FOLDERS = [
    STATES,
    {"leg0/out.h5": EARLIER, "leg1/out.h5": LATER},
    {f"restart{leg}/out_{step:04d}.h5": STATES[f"a/out_{10 * step:04d}.h5"] for leg, step in RESTARTS},
    {"2020/01/31.nc": EARLIER, "2020/02/01.nc": LATER},
    {f"{run}_{name}.nc": arrays for run in ("alfa", "beta") for name, arrays in VARIABLES.items()},
    dict.fromkeys(("train/Re100_seed1.h5", "train/Re200_seed1.h5", "test/Re400_seed2.h5"), RUN),
    dict.fromkeys(("train_Re100.h5", "train_Re200.h5", "test_Re400.h5"), RUN),
    {"sweep.h5": {f"Re{speed}/{name}": values for speed in (100, 200) for name, values in RUN.items()}},
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
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    files = keys.pop("files", "*/*.h5")
    recipe = make(Recipe, TABLES | {"files": files, "layout": "t x y", "scalars": keys}, "page")
    (run,) = find_inputs(recipe, tmp_path)
    with find("arrays").open_file(path, recipe) as file:
        assert file.rows[0].scalars == {"Re": 100.0}
    assert run.place == path


def is_part(wanted: dict, held: dict) -> bool:
    """Whether all these keys, also those of tables, are held."""
    pairs = [(value, held.get(key, {})) for key, value in wanted.items()]
    return all(is_part(one, other) if isinstance(one, dict) else one == other for one, other in pairs)


@pytest.mark.parametrize("row", range(len(FOLDERS)))
def test_the_draft_of_a_folder_is_that_of_the_page(tmp_path, row):
    for name, arrays in FOLDERS[row].items():
        write_hdf5(tmp_path / name, arrays)
    source = tmp_path / "sweep.h5" if "sweep.h5" in FOLDERS[row] else tmp_path
    drafted = tomllib.loads(draft(source))
    assert is_part(recipes("Runs in several files")[row], drafted), drafted


def test_every_row_is_tested():
    assert len(recipes("Parameters")) == len(PARAMETERS)
    assert len(recipes("Runs in several files")) == len(FOLDERS)
