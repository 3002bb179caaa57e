"""Files without a grid are refused by the name of what they hold, with what to do."""

import h5py
import netCDF4
import numpy as np
import pytest

from ingest.drafting.draft import draft
from shards.errors import SourceError
from tests.ingest.solvers import CENTRES_X, CENTRES_Y, TIME, P, T, U, V, X, Y, write_hdf5, write_netcdf

POINTS = 50
PLACES = {"x": np.sqrt(np.arange(POINTS)), "y": np.cos(np.arange(POINTS))}
VALUES = np.random.default_rng(0).normal(size=(T, POINTS))
COEFFICIENTS = {f"{{}}/{step}": np.fft.rfft2(U[step]) for step in range(T)}
MESH = {"u": VALUES, "t": TIME, "geometry/vertices": np.ones((POINTS, 2))}


def coefficients(name: str) -> dict[str, np.ndarray]:
    return {path.format(name): values for path, values in COEFFICIENTS.items()}


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"topologies/dm/cells": np.ones((10, 3), "i4"), "vertices": np.ones((9, 2))}, "Firedrake: cells of"),
        ({"mesh/cell_nodes": np.ones((30, 3), "i4"), **MESH}, "mesh/cell_nodes says which points make a"),
        ({"triangles": np.ones((3, 30), "u4"), **MESH}, "triangles says which points make a cell.*griddata"),
        ({"meshes/1/faces/nodes/1/nodes": np.ones(99, "i4")}, "Ansys Fluent: cells of an unstructured mesh"),
        ({"v": VALUES, "time": TIME, **PLACES}, "x, y say where 50 points are: points without a grid.*grid"),
        ({"p": VALUES, "Cx": PLACES["x"], "Cy": PLACES["y"]}, "Cx, Cy say where 50 points are"),
        ({f"v/{step}": VALUES[step] for step in range(T)} | PLACES, "x, y say where 50 points are"),
        ({"u": U.reshape(T, -1), "t": TIME, "x": np.repeat(CENTRES_X, Y), "y": np.tile(CENTRES_Y, X)},
         r"63 cells of a grid of 9 by 7 as a list.*write u.reshape\(-1, 9, 7\)"),
        (coefficients("vort_hat/2D"), "vort_hat/2D/0 holds complex numbers, Fourier.*inverse transform"),
        (coefficients("w") | {"kx": np.arange(9.0)}, "Fourier coefficients by its name or its wavenumbers"),
        ({"p": VALUES[:, :7], "t": TIME, "probe_x": np.arange(7.0), "probe_y": np.ones(7)},
         "probe_x, probe_y say where 7 points are: probes or stations, no grid; .*name the files"),
        ({"v": np.stack([VALUES[:, :5]] * 3, -1), "t": TIME, "px": np.arange(5.0), "py": np.ones(5)},
         "px, py say where 5 points are: probes"),
        ({"p": VALUES[:, :8], "t": TIME, "sensors": np.ones((8, 2))}, "sensors says where 8 points are"),
        ({"S": VALUES, "t": TIME, "frequency": np.arange(50.0)}, "S is along frequency: a spectrum, not a"),
        ({"a": VALUES, "t": TIME, "modes": np.arange(50)}, "a is along modes: a spectrum"),
        ({"state": np.zeros((T, X, Y), [("rho", "f4"), ("u", "f4")])}, "state is an array of records.*savez"),
        ({"E": VALUES[0], "k": np.arange(50.0)}, "E is along k: a spectrum"),
        ({"psi": U + 1j * V, "t": TIME}, "psi holds complex numbers; expected real ones; write two arrays"),
        ({"LogicalLocations": np.ones((4, 3)), "Locations/x": np.ones((4, 9)), "rho": np.ones((4, 1, X, Y))},
         "Parthenon: blocks of a grid; expected one grid.*yt"),
        ({"VTKHDF/CellData/p": U, "VTKHDF/Steps/Values": TIME}, "VTKHDF: arrays whose axes and times VTK"),
        ({"B/GridCoordinates/CoordinateX/ data": U[0], "B/FlowSolution/p/ data": V[0]}, "CGNS: zones of a"),
        ({"branch": VALUES, "trunk": np.ones((30, 2)), "output": np.ones((T, 30))}, "branch and trunk look"),
        ({"X_train0": VALUES, "X_train1": np.ones((2, 30)), "y_train": np.ones((T, 30))}, "operator network"),
    ],
)  # fmt: skip
def test_what_has_no_grid_is_refused_by_name(tmp_path, arrays, words):
    with pytest.raises(SourceError, match=words):
        draft(write_hdf5(tmp_path / "out.h5", arrays))


