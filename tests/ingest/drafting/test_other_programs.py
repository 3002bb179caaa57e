"""Layouts of programs without a template: drafted by what they say, or refused with the tool that helps."""

import h5py
import numpy as np
import pytest

from ingest.drafting.draft import draft
from ingest.inspecting.inspect import inspect
from shards.errors import SourceError
from tests.ingest.drafting.test_state_folders import opened
from tests.ingest.solvers import CENTRES_X, CENTRES_Y, TIME, T, U, V, X, Y, write_hdf5, write_netcdf


def test_the_series_of_carpet_is_named_by_its_variable(tmp_path):
    path = tmp_path / "rho.xy.h5"
    with h5py.File(path, "w") as file:
        for number in range(T):
            array = file.create_dataset(f"HYDROBASE::rho it={50 * number} tl=0 rl=0", data=U[number].T)
            array.attrs["time"] = TIME[number]
    recipe, row, frames, _, _ = opened(path)
    assert [field.name for field in recipe.fields] == ["rho"]
    assert row.time == tuple(TIME)
    assert {frames[number, 0].tobytes() for number in range(T)} in (
        {np.ascontiguousarray(U[number]).tobytes() for number in range(T)},
        {np.ascontiguousarray(U[number].T).tobytes() for number in range(T)},
    )


def test_coordinates_by_the_names_of_a_turbulence_database_name_the_axes(tmp_path):
    # JHTDB: a state per array, [z, y, x, component]; each has its own length.
    states = np.random.default_rng(3).normal(size=(T, 6, 5, 7, 3)).astype("f4")
    lists = {"xcoor": np.arange(7) * 0.5, "ycoor": np.arange(5) * 0.25, "zcoor": np.arange(6) * 2.0}
    arrays = {f"Velocity_{number + 1:04d}": states[number] for number in range(T)}
    recipe, _, frames, _, _ = opened(write_hdf5(tmp_path / "isotropic.h5", arrays | lists))
    assert recipe.axes == ("x", "y", "z")
    np.testing.assert_array_equal(frames, states.transpose(0, 4, 3, 2, 1))


def test_components_are_in_the_order_of_space_where_axes_are_stored_backwards(tmp_path):
    path = write_hdf5(tmp_path / "flow.nc", {"wind": np.stack([U, V], axis=-1).swapaxes(1, 2), "time": TIME})
    with h5py.File(path, "a") as file:
        for number, name in enumerate(("time", "y", "x", "component")):
            file["wind"].dims[number].label = name
    recipe, _, frames, _, _ = opened(path)
    assert recipe.axes == ("y", "x")
    np.testing.assert_array_equal(frames, np.stack([V, U], axis=1).swapaxes(2, 3))


@pytest.mark.parametrize("along", ["xf", "xh"])
def test_velocities_on_faces_are_drafted_with_the_grid_of_the_cells(tmp_path, along):
    # As CM1 and MicroHH: u on the faces of x, v on those of y; u is the largest array.
    rng = np.random.default_rng(4)
    lengths = {"time": T, "y": 6, "x": 8, "yf": 7, "xf": 9, "xh": 8}
    names = {"theta": ("time", "y", "x"), "u": ("time", "y", along), "v": ("time", "yf", "x")}
    arrays = {
        name: (axes, rng.normal(size=[lengths[axis] for axis in axes]).astype("f4"))
        for name, axes in names.items()
    }
    arrays |= {"time": (("time",), TIME), "x": (("x",), np.arange(8.0)), "y": (("y",), np.arange(6.0))}
    text = draft(write_netcdf(tmp_path / "out.nc", arrays))
    assert 'axes = ["y", "x"]' in text
    assert 'stored = ["v", "u"]\nfaces = ["y", "x"]' in text
    assert ('absent_faces = "zero"' in text) == (along == "xh")
    assert "are not taken" not in text


def test_groups_that_are_called_by_fractions_are_states(tmp_path):
    arrays = {
        f"{0.5 * number:g}/{name}": values[number]
        for name, values in (("u", U), ("v", V))
        for number in range(T)
    }
    recipe, row, frames, _, _ = opened(write_hdf5(tmp_path / "groups.h5", arrays))
    assert row.time == tuple(0.5 * number for number in range(T))
    np.testing.assert_array_equal(frames, np.stack([U, V], axis=1))
    assert recipe.source == "arrays"


