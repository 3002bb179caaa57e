"""Each section of docs/solvers.md, built from a file of the layout that it describes."""

import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.building.verify import source_faults
from ingest.catalogue import find_recipe
from ingest.contents.solvers import SOLVERS, templates
from ingest.drafting.solver_page import read_template
from ingest.inspecting.inspect import inspect
from shards.read import Dataset
from tests.ingest.solver_page import page

ROOT = Path(__file__).parents[3]
T, X, Y = 6, 20, 14
Values = npt.NDArray[np.float64]
t, x, y = np.arange(T) * 0.25, (np.arange(X) + 0.5) / 10, (np.arange(Y) + 0.5) / Y


def wave(k: float) -> Values:
    """[T, X, Y]"""
    times, along, across = np.meshgrid(t, x, y, indexing="ij")
    values: Values = np.sin(np.pi * (along - k * times)) * np.cos(np.pi * across) + 0.01 * k * across
    return values


a, b, c = wave(1), wave(2), wave(3)
land = np.zeros((X, Y), bool)
land[5:8, 4:8] = True
turned = (0, 2, 1)
LEFT, RIGHT, BELOW, ABOVE = slice(X // 2), slice(X // 2, X), slice(Y // 2), slice(Y // 2, Y)
BLOCKS = ((LEFT, BELOW), (RIGHT, BELOW), (LEFT, ABOVE), (RIGHT, ABOVE))


def dedalus(place: Path) -> Values:
    for piece, frames in enumerate((slice(0, 3), slice(3, 6))):
        with h5py.File(place / f"run_s{piece + 1}.h5", "w") as file:
            file["scales/sim_time"] = t[frames]
            file["tasks/b"], file["tasks/u"] = a[frames], np.stack([b[frames], c[frames]], 1)
    return a


def athena(place: Path) -> Values:
    """Four mesh blocks, stored [variable, block, z, y, x]."""
    for k in range(T):
        quarters = [
            np.stack([values[k, half, side].T[None] for half, side in BLOCKS]) for values in (a, b, c)
        ]
        with h5py.File(place / f"kh.out2.{k:05d}.athdf", "w") as file:
            file["prim"] = np.stack(quarters)
            file["LogicalLocations"] = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]
            file["Levels"], file["x1v"] = np.zeros(4, "i4"), np.zeros((4, X // 2))
            file.attrs.update(Time=t[k], NumMeshBlocks=4)
    return a.transpose(turned)


def pyro(place: Path) -> Values:
    for k in range(T):
        with h5py.File(place / f"sod_{10 * k:04d}.h5", "w") as file:
            file["state/density/data"] = 2 + a[k]
            file["state/x-momentum/data"], file["state/y-momentum/data"] = b[k], c[k]
            file.attrs.update(time=t[k], nsteps=10 * k)
    return 2 + a


def pyclaw(place: Path) -> Values:
    for k in range(T):
        with h5py.File(place / f"claw{k:04d}.hdf", "w") as file:
            file["patch1/q"] = np.stack([a[k], b[k], c[k]])
            file["patch1"].attrs["t"] = t[k]
    return a


def fluidsim(place: Path) -> Values:
    for k in range(T):
        with h5py.File(place / f"state_phys_t{t[k]:08.3f}.nc", "w") as file:
            file["state_phys/ux"], file["state_phys/uy"] = b[k].T, a[k].T
            file["state_phys"].attrs["time"] = t[k]
    return a.transpose(turned)


def openpmd(place: Path) -> Values:
    with h5py.File(place / "simulation.h5", "w") as file:
        file.attrs["openPMD"] = "1.1.0"
        for k in range(T):
            group = file.create_group(f"data/{100 * k}")
            group.attrs["time"] = t[k]
            group["meshes/rho"] = a[k].T
            group["meshes/rho"].attrs["axisLabels"] = ["y", "x"]
            group["meshes/E/x"], group["meshes/E/y"] = b[k].T, c[k].T
            group["meshes/E"].attrs["axisLabels"] = ["y", "x"]
    return a.transpose(turned)


def jax_cfd(place: Path) -> Values:
    fields = {name: (("time", "x", "y"), values) for name, values in (("u", a), ("v", b))}
    xr.Dataset(fields, coords={"time": t, "x": x, "y": y}).to_netcdf(place / "decaying.nc")
    # A value is on the upper face of its cell.
    return (a + np.roll(a, 1, axis=1)) / 2


def phiflow(place: Path) -> Values:
    """A scene of a density in cells and a velocity on faces; other programs call no array dim_names."""
    (place / "sim_000000").mkdir()
    marks = {"dim_names": np.array(["x", "y"]), "lower": np.zeros(2)}
    for k in range(T):
        filled = np.pad(np.stack([b[k], c[k]], axis=-1), ((0, 1), (0, 1), (0, 0)))
        for name, values, kind in (("smoke", a[k], "CenteredGrid"), ("velocity", filled, "StaggeredGrid")):
            file = place / "sim_000000" / f"{name}_{k:06d}.npz"
            np.savez(file, data=values, field_type=np.array(kind), **marks)
    return a


def oceananigans(place: Path) -> Values:
    with h5py.File(place / "run.jld2", "w") as file:
        for k in range(T):
            file[f"timeseries/b/{50 * k}"], file[f"timeseries/t/{50 * k}"] = np.pad(a[k].T, 3), t[k]
        file["grid/Nx"], file["grid/Ny"], file["grid/Hx"], file["grid/Hy"] = X, Y, 3, 3
    return a


def pencil(place: Path) -> Values:
    with h5py.File(place / "slices.h5", "w") as file:
        file["last"] = [T]
        for k in range(T):
            file[f"{k + 1}/data"], file[f"{k + 1}/time"] = a[k].T, t[k]
    return a.transpose(turned)


def wrf(place: Path) -> Values:
    names = ("wrfout_d01_2020-01-01_00:00:00", "wrfout_d01_2020-01-02_00:00:00")
    dims = ("Time", "south_north", "west_east")
    rows = [a.transpose(turned), np.broadcast_to(b[0].T, (T, Y, X))]
    for name, frames in zip(names, (slice(0, 3), slice(3, 6)), strict=True):
        data = {"T2": (dims, rows[0][frames]), "HGT": (dims, rows[1][frames]), "XTIME": ("Time", t[frames])}
        xr.Dataset(data).to_netcdf(place / name)
    return rows[0]


def roms(place: Path) -> Values:
    zeta = np.where(land.T, np.nan, a.transpose(turned))
    for number, frames in enumerate((slice(0, 3), slice(3, 6))):
        data = {
            "zeta": (("ocean_time", "eta_rho", "xi_rho"), zeta[frames]),
            "mask_rho": (("eta_rho", "xi_rho"), (~land.T).astype("f8")),
        }
        xr.Dataset(data, coords={"ocean_time": t[frames]}).to_netcdf(place / f"sea_his_{number + 1:04d}.nc")
    return np.where(land.T, 0, a.transpose(turned))


def mom(place: Path) -> Values:
    dims = ("time", "yu_ocean", "xu_ocean")
    for number, frames in enumerate((slice(0, 3), slice(3, 6))):
        rows = {
            n: np.where(land.T, np.nan, w.transpose(turned))[frames] for n, w in (("usurf", b), ("vsurf", a))
        }
        data = {name: (dims, values) for name, values in rows.items()}
        coordinates = {"time": t[frames], "yu_ocean": y, "xu_ocean": x}
        xr.Dataset(data, coords=coordinates).to_netcdf(place / f"ocean_{number + 1:04d}.nc")
    return np.where(land.T, 0, a.transpose(turned))


def veros(place: Path) -> Values:
    volume = np.stack([k + a.transpose(turned) for k in range(4)], 1)
    volume[:, :2, land.T] = np.nan
    data = {"temp": (("Time", "zt", "yt", "xt"), volume)}
    for name, axis, faces in (("w", 1, "zw"), ("v", 2, "yu"), ("u", 3, "xu")):
        axes = tuple(faces if word[0] == faces[0] else word for word in ("Time", "zt", "yt", "xt"))
        # The face above a cell: it has no value if there is land on one of its sides.
        above = np.minimum(np.arange(volume.shape[axis]) + 1, volume.shape[axis] - 1)
        data[name] = (axes, volume + volume.take(above, axis))
    xr.Dataset(data, coords={"Time": t, "zt": np.arange(4.0), "yt": y, "xt": x}).to_netcdf(
        place / "run.snapshot.nc"
    )
    return np.nan_to_num(volume)


def era5(place: Path) -> Values:
    dims = ("valid_time", "latitude", "longitude")
    rows = {
        name: (dims, values.transpose(turned)[:, ::-1])
        for name, values in (("t2m", a), ("u10", b), ("v10", c))
    }
    coordinates = {"valid_time": t, "latitude": y[::-1], "longitude": x}
    packed = {"t2m": {"dtype": "i2", "scale_factor": 1e-4, "add_offset": 0.5, "_FillValue": -32767}}
    xr.Dataset(rows, coords=coordinates).to_netcdf(place / "era5.nc", encoding=packed)
    return a.transpose(turned)[:, ::-1]


def cmip(place: Path) -> Values:
    for name, values in (("tas", a), ("psl", b)):
        data = {name: (("time", "lat", "lon"), values.transpose(turned))}
        xr.Dataset(data, coords={"time": t, "lat": y, "lon": x}).to_netcdf(place / f"{name}_MODEL.nc")
    return a.transpose(turned)


def meep(place: Path) -> Values:
    with h5py.File(place / "ez.h5", "w") as file:
        file.create_dataset("ez", data=np.moveaxis(a, 0, -1), maxshape=(X, Y, None), chunks=(X, Y, 1))
    return a


def py_pde(place: Path) -> Values:
    with h5py.File(place / "run.hdf5", "w") as file:
        file["data"], file["times"] = np.stack([a, b], axis=1), t
        file.attrs["field_attributes"] = "{}"
    return a


def exponax(place: Path) -> Values:
    np.save(place / "burgers.npy", np.stack([a, b], axis=1)[None])
    return a


def pluto(place: Path) -> Values:
    for k in range(T):
        with h5py.File(place / f"data.{k:04d}.flt.h5", "w") as file:
            file[f"Timestep_{k}/vars/rho"] = a[k].T
            file[f"Timestep_{k}"].attrs["Time"] = t[k]
    return a.transpose(turned)


WRITERS: dict[str, Callable[[Path], Values]] = {
    each.__name__: each
    for each in (
        *(athena, dedalus, pyro, pyclaw, fluidsim, openpmd, jax_cfd, phiflow, oceananigans, pencil, wrf),
        *(roms, mom, veros, era5, cmip, meep, py_pde, exponax, pluto),
    )
}


@pytest.mark.parametrize("name", sorted(templates()))
def test_the_recipe_of_each_section_builds_a_file_of_its_layout(name, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = WRITERS[name](source)
    recipe = find_recipe(str(templates()[name]))
    dataset = Dataset(build(plan_build(recipe, source, "zarr", "lz4"), tmp_path, Resources(1)).folder)
    assert list(source_faults(dataset, source)) == []
    (entry,) = dataset.index.trajectories
    np.testing.assert_allclose(dataset.document(entry).trajectory.time, t, atol=1e-9)
    shape = dataset.card.schema.frame_shape
    frames = np.empty((T, *shape), dataset.card.schema.dtype)
    dataset.read_frames(entry, range(T), frames)
    first = frames[:, 0] * 2.0 ** dataset.card.powers[recipe.fields[0].name]
    np.testing.assert_allclose(first, expected, atol=6e-5 if name == "era5" else 1e-6)


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_inspect_names_the_program_where_marks_are_known(name, tmp_path):
    known = {solver.template: solver.name for solver in SOLVERS}
    if name not in known or name in ("wrf", "roms", "mom"):
        pytest.skip("its files have no marks of their own in so small a file")
    WRITERS[name](tmp_path)
    found = inspect(tmp_path)
    assert (found.written_by, found.template) == (known[name], name)


def test_the_page_is_made_from_the_templates_and_the_tests_of_drafts():
    written = (ROOT / "docs" / "solvers.md").read_text(encoding="utf-8")
    assert written == page(), "run: python -m tests.ingest.solver_page > docs/solvers.md"


def test_each_template_has_a_section_a_test_and_a_place():
    assert set(WRITERS) == set(templates())
    assert {solver.template for solver in SOLVERS} - {""} <= {*templates(), "flash", "gamer"}
    for name in templates():
        assert read_template(name).writes
