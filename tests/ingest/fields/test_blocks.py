"""Blocks of one level become one grid, whatever their order; refinement and gaps are refused."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.building.inputs import find_inputs
from ingest.recipe import Recipe
from ingest.source import find
from shards.errors import SourceError
from shards.program.settings import make
from tests.ingest.solvers import CENTRES_X, CENTRES_Y, TIME, P, T, U, V

# 3 x 1 blocks of 3 x 7 cells, in an order of their own.
ORDER = (2, 0, 1)
CELLS = 3
ATHENA = {
    "name": "wave",
    "source": "arrays",
    "title": "A wave along x",
    "files": "out_{step}.athdf",
    "axes": ["x", "y"],
    "layout": "t c b 1 y x",
    "fields": [
        {"name": "rho", "stored": ["prim[0]"]},
        {"name": "velocity", "rank": 1, "stored": ["prim[1]", "prim[2]"]},
    ],
    "time": {"stored": "@Time"},
    "blocks": {"places": "LogicalLocations", "levels": "Levels"},
    "coordinates": {"x": {"stored": "x1v"}, "y": {"stored": "x2v"}},
    "boundaries": {"x": ["periodic", "periodic"], "y": ["wall", "wall"]},
}
FLASH = {
    "files": "flash_{step}",
    "layout": "t b 1 y x",
    "fields": [{"name": "rho", "stored": ["dens"]}],
    "time": {"stored": "{step}", "step": 0.25},
    "blocks": {
        "centres": "coordinates",
        "sizes": "block size",
        "levels": "refine level",
        "kinds": "node type",
    },
    "coordinates": {"x": {"lower": 0.0, "upper": 2.0}, "y": {"lower": 0.0, "upper": 1.0}},
}


def in_blocks(values: np.ndarray) -> np.ndarray:
    """[B, 1, y, x] of values [x, y]."""
    return np.stack([values[CELLS * place : CELLS * (place + 1)].T[None] for place in ORDER])


def athena(folder: Path, change=lambda file: None) -> Path:
    for k in range(T):
        with h5py.File(folder / f"out_{k:05d}.athdf", "w") as file:
            file["prim"] = np.stack([in_blocks(values[k]) for values in (U, V, P)])
            file["LogicalLocations"] = np.array([[place, 0, 0] for place in ORDER])
            file["Levels"] = np.full(3, 1, "i4")
            file["x1v"] = np.stack([CENTRES_X[CELLS * place : CELLS * (place + 1)] for place in ORDER])
            file["x2v"] = np.tile(CENTRES_Y, (3, 1))
            file.attrs["Time"] = TIME[k]
            change(file)
    return folder


def flash(folder: Path) -> Path:
    """With a parent block of the level above, which is no leaf."""
    for k in range(T):
        with h5py.File(folder / f"flash_{k:04d}", "w") as file:
            file["dens"] = np.concatenate([np.full((1, 1, 7, CELLS), -1.0), in_blocks(U[k])])
            file["coordinates"] = np.array(
                [[1.0, 0.5, 0.0]] + [[(place + 0.5) * 2 / 3, 0.5, 0.0] for place in ORDER]
            )
            file["block size"] = np.array([[2.0, 1.0, 0.0]] + [[2 / 3, 1.0, 0.0]] * 3)
            file["node type"], file["refine level"] = [2, 1, 1, 1], [1, 2, 2, 2]
    return folder


def frames_of(folder: Path, **changes):
    described = make(Recipe, ATHENA | changes, "wave.toml")
    (found,) = find_inputs(described, folder)
    with find("arrays").open_file(found.place, described) as opened:
        return opened.schema.grid, opened.frames(0, 1, 5)


def test_blocks_of_athena_become_one_grid(tmp_path):
    grid, frames = frames_of(athena(tmp_path))
    np.testing.assert_array_equal(frames, np.stack([U, V, P], 1)[1:5])
    np.testing.assert_array_equal(grid.coordinates[0], CENTRES_X)
    np.testing.assert_array_equal(grid.coordinates[1], CENTRES_Y)


def test_leaves_of_flash_become_one_grid(tmp_path):
    _, frames = frames_of(flash(tmp_path), **FLASH)
    np.testing.assert_array_equal(frames[:, 0], U[1:5])


def test_cells_can_be_cut_from_the_whole(tmp_path):
    _, frames = frames_of(athena(tmp_path), crop={"x": [1, 2]})
    np.testing.assert_array_equal(frames, np.stack([U, V, P], 1)[1:5, :, 1:-2])


def refine(file) -> None:
    file["Levels"][1] = 2


def lose(file) -> None:
    file["LogicalLocations"][1] = [5, 0, 0]


@pytest.mark.parametrize(
    ("change", "words"), [(refine, "blocks of the levels 1 to 2"), (lose, "3 blocks; expected 5")]
)
def test_what_is_no_box_of_one_level_is_refused(tmp_path, change, words):
    with pytest.raises(SourceError, match=words):
        frames_of(athena(tmp_path, change))


def test_blocks_that_lie_otherwise_in_another_file_are_told(tmp_path):
    athena(tmp_path)
    with h5py.File(tmp_path / "out_00003.athdf", "r+") as file:
        file["LogicalLocations"][:] = np.array([[place, 0, 0] for place in (0, 1, 2)])
    with pytest.raises(SourceError, match=r"out_00003.athdf: other cell centres or blocks than in"):
        frames_of(tmp_path)