def test_meshgrids_name_the_axes_along_which_they_vary(tmp_path):
    x, y = np.meshgrid(CENTRES_X, CENTRES_Y)
    np.savez(tmp_path / "wake.npz", w=U.transpose(0, 2, 1), X=x, Y=y, t=TIME)
    recipe, _, frames, _, grid = opened(tmp_path / "wake.npz")
    assert recipe.layout == "t y x"
    np.testing.assert_array_equal(frames[:, 0], U)
    np.testing.assert_array_equal(grid.coordinates[0], CENTRES_X)


def test_meshes_of_openpmd_may_be_called_fields_and_lie_next_to_particles(tmp_path):
    for number in range(T):
        base = f"data/{100 * number}"
        arrays = {f"{base}/fields/rho": U[number], f"{base}/particles/ions/position/x": np.ones(40)}
        path = write_hdf5(tmp_path / f"openpmd_{100 * number:06d}.h5", arrays, openPMD="1.1.0")
        with h5py.File(path, "r+") as file:
            file[base].attrs.update(time=TIME[number], dt=0.005, timeUnitSI=1.0)
            file[f"{base}/fields/rho"].attrs.update(
                axisLabels=np.array([b"x", b"y"]), gridSpacing=[0.5, 0.25], gridGlobalOffset=[0.0, 0.0]
            )
    recipe, row, frames, _, _ = opened(tmp_path)
    assert [field.name for field in recipe.fields] == ["rho"]
    assert row.time == tuple(TIME)
    np.testing.assert_array_equal(frames[:, 0], U)
    assert "#   particles of ions: bin them onto the grid" in draft(tmp_path)
    assert inspect(tmp_path).notes == (
        "not taken: particles of ions: bin them onto the grid to have them as fields",
    )


def test_cell_centres_of_oceananigans_are_taken_with_their_halo(tmp_path):
    halo = np.arange(-2, X + 2) * 2 / X
    arrays = {f"timeseries/b/{step}": np.pad(U[step].T, 2, constant_values=-7) for step in range(T)}
    arrays |= {f"timeseries/t/{step}": TIME[step] for step in range(T)}
    arrays |= {
        "grid/Nx": X,
        "grid/Ny": Y,
        "grid/Hx": 2,
        "grid/Hy": 2,
        "grid/xᶠᵃᵃ": halo,
        "grid/xᶜᵃᵃ": halo + 1 / X,
    }
    arrays["grid/yᵃᶜᵃ"] = (np.arange(-2, Y + 2) + 0.5) / Y
    _, _, frames, _, grid = opened(write_hdf5(tmp_path / "flow.jld2", arrays))
    np.testing.assert_array_equal(frames[:, 0], U)
    np.testing.assert_allclose(grid.coordinates[0], CENTRES_X)
    np.testing.assert_allclose(grid.coordinates[1], CENTRES_Y)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("plt0/Level_0/Cell_H", b"1", "a plotfile of AMReX.*covering_grid"),
        ("cavity/system/controlDict", b"{}", "a case of OpenFOAM.*foamToVTK"),
        ("out.bp/md.idx", b"0", "an ADIOS2 file.*adios2"),
        ("out/flow_0001.vtu", b"<VTKFile>", "a VTK file.*pyvista"),
        ("run/chan0.f00001", b"#std 4", "Nek5000.*pymech"),
        ("era5.grib", b"GRIB", "GRIB.*cdo"),
        ("run/data.0000.dbl", b"12345678", "a raw file .run/data.0000.dbl.*numpy.fromfile"),
        ("run/out.tar.gz", b"\x1f\x8b", "an archive .*unpack it"),
        ("run/fort.q0003", b"    1  patch_number", "output of Clawpack as text .*file_format=.hdf5."),
        ("frames/frame_01.png", b"\x89PNG", "a picture.*its colours are not values"),
        ("run/snap-01.gfs", b"# Gerris Flow Solver", "a snapshot of Gerris .run/snap-01.gfs"),
        ("run/restart.xyz", b"1", "only files of other kinds .*xyz"),
        ("table.csv", b"t,u\n0,1\n", "a table of text.*numpy.loadtxt"),
        ("run/0001.sdf", b"SDF1", "an SDF file of EPOCH .*sdf_xarray"),
        ("run/out.press.00001.pfb", b"1", "a binary file of ParFlow .*read_pfb"),
    ],
)
def test_the_folder_of_another_format_is_refused_with_what_reads_it(tmp_path, name, content, words):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(SourceError, match=words):
        draft(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"mesh/topology": np.ones((9, 3), "i8"), "mesh/geometry": np.ones((7, 2))}, "FEniCS.*unstructured"),
        (
            {"NXPE": np.int32(2), "NYPE": np.int32(3), "n": U, "t_array": TIME},
            "BOUT.*one of 6 parts of a grid",
        ),
        ({"soln_quad_p0": np.ones((3, 4, 9)), "mesh_uuid": np.ones(1)}, "PyFR: nodes of elements"),
        ({"Grid00000001/Density": np.ones((4, 5, 6))}, "Enzo.*patches of a refined grid"),
        ({"level_0/boxes": np.ones(4), "level_0/data": np.ones(9)}, "Chombo.*patches of a refined grid"),
        ({"patch1/q": U, "patch2/q": U + 1}, "PyClaw: patches of a refined grid"),
        ({"patch1/q": U, "patch2/q": U[:, 1:]}, "PyClaw: patches of a refined grid"),
        ({"rho it=0 tl=0 rl=0": U[0], "rho it=0 tl=0 rl=1": U[1]}, "Carpet.*patches of a refined grid"),
    ],
)
def test_meshes_and_refined_grids_are_refused_by_name(tmp_path, arrays, words):
    with pytest.raises(SourceError, match=words):
        draft(write_hdf5(tmp_path / "out.h5", arrays))