@pytest.mark.parametrize("parts", [(), ("ri",)])
def test_real_numbers_along_wavenumbers_are_refused_as_coefficients(tmp_path, parts):
    values = np.ones((T, 5, 9, 4, 2) if parts else (T, 5, 9))
    names = ("time", "ky", "kx", *(("theta", *parts) if parts else ()))
    path = write_netcdf(tmp_path / "gx.nc", {"Phi": (names, values), "time": (("time",), TIME)})
    with pytest.raises(SourceError, match=r"Phi is along the wavenumbers ky, kx: .*inverse transform"):
        draft(path)


@pytest.mark.parametrize(("name", "dimension"), [("E", "k"), ("energy_spectrum", "k"), ("P", "wavenumber")])
def test_the_only_axis_may_be_that_of_a_spectrum(tmp_path, name, dimension):
    arrays = {name: (("time", dimension), VALUES), "time": (("time",), TIME)}
    with pytest.raises(SourceError, match=f"{name} is along {dimension}: a spectrum, not a field in space"):
        draft(write_netcdf(tmp_path / "spectra.nc", arrays))


def test_a_column_along_k_is_no_spectrum(tmp_path):
    arrays = {"theta": (("time", "k"), VALUES), "time": (("time",), TIME)}
    assert 'axes = ["k"]' in draft(write_netcdf(tmp_path / "column.nc", arrays))


SAMPLES = np.random.default_rng(0).normal(size=(5, X, Y))


@pytest.mark.parametrize(
    "names", [("a", "u"), ("coeff", "sol"), ("input", "output"), ("x_train", "y_train"), ("nu", "tensor")]
)
def test_pairs_without_a_time_are_refused_by_name(tmp_path, names):
    first, second = names
    arrays = {first: SAMPLES, second: SAMPLES[:, None] if second == "tensor" else SAMPLES}
    words = f"{first} and {second} look like 5 pairs of an input and an output,"
    with pytest.raises(SourceError, match=words):
        draft(write_hdf5(tmp_path / "pairs.h5", arrays | {"x": CENTRES_X, "y": CENTRES_Y}))


def test_pairs_with_components_or_in_a_file_each_are_refused_by_name(tmp_path):
    samples = np.stack([SAMPLES] * 3, axis=-1)
    np.savez(tmp_path / "pairs.npz", inputs=samples, outputs=samples)
    words = "inputs and outputs look like 5 pairs of an input and an output,"
    with pytest.raises(SourceError, match=words):
        draft(tmp_path / "pairs.npz")
    (tmp_path / "apart").mkdir()
    for name in ("inputs", "outputs"):
        np.save(tmp_path / "apart" / f"{name}.npy", samples)
    with pytest.raises(SourceError, match=words):
        draft(tmp_path / "apart")


@pytest.mark.parametrize(("names", "frames"), [(("x", "y"), (4, 6)), (("inputs", "targets"), (4, 4))])
def test_the_past_and_the_future_of_runs_are_refused_by_name(tmp_path, names, frames):
    for split in ("train", "test"):
        parts = [np.stack([SAMPLES] * count, axis=-1) for count in frames]
        np.savez(tmp_path / f"{split}.npz", nu=np.arange(5.0), **dict(zip(names, parts, strict=True)))
    first, second = names
    words = f"{first} and {second} look like 5 pairs of an input and an output,.*join what is past and future"
    with pytest.raises(SourceError, match=words):
        draft(tmp_path)


def test_arrays_called_as_pairs_are_a_series_if_a_list_says_so(tmp_path):
    text = draft(write_hdf5(tmp_path / "run.h5", {"a": U, "u": V, "t": TIME, "x": CENTRES_X, "y": CENTRES_Y}))
    assert 'layout = "t x y"' in text


@pytest.mark.parametrize(
    ("dimension", "arrays", "words"),
    [
        ("nele", {"lon": PLACES["x"], "lat": PLACES["y"]}, "lat, lon say where 50 points are"),
        ("cell", {}, "48 cells of HEALPix.*healpy"),
        ("ncells", {}, "the dimension ncells is a list of cells or points"),
    ],
)
def test_fields_over_a_list_of_cells_are_refused_by_what_says_so(tmp_path, dimension, arrays, words):
    count = POINTS if arrays else 48
    held = {name: ((dimension,), values) for name, values in arrays.items()}
    held["u"] = (("time", dimension), VALUES[:, :count])
    if arrays:
        held["salt"] = (("time", "siglay", dimension), np.stack([VALUES] * 4, axis=1))
    with pytest.raises(SourceError, match=words):
        draft(write_netcdf(tmp_path / "out.nc", held | {"time": (("time",), TIME)}))


