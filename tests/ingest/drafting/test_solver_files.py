"""Files as solvers write them: each is drafted, decided with few edits, built, and compared with its formula.

The oracle is the formula of the stand-ins: fld(k)[t, x, y] = sin(pi (x - k t)) cos(pi y) + 0.01 k y.
"""

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ingest.building.build import build
from ingest.building.inputs import find_inputs
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.building.verify import source_faults
from ingest.drafting.draft import draft
from ingest.recipe import Recipe
from ingest.source import find
from shards.errors import SourceError
from shards.program.settings import make
from shards.read import Dataset

FILES = Path(__file__).parents[2] / "samples" / "solvers"
T, X, Y = 8, 20, 14
Values = npt.NDArray[np.float64]


def fld(k: float, nx: int = X, ny: int = Y) -> Values:
    t, x, y = np.meshgrid(
        np.arange(T) * 0.25, (np.arange(nx) + 0.5) / nx * 2, (np.arange(ny) + 0.5) / ny, indexing="ij"
    )
    values: Values = np.sin(np.pi * (x - k * t)) * np.cos(np.pi * y) + 0.01 * k * y
    return values


u, v, p = fld(1), fld(2), fld(3)


def flipped(values: Values) -> Values:
    """[T, Y, X]"""
    return values.transpose(0, 2, 1)


@dataclass(frozen=True)
class Case:
    """A stand-in: what a person edits next to uncommenting, and what must come out, by channel [T, *S]."""

    file: str
    channels: dict[str, Values]
    edits: dict[str, str] = field(default_factory=dict)
    times: tuple[float, ...] = tuple(np.arange(T) * 0.25)
    axes: tuple[str, ...] = ("x", "y")
    exact: float = 1e-12
    static: dict[str, Values] = field(default_factory=dict)
    solid: int = 0


solid = np.zeros((X, Y), bool)
solid[5:8, 4:8] = True
levels = np.stack([k * flipped(fld(k, 24, 12)) for k in (1, 2, 3, 4)], 1)
openpmd = [np.stack([a[:4] + 0.1 * z for z in range(6)], 1) for a in (p, u, v)]
BYTES = np.rint(u * 100 + 128)
# A periodic axis of 20 cells whose end is stored again.
wave = np.linspace(0, 2, 21)[:20, None] - np.arange(T)[:, None, None] * 0.25
twice = np.sin(np.pi * wave) * np.cos(np.pi * (np.arange(Y) + 0.5) / Y)
NO_TIME = {r"# step = 1.0": "step = 0.25"}

CASES = [
    Case("A_zarr_packed_v2.zarr", {"u": u}, exact=6e-5),
    Case("A_zarr_packed_v3.zarr", {"u": u}, exact=6e-5),
    Case("A_zarr_fill_v2.zarr", {"u": np.where(solid, 0, u)}, solid=12),
    Case("A_zarr_fill_v3.zarr", {"u": np.where(solid, 0, u)}, solid=12),
    Case("A_unsigned.nc", {"refl": BYTES}),
    Case("B_curvilinear.nc", {"velocity_y": flipped(v), "velocity_x": flipped(u)}, axes=("y", "x")),
    Case(
        "B_square_named_dims.nc",
        {"velocity_y": flipped(fld(2, 16, 16)), "velocity_x": flipped(fld(1, 16, 16))},
        axes=("y", "x"),
    ),
    Case("B_axes_xt_yt.nc", {"u": flipped(u)}, axes=("yt", "xt")),
    Case("B_four_levels.nc", {"u": levels}, axes=("st_ocean", "yu_ocean", "xu_ocean")),
    Case("B_lat_from_north.nc", {"temperature": levels}, axes=("level", "lat", "lon")),
    Case("B_dimension_scales.h5", {"velocity_x": u, "velocity_y": v}),
    Case("B_time_last.h5", {"ez": u}, {**NO_TIME, 'layout = "t x y"': 'layout = "x y t"'}),
    Case(
        "C_openpmd_iterations.h5",
        {"rho": openpmd[0], "E_x": openpmd[1], "E_y": openpmd[2]},
        times=(0.0, 0.5, 1.0, 1.5),
        axes=("x", "y", "z"),
    ),
    Case(
        "C_fourcastnet_1980.h5",
        {f"fields_{k}": fld(k / 7, 12, 18) for k in range(20)},
        # Of a channel that rests the file says nothing: a person does.
        {**NO_TIME, 'source = "arrays"': 'source = "arrays"\nat_rest = "keep"'},
        exact=1e-6,
    ),
    Case("steps_attr", {"density": 2 + u, "momentum_x": v, "momentum_y": p}),
    Case("steps_nc", {"th": flipped(u), "qv": flipped(v)}, axes=("yh", "xh"), exact=1e-6),
    Case("D_group_a_step.h5", {"rho": u, "velocity_x": v, "velocity_y": p}),
    Case("D_group_a_step_time_array.h5", {"data": u}),
    Case("D_steps_below_field.h5", {"b": u, "w": v}),
    Case("steps_in_zarr.zarr", {"u": u}, {'stored = "{step}"  ': 'stored = "{step}"\nstep = 0.25 '}),
    Case("one_variable_a_file", {"velocity_x": u, "velocity_y": v, "p": p}),
    Case("E_packed.nc", {"u": u}, exact=6e-5),
    Case("E_meshgrid.npz", {"u": u}),
    Case("E_time_column.h5", {"density": u, "phi": v}),
    Case("E_still_field.h5", {"u": u}, static={"orog": p[0], "w": 0 * p[0]}),
    Case("E_nan_in_solid.h5", {"u": np.where(solid, 0, u)}, solid=12),
    Case("E_repeated_end.h5", {"u": twice}),
    Case("E_classic.nc", {"u": u}),
    Case("E_u.npy", {"data": u}, NO_TIME),
    Case("E_fortran_columns.npz", {"usol": u[:, :, 3]}, axes=("x",)),
    Case("array_at_root.zarr", {"data": u}, NO_TIME),
    Case("E_zipped_with_its_folder.zarr.zip", {}),
    Case("E_virtual.h5", {"u": u}),
    Case("F_attribute_and_array.h5", {"u": u}),
    Case("F_same_number_in_group.h5", {"u": u, "sub_u": v}),
    Case("F_names_beyond_ascii.h5", {"ω": u, "Azᶜᶜᵃ": v, "Azᶠᶠᵃ": p}),
]