@pytest.mark.parametrize(("parts", "words"), [(1, ""), (6, "NEMO: one of 6 parts of a grid.*rebuild_nemo")])
def test_a_part_of_a_grid_is_refused_by_the_number_of_parts_that_it_states(tmp_path, parts, words):
    path = write_hdf5(tmp_path / "out_0000.nc", {"u": U, "v": V, "time": TIME})
    with h5py.File(path, "a") as file:
        file.attrs["DOMAIN_number_total"] = parts
    if not words:
        assert "velocity" in draft(path)
        return
    with pytest.raises(SourceError, match=words):
        draft(path)


def test_tiles_of_one_grid_are_no_runs(tmp_path):
    for number in range(1, 4):
        write_hdf5(tmp_path / f"atmos.tile{number}.h5", {"u": U, "time": TIME})
    with pytest.raises(SourceError, match=r"atmos.tile1.h5 and 2 more are tiles of one grid"):
        draft(tmp_path)


@pytest.mark.parametrize(("first", "words"), [(9.0, "x goes on from dump.000.000.h5"), (0.0, "")])
def test_files_whose_coordinate_goes_on_are_tiles_and_no_runs(tmp_path, first, words):
    # As DALES: a file per process, with its part of x.
    cells, width = np.arange(U.shape[1]) + 0.5, np.arange(U.shape[2]) + 0.5
    for number, start in enumerate((0.0, first)):
        fields = {"u": U + number, "time": TIME, "y": cells, "x": width + (start and len(width))}
        write_hdf5(tmp_path / f"dump.000.{number:03d}.h5", fields)
    if words:
        with pytest.raises(SourceError, match=words):
            draft(tmp_path)
    else:
        assert "2 runs" in draft(tmp_path)


def test_a_list_of_labels_called_as_an_axis_hides_no_runs(tmp_path):
    for number in range(2):
        path = write_hdf5(tmp_path / f"run_{number}.h5", {"u": U + number, "time": TIME})
        with h5py.File(path, "a") as file:
            file["x"] = np.array([b"west", b"east"])
    text = draft(tmp_path)
    assert "2 runs" in text
    assert "x: holds |S4" in text