def test_a_state_of_points_per_file_is_no_run_on_a_grid(tmp_path):
    for step in range(T):
        velocity = np.stack([VALUES[step], VALUES[step], VALUES[step]], axis=1)
        write_hdf5(tmp_path / f"{TIME[step]:g}" / "f.h5", {"U": velocity, "p": VALUES[step], **PLACES})
    with pytest.raises(SourceError, match="x, y say where 50 points are"):
        draft(tmp_path)


def matlab(path, kind: str, **plain: np.ndarray):
    """A struct array of two runs or a cell array, as MATLAB 7.3 writes them, next to plain arrays."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for number, values in enumerate((U, P)):
            file[f"#refs#/{'bc'[number]}"] = values
        for name in ("sim/u", "sim/w") if kind == "struct" else ("runs",):
            held = file.create_dataset(name, (2, 1), dtype=h5py.ref_dtype)
            held[:, 0] = [file["#refs#/b"].ref, file["#refs#/c"].ref]
        for name, values in plain.items():
            file[name] = values
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("struct", r"sim/u refers to .*: sim is a struct array of MATLAB.*s = sim\(k\); save\(.*-struct"),
        ("cell", r"runs refers to .*: it is a cell array of MATLAB.*u = runs{k}"),
    ],
)
def test_references_of_matlab_are_refused_with_what_saves_plain_arrays(tmp_path, kind, words):
    with pytest.raises(SourceError, match=words):
        draft(matlab(tmp_path / "results.mat", kind))


def test_plain_arrays_next_to_references_are_drafted_alone(tmp_path):
    text = draft(matlab(tmp_path / "results.mat", "cell", v=V, t=TIME))
    assert [line for line in text.splitlines() if line.startswith("name = ")][1:] == ['name = "v"']
    assert "#refs#" not in text


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"X_star": np.ones((POINTS, 2)), "p": VALUES[:, :POINTS].T}, "X_star says where 50 cells are"),
        ({"pos": np.ones((T, POINTS, 3)), "vel": np.ones((T, POINTS, 3))}, "pos says where 50 particles are"),
        ({"u": VALUES[:, :POINTS], "nx": 10, "ny": 5}, "a grid of 10 by 5; expected an axis for each"),
        ({"u": np.ones((T, 14, 8)), "kx": np.arange(14), "ky": np.arange(8)}, "wavenumbers kx, ky.*inverse"),
        ({"u_hat": np.ones((T, 9, 8)), "kx": np.arange(9), "ky": np.arange(8)}, "u_hat has the axes"),
    ],
)
def test_positions_flat_grids_and_coefficients_without_names_of_axes_are_refused(tmp_path, arrays, words):
    with pytest.raises(SourceError, match=words):
        draft(write_hdf5(tmp_path / "out.h5", {**arrays, "t": TIME}))


def test_a_field_in_space_next_to_its_wavenumbers_is_drafted(tmp_path):
    arrays = {"u": np.ones((T, 14, 9)), "kx": np.arange(14), "ky": np.arange(9), "t": TIME}
    assert 'layout = "t x y"' in draft(write_hdf5(tmp_path / "out.h5", arrays))


def test_a_list_of_arrays_that_numpy_pickled_is_refused_with_what_saves_plain_ones(tmp_path):
    runs = np.empty(2, object)
    runs[:] = [U, U[1:]]
    np.savez(tmp_path / "runs.npz", u=runs)
    with pytest.raises(SourceError, match=r"u is a list of Python objects.*save each run"):
        draft(tmp_path / "runs.npz")


def test_text_next_to_a_field_is_no_reason_to_refuse_it(tmp_path):
    arrays = {"f": U, "timestamps": np.arange(45.0), "who": ["mouse", "rat"]}
    drafted = draft(write_hdf5(tmp_path / "out.h5", arrays))
    assert '# layout = "t x y"' in drafted
    assert f"#   timestamps: lists 45 times; expected one for each of {T} frames" in drafted
    assert "#   who: holds text" in drafted


@pytest.mark.parametrize(
    ("dimension", "described", "words"),
    [
        ("nMesh2_face", False, "the dimension nMesh2_face is a list of cells or points"),
        ("elements", True, "mesh2 describes a mesh: cells of an unstructured mesh"),
    ],
)
def test_meshes_of_ugrid_are_refused_by_their_conventions(tmp_path, dimension, described, words):
    path = write_netcdf(
        tmp_path / "map.nc",
        {"s1": (("time", dimension), VALUES), "time": (("time",), TIME), "mesh2": ((), np.int32(0))},
    )
    if described:
        with netCDF4.Dataset(path, "a") as file:
            file["mesh2"].cf_role = "mesh_topology"
    with pytest.raises(SourceError, match=words):
        draft(path)