def decided(text: str, edits: dict[str, str], name: str) -> tuple[Recipe, int]:
    """The recipe once a person has edited what the draft marks, and the number of lines that differ."""
    changed = text
    for old, new in edits.items():
        assert old in changed, (old, text)
        changed = changed.replace(old, new)
    opened = re.sub(r"^# (\[(?:time|mask)\]|\w+ = .*)$", r"\1", changed, flags=re.MULTILINE)
    count = sum(old != new for old, new in zip(text.splitlines(), opened.splitlines(), strict=False))
    return make(Recipe, tomllib.loads(opened), name), count


@pytest.mark.parametrize("case", CASES, ids=[case.file for case in CASES])
def test_the_draft_gives_the_values_of_the_formula(case, tmp_path):
    path = FILES / case.file
    recipe, _ = decided(draft(path), case.edits, case.file)
    dataset = Dataset(build(plan_build(recipe, path, "zarr", "lz4"), tmp_path, Resources(1)).folder)
    assert list(source_faults(dataset, path)) == []
    assert len(dataset.index.trajectories) == 1
    assert dataset.card.schema.grid.axes == case.axes
    with find(recipe.source).open_file(first_input(recipe, path), recipe) as opened:
        (row,) = opened.rows
        np.testing.assert_allclose(row.time, case.times, atol=1e-12)
        frames = opened.frames(0, 0, len(row.time))
        static = opened.static(0)
        obstacle = int((opened.boundary(0) & 8 > 0).sum())
        names = opened.schema.channels
        still = opened.schema.static_channels
    assert set(case.channels) <= set(names)
    for name, expected in case.channels.items():
        np.testing.assert_allclose(frames[:, names.index(name)], expected, atol=case.exact, err_msg=name)
    for name, expected in case.static.items():
        np.testing.assert_allclose(static[still.index(name)], expected, atol=case.exact, err_msg=name)
    assert obstacle == case.solid


def first_input(recipe: Recipe, path: Path) -> Path:
    found = find_inputs(recipe, path)[0]
    return found.root / found.path


REFUSED = {
    "C_one_state_3d.h5": "openPMD: one state of a run",
    "C_blocks.athdf": r"Athena\+\+: blocks of a grid: one state of a run \(Time = 0.75\)",
    "C_plt_cnt_0001": "FLASH: blocks of a grid: one state of a run",
    "C_components_first.hdf": r"PyClaw: one state of a run \(t = 0.75\)",
    "C_particles.h5": "particles, no fields on a grid",
}


@pytest.mark.parametrize(("file", "words"), REFUSED.items())
def test_what_is_no_series_on_a_grid_is_refused_by_name(file, words):
    with pytest.raises(SourceError, match=words):
        draft(FILES / file)


def test_fields_of_two_grids_are_never_mixed():
    text = draft(FILES / "F_surface_and_volume.nc")
    recipe = make(Recipe, tomllib.loads(text), "draft")
    assert (recipe.axes, recipe.layout) == (("zh", "yh", "xh"), "t zh yh xh")
    assert [each.name for each in recipe.fields] == ["prs", "th"]
    assert "fields on another grid, [t, yh, xh], are not taken:\n# s0, s1, s2, s3, s4, s5" in text


@pytest.mark.parametrize(
    "path", sorted(FILES.iterdir()) if FILES.exists() else [], ids=lambda path: path.name
)
def test_a_draft_of_any_file_is_valid_or_refused_in_one_line(path):
    fault = ""
    try:
        make(Recipe, tomllib.loads(draft(path)), str(path))
    except SourceError as error:
        fault = str(error)
    assert "\n" not in fault
