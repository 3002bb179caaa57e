"""Folders of states in blocks: the draft puts them together to one grid."""

import re
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.building.inputs import find_inputs
from ingest.drafting.draft import draft
from ingest.recipe import Recipe
from ingest.source import find
from shards.errors import SourceError
from shards.program.settings import make

T, X, Y = 4, 20, 14
x, y = (np.arange(X) + 0.5) / 10, (np.arange(Y) + 0.5) / Y


def density(frame: int) -> np.ndarray:
    """[X, Y]"""
    values: np.ndarray = np.sin(np.pi * (x[:, None] - 0.25 * frame)) * np.cos(np.pi * y)
    return values


def write(folder: Path, frame: int) -> None:
    """A state of Athena++: four mesh blocks, stored [variable, block, z, y, x]."""
    variables = []
    for shift in range(3):
        values = shift + density(frame)
        blocks = [values[:10, :7], values[10:, :7], values[:10, 7:], values[10:, 7:]]
        variables.append(np.stack([block.T for block in blocks])[:, None])
    with h5py.File(folder / f"kh.out2.{frame:05d}.athdf", "w") as file:
        file["prim"] = np.stack(variables).astype("f4")
        file["LogicalLocations"] = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
        file["Levels"], file["x1v"] = np.zeros(4, "i4"), np.zeros((4, 10), "f4")
        file.attrs.update(
            Time=0.25 * frame, NumMeshBlocks=4, RootGridX1=[0.0, 2.0, 1.0], RootGridX2=[0.0, 1.0, 1.0]
        )
        file.attrs["VariableNames"] = np.array([b"rho", b"vel1", b"vel2"])


def test_a_folder_of_meshblocks_is_drafted_with_its_names_times_and_ends(tmp_path):
    for frame in range(T):
        write(tmp_path, frame)
    text = draft(tmp_path)
    assert 'files = "kh.out2.{step}.athdf"' in text
    opened = re.sub(r"^# (\w+ = .*)$", r"\1", text, flags=re.MULTILINE)
    recipe = make(Recipe, tomllib.loads(opened), "draft")
    assert (recipe.axes, recipe.layout) == (("y", "x"), "t c b 1 y x")
    found = find_inputs(recipe, tmp_path)[0]
    with find("arrays").open_file(found.root / found.path, recipe) as opened_file:
        frames = opened_file.frames(0, 0, T)
        assert opened_file.rows[0].time == (0.0, 0.25, 0.5, 0.75)
        assert opened_file.schema.channels == ("rho", "vel1", "vel2")
        np.testing.assert_allclose(opened_file.schema.grid.coordinates[1], x)
    for frame in range(T):
        np.testing.assert_allclose(frames[frame, 0], density(frame).T, atol=1e-6)
        np.testing.assert_allclose(frames[frame, 2], 2 + density(frame).T, atol=1e-6)


def test_one_of_them_is_one_state(tmp_path):
    write(tmp_path, 3)
    with pytest.raises(
        SourceError, match=r"Athena\+\+: blocks of a grid: one state of a run \(Time = 0.75\)"
    ):
        draft(tmp_path / "kh.out2.00003.athdf")