def test_the_grid_of_the_cells_is_taken_next_to_that_of_the_corners(tmp_path):
    # As MOM6: vorticity on corners, which are more than cells, and velocities on faces between both.
    lengths = {"time": T, "yh": 6, "xh": 8, "yq": 7, "xq": 9}
    grids = {"ssh": ("yh", "xh"), "SSU": ("yh", "xq"), "SSV": ("yq", "xh"), "RV": ("yq", "xq")}
    arrays = {"time": (("time",), TIME)}
    for name, axes in grids.items():
        shape = [lengths[axis] for axis in ("time", *axes)]
        arrays[name] = (("time", *axes), np.random.default_rng(1).normal(size=shape))
    text = draft(write_netcdf(tmp_path / "ocean.nc", arrays))
    assert 'axes = ["yh", "xh"]' in text
    assert 'name = "SSU"' in text
    assert "# RV;" in text


def test_meshgrids_of_named_dimensions_are_coordinates_and_a_mask_of_ones_is_none(tmp_path):
    values = np.random.default_rng(1).normal(size=(T, 6, 8))
    grid = ("eta_rho", "xi_rho")
    x, y = np.meshgrid(np.arange(8.0) + 0.5, np.arange(6.0) + 0.5)
    arrays = {"ocean_time": (("ocean_time",), TIME), "zeta": (("ocean_time", *grid), values)}
    arrays |= {"x_rho": (grid, x), "y_rho": (grid, y), "mask_rho": (grid, np.ones((6, 8)))}
    text = draft(write_netcdf(tmp_path / "his.nc", arrays))
    assert 'eta_rho = { stored = "y_rho" }' in text
    assert 'xi_rho = { stored = "x_rho" }' in text
    assert "# mask_rho has one value everywhere: no [mask] is needed." in text
    assert text.count("[[fields]]") == 1


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("run_0_u", "run_1_u", "run_2_u"), r'arrays of 3 runs; .*stored = \["run_\*_u"\]'),
        (("u_run0", "u_run1"), r'arrays of 2 runs; .*stored = \["u_run\*"\]'),
    ],
)
def test_arrays_of_runs_in_one_file_are_refused(tmp_path, names, words):
    with pytest.raises(SourceError, match=words):
        draft(write_hdf5(tmp_path / "all.h5", {name: U + number for number, name in enumerate(names)}))


def test_dates_as_numbers_are_no_times(tmp_path):
    days = np.array([20010226, 20010227, 20010228, 20010301, 20010302, 20010303])
    arrays = {"time": (("time",), days), "t2m": (("time", "y", "x"), U.swapaxes(1, 2))}
    text = draft(write_netcdf(tmp_path / "day.nc", arrays))
    assert "time holds dates as numbers, 20010226 to 20010303" in text
    assert 'stored = "time"' not in text


def test_a_restart_file_next_to_fields_is_no_constant_field(tmp_path):
    write_netcdf(tmp_path / "fields.nc", {"time": (("time",), TIME), "T": (("time", "x", "y"), U)})
    for name in ("restart", "restart_0500", "final"):
        write_netcdf(tmp_path / f"{name}.nc", {"restart_T": (("x", "y"), U[-1])})
    text = draft(tmp_path)
    assert "restart_T" not in text
    assert 'name = "T"' in text


def test_of_fields_with_two_lists_of_times_the_most_are_taken_and_the_others_named(tmp_path):
    def on(time, count):
        return (time, "lat", "lon"), np.random.default_rng(count).normal(size=(count, 6, 8))

    arrays = {"time": (("time",), np.arange(5.0)), "time_1": (("time_1",), np.arange(3.0))}
    arrays |= {"lat": (("lat",), np.arange(6.0)), "lon": (("lon",), np.arange(8.0))}
    arrays |= {"pr": on("time_1", 3), "psl": on("time", 5), "tas": on("time", 5)}
    text = draft(write_netcdf(tmp_path / "model.nc", arrays))
    assert 'stored = "time"' in text
    assert "# CHECK: fields on another grid, [time_1, lat, lon], are not taken:\n# pr;" in text


def test_a_field_with_other_numbers_of_cells_is_named(tmp_path):
    arrays = {"t": TIME, "coarse/p": np.ones((T, 7, 5)), "fine/u": np.ones((T, 14, 10))}
    text = draft(write_hdf5(tmp_path / "levels.h5", arrays))
    assert "# CHECK: fields on another grid, [" in text
