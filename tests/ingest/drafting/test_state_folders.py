"""Folders as PLUTO, FLASH, Cholla and others write them, and MATLAB files: drafted, opened, compared."""

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
from tests.ingest.solvers import CENTRES_X, CENTRES_Y, TIME, P, T, U, V, X, Y, write_hdf5, write_netcdf


def opened(path: Path):
    """The recipe of a draft with what it leaves open taken as it stands, row, frames, constants, grid."""
    text = re.sub(r"^# (\w+ = [\[{].*)$", r"\1", draft(path), flags=re.MULTILINE)
    recipe = make(Recipe, tomllib.loads(text), "draft")
    (found,) = find_inputs(recipe, path)
    with find("arrays").open_file(found.place, recipe) as file:
        (row,) = file.rows
        return recipe, row, file.frames(0, 0, len(row.time)), file.static(0), file.schema.grid


def test_pluto_is_drafted_with_its_times_and_coordinates(tmp_path):
    x, y = np.meshgrid(CENTRES_X, CENTRES_Y)
    corner_x, corner_y = np.meshgrid(np.linspace(0, 2, X + 1), np.linspace(0, 1, Y + 1))
    coordinates = {"cell_coords/X": x, "cell_coords/Y": y, "cell_coords/Z": 0 * x}
    coordinates |= {"node_coords/X": corner_x, "node_coords/Y": corner_y, "node_coords/Z": 0 * corner_x}
    for k in range(T):
        group = f"Timestep_{10 * k}"
        fields = {
            f"{group}/vars/{name}": values[k].T for name, values in {"rho": U, "vx1": V, "vx2": P}.items()
        }
        path = write_hdf5(tmp_path / f"data.{10 * k:04d}.dbl.h5", fields | coordinates)
        with h5py.File(path, "r+") as file:
            file[group].attrs["Time"] = TIME[k]
    (tmp_path / "grid.out").write_text("# DIMENSIONS: 2")
    recipe, row, frames, _, grid = opened(tmp_path)
    assert recipe.layout == "t y x"
    assert row.time == tuple(TIME)
    assert [field.name for field in recipe.fields] == ["velocity", "rho"]
    # Shards have the axes in the order of the recipe: x, y.
    np.testing.assert_array_equal(frames, np.stack([V, P, U], axis=1))
    np.testing.assert_array_equal(grid.coordinates[0], CENTRES_X)
    np.testing.assert_array_equal(grid.coordinates[1], CENTRES_Y)


def test_a_field_that_is_equal_in_every_file_is_drafted_as_constant(tmp_path):
    for k in range(T):
        cells = {"x": CENTRES_X, "y": CENTRES_Y}
        write_hdf5(tmp_path / f"out_{k:04d}.h5", {"u": U[k], "depth": P[0], **cells}, time=TIME[k])
    recipe, _, frames, static, _ = opened(tmp_path)
    assert {field.name: field.constant for field in recipe.fields} == {"depth": True, "u": False}
    np.testing.assert_array_equal(frames[:, 0], U)
    np.testing.assert_array_equal(static[0], P[0])


def test_a_temperature_that_is_called_as_an_angle_is_no_constant_field(tmp_path):
    for k in range(T):
        cells = {"mesh/x": CENTRES_X, "mesh/y": CENTRES_Y}
        write_hdf5(tmp_path / f"out_{k:04d}.h5", {"flow/u": U[k], "flow/theta": P[k], **cells}, time=TIME[k])
    recipe, _, frames, _, _ = opened(tmp_path)
    assert [(field.name, field.constant) for field in recipe.fields] == [("theta", False), ("u", False)]
    np.testing.assert_array_equal(frames, np.stack([P, U], axis=1))


def test_flash_says_when_a_state_is_and_where_the_grid_ends_in_its_tables(tmp_path):
    for k in range(T):
        # Two blocks next to each other along x, of 9 by 7 cells each.
        blocks = np.stack([U[k].T, V[k].T])[:, None]
        places = {"coordinates": [[1.0, 0.5, 0], [3.0, 0.5, 0]], "block size": [[2.0, 1, 0]] * 2}
        kinds = {"refine level": np.ones(2, "i4"), "node type": np.ones(2, "i4")}
        tables = {
            "real scalars": table(dt=0.01, time=TIME[k]),
            "real runtime parameters": table(xmin=0.0, xmax=4.0, ymin=0.0, ymax=1.0),
        }
        write_hdf5(tmp_path / f"sod_hdf5_plt_cnt_{k:04d}", {"dens": blocks, **places, **kinds, **tables})
    recipe, row, frames, _, grid = opened(tmp_path)
    assert recipe.time is not None
    assert (recipe.time.stored, row.time) == ("real scalars@time", tuple(TIME))
    np.testing.assert_allclose(frames[:, 0], np.concatenate([U, V], axis=1).transpose(0, 2, 1))
    np.testing.assert_allclose(grid.coordinates[1], (np.arange(2 * X) + 0.5) * 4 / (2 * X))


def table(**rows: float) -> np.ndarray:
    """Names padded with blanks to 80 letters, as FLASH writes them."""
    return np.array(
        [(name.encode().ljust(80), value) for name, value in rows.items()], [("name", "S80"), ("value", "f8")]
    )


def test_a_matlab_file_with_its_user_block_is_drafted_and_read_alone_and_in_a_folder(tmp_path):
    path = tmp_path / "flow.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        # MATLAB knows no lists: they are rows or columns.
        file["u"], file["time"], file["x"], file["y"] = U, TIME[:, None], CENTRES_X[None], CENTRES_Y[None]
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    for place in (path, tmp_path):
        recipe, row, frames, _, grid = opened(place)
        assert (recipe.files, row.time) == ("*.mat", tuple(TIME))
        np.testing.assert_array_equal(frames[:, 0], U)
        assert grid.coordinates == (tuple(CENTRES_X), tuple(CENTRES_Y))


def test_numbered_files_with_vectors_of_space_are_states_and_no_runs(tmp_path):
    # As ScalarFlow: a volume per file, of which the first axis is z and no time.
    velocity = np.random.default_rng(3).normal(size=(4, 5, 6, 7, 3)).astype(np.float32)
    for step, values in enumerate(velocity):
        np.savez(tmp_path / f"velocity_{step:06d}.npz", data=values)
        np.savez(tmp_path / f"density_{step:06d}.npz", data=values[..., :1])
    text = draft(tmp_path)
    assert 'files = "{variable}_{step}.npz"' in text
    assert 'layout = "t x y z c"' in text
    _, row, frames, _, _ = opened(tmp_path)
    assert len(row.time) == 4
    assert sorted(frames[2].sum((1, 2, 3))) == pytest.approx(
        sorted([*velocity[2].sum((0, 1, 2)), velocity[2, ..., 0].sum()]), rel=1e-5
    )


def test_an_array_without_time_next_to_states_with_time_must_not_change(tmp_path):
    def write(shift):
        for k in range(T):
            arrays = {
                "time": (("time",), TIME[k : k + 1]),
                "u": (("time", "x", "y"), U[k : k + 1]),
                "bed": (("x", "y"), V[0] + k * shift),
            }
            write_netcdf(tmp_path / f"out_{k:04d}.nc", arrays)

    write(0)
    _, _, frames, constant, _ = opened(tmp_path)
    assert np.array_equal(frames[:, 0], U)
    assert np.array_equal(constant[0], V[0])
    write(1)
    with pytest.raises(SourceError, match="bed: row 0: changes in frame 1"):
        opened(tmp_path)
