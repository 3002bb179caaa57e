"""Every system of the catalogue, small, in the layout of its source: built, verified, equal to what was
written.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.building.verify import source_faults
from ingest.catalogue import catalogue, find_recipe
from ingest.recipe import Recipe
from shards.index import Packaging
from shards.read import Dataset
from shards.schema import Boundary, Cell
from shards.verify import faults
from tests.ingest.sources.test_bubbleml import FIELDS

LENGTHS = {1: (6,), 2: (6, 4), 3: (5, 4, 3)}
T = 4
# What was written, (file, row) -> [T, C, *S].
Written = dict[tuple[str, int], np.ndarray]

# Groups of boundary_conditions and parameters as the released files hold them.
THREE_PERIODIC = "x_periodic y_periodic z_periodic"
WELL = {
    "acoustic_scattering_discontinuous": ("x0_wall xL_open y0_wall yL_open", ""),
    "acoustic_scattering_inclusions": ("x0_wall xL_open y0_wall yL_open", ""),
    "acoustic_scattering_maze": ("x0_wall xL_open y0_wall yL_open", ""),
    "active_matter": ("x_periodic y_periodic", "L zeta alpha"),
    "euler_multi_quadrants_periodicBC": ("x_periodic y_periodic", "gamma"),
    "euler_multi_quadrants_openBC": ("x_open y_open", "gamma"),
    "gray_scott_reaction_diffusion": ("x_periodic y_periodic", "F k"),
    "helmholtz_staircase": ("x_open_neumann y_open_neumann", "omega"),
    "MHD_64": (THREE_PERIODIC, "Ma Ms"),
    "planetswe": ("theta_open phi_periodic", ""),
    "rayleigh_benard": ("x_periodic y_wall_dirichlet", "Rayleigh Prandtl"),
    "rayleigh_taylor_instability": ("x_periodic y_periodic z_wall", "At"),
    "shear_flow": ("x_periodic y_periodic", "Rayleigh Schmidt"),
    "supernova_explosion_128": ("x_open y_open z_open", "Msun rho0 Z T0"),
    "turbulence_gravity_cooling": ("x_open y_open z_open", "rho0 Z T0"),
    "turbulent_radiative_layer_2D": ("x_periodic y_open", "tcool"),
    "turbulent_radiative_layer_3D": ("x_periodic y_periodic z_open", "tcool"),
    "viscoelastic_instability": ("x_periodic y_wall_noslip", "Re Wi beta epsilon Lmax"),
    "post_neutron_star_merger": ("log_r_open theta_periodic phi_periodic", ""),
    "convective_envelope_rsg": ("r_open theta_periodic phi_periodic", ""),
}
GRID_TYPES = {
    "planetswe": "equiangular",
    "post_neutron_star_merger": "spherical",
    "convective_envelope_rsg": "spherical",
}


def centres(name: str, axis: str, length: int) -> np.ndarray:
    if (name, axis) == ("rayleigh_benard", "y"):
        return (1 - np.cos((np.arange(length) + 0.5) * np.pi / length)) / 2
    if (name, axis) == ("convective_envelope_rsg", "r"):
        return np.geomspace(300, 6700, length)
    return np.linspace(-1, 1, length)


def values(recipe: Recipe, name: str, leading: tuple[int, ...], seed: int) -> np.ndarray:
    """[*leading, *S, components] of float32, all positive, so that each has a logarithm."""
    rank = next(field.rank for field in recipe.fields if field.stored_names[0] == name)
    shape = (*leading, *LENGTHS[len(recipe.axes)], *(len(recipe.axes),) * rank)
    return np.random.default_rng([seed, *name.encode()]).lognormal(size=shape).astype("f4")


def write_well(recipe: Recipe, root: Path) -> Written:
    """`data/<split>/<name>.hdf5`: the same file name in every split."""
    written: Written = {}
    for seed, (split, rows) in enumerate((("train", 2), ("valid", 1), ("test", 1))):
        path = root / "data" / split / f"{recipe.name}_chunk_0.hdf5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            frames = write_well_file(file, recipe, rows, seed)
        written |= {(f"data/{split}/{path.name}", row): each for row, each in enumerate(frames)}
    return written


def write_well_file(file: h5py.File, recipe: Recipe, rows: int, seed: int) -> np.ndarray:
    """[B, T, C, *S] of what was written."""
    groups, scalars = WELL[recipe.name]
    file.attrs.update(
        dataset_name=recipe.name,
        n_trajectories=rows,
        grid_type=GRID_TYPES.get(recipe.name, "cartesian"),
        n_spatial_dims=len(recipe.axes),
    )
    write_dimensions(file, recipe, rows)
    write_boundaries(file, recipe, groups)
    parameters = file.create_group("scalars")
    parameters.attrs["field_names"] = scalars.split() if scalars else np.empty(0)
    for number, name in enumerate(scalars.split()):
        parameters[name] = 0.5 + number
    channels = []
    for rank in range(3):
        group = file.create_group(f"t{rank}_fields")
        fields = [field for field in recipe.fields if field.rank == rank]
        group.attrs["field_names"] = [f.stored_names[0] for f in fields] if fields else np.empty(0)
        for field in fields:
            name = field.stored_names[0]
            data = values(recipe, name, (rows,) if field.constant else (rows, T), seed)
            dataset = group.create_dataset(name, data=data)
            dataset.attrs.update(sample_varying=True, time_varying=not field.constant)
            dataset.attrs["dim_varying"] = [True] * len(recipe.axes)
    for field in recipe.variable:
        data = file[f"t{field.rank}_fields/{field.stored_names[0]}"][()]
        data = data.reshape(rows, T, *LENGTHS[len(recipe.axes)], -1)
        data = np.log10(data.astype("f8")).astype("f4") if field.transform else data
        channels += [data[..., component] for component in range(data.shape[-1])]
    return np.stack(channels, axis=2)


def write_dimensions(file: h5py.File, recipe: Recipe, rows: int) -> None:
    dimensions = file.create_group("dimensions")
    dimensions.attrs["spatial_dims"] = list(recipe.axes)
    for axis, length in zip(recipe.axes, LENGTHS[len(recipe.axes)], strict=True):
        dimensions[axis] = centres(recipe.name, axis, length).astype("f4")
    time = np.array([0, 1, 2, 5 if "supernova" in recipe.name else 3], "f4")
    # Each trajectory has times of its own.
    dimensions["time"] = [time + row for row in range(rows)] if "viscoelastic" in recipe.name else time


def write_boundaries(file: h5py.File, recipe: Recipe, groups: str) -> None:
    parent = file.create_group("boundary_conditions")
    for name in groups.split():
        axis, end, kind = re.fullmatch(r"(.+?)(0|L)?_(wall|open|periodic)(?:_\w+)?", name).groups()
        group = parent.create_group(name)
        group.attrs["bc_type"], group.attrs["associated_dims"] = kind.upper(), axis
        mask = np.zeros(LENGTHS[len(recipe.axes)][recipe.axes.index(axis)], bool)
        mask[{"0": [0], "L": [-1], None: [0, -1]}[end]] = True
        group["mask"] = mask
    if recipe.name == "helmholtz_staircase":
        group = parent.create_group("xy_wall")
        group.attrs["bc_type"], group.attrs["associated_dims"] = "WALL", ["x", "y"]
        group["mask"] = stairs()


def stairs() -> np.ndarray:
    """[x, y]: solid below, one cell higher in the right half."""
    solid = np.zeros(LENGTHS[2], bool)
    solid[:, 0] = solid[3:, 1] = True
    return solid


def write_pdebench(recipe: Recipe, root: Path) -> Written:
    kind = recipe.files.split("_")[2]
    path = root / f"3D_CFD_{kind}_M1.0_Eta1e-08_Zeta1e-08_periodic_Train.hdf5"
    data = {n: values(replace_ranks(recipe), n, (4, T), 1) for n in ("density", "pressure", "Vx", "Vy", "Vz")}
    with h5py.File(path, "w") as file:
        for name, array in data.items():
            file[name] = array
        for axis, length in zip("xyz", LENGTHS[3], strict=True):
            file[f"{axis}-coordinate"] = ((np.arange(length) + 0.5) / length).astype("f4")
        file["t-coordinate"] = (np.arange(T + 1) * 0.05).astype("f4")
        file.attrs.update(M=1.0, eta=1e-8, zeta=1e-8)
    return {(path.name, row): np.stack([array[row] for array in data.values()], axis=1) for row in range(4)}


def replace_ranks(recipe: Recipe) -> Recipe:
    """Every stored name as a scalar: the components lie apart."""
    names = [name for field in recipe.fields for name in field.stored_names]
    return replace(recipe, fields=tuple(replace(recipe.fields[0], name=name, stored=()) for name in names))


def write_pdearena(recipe: Recipe, root: Path) -> Written:
    """float64; velocities on the lower faces, zero on the wall."""
    written: Written = {}
    for split in ("train", "valid", "test"):
        path = root / f"NavierStokes2D_{split}_42_0.25000_2.h5"
        u, vx, vy = np.random.default_rng(len(split)).normal(size=(3, 2, T, *LENGTHS[2]))
        vx[:, :, 0], vy[:, :, :, 0] = 0, 0
        with h5py.File(path, "w") as file:
            group = file.create_group(split)
            group["u"], group["vx"], group["vy"] = u, vx, vy
            for axis, length in zip("xy", LENGTHS[2], strict=True):
                group[axis], group[f"d{axis}"] = [np.linspace(0, 32, length)] * 2, [32 / (length - 1)] * 2
            group["t"], group["dt"], group["buo_y"] = [np.linspace(18, 102, T)] * 2, [1.5] * 2, [0.25] * 2
        vx = (vx + np.pad(vx, ((0, 0), (0, 0), (0, 1), (0, 0)))[:, :, 1:]) / 2
        vy = (vy + np.pad(vy, ((0, 0), (0, 0), (0, 0), (0, 1)))[:, :, :, 1:]) / 2
        frames = np.stack([u, vx, vy], axis=2).astype("f4")
        written |= {(path.name, row): frames[row] for row in range(2)}
    return written


def write_pdegym(recipe: Recipe, root: Path) -> Written:
    n, t, c, x, y = np.meshgrid(*(np.arange(length) for length in (5, T, 5, *LENGTHS[2])), indexing="ij")
    data = (2 + np.sin(2 * np.pi * (x / LENGTHS[2][0] + y / LENGTHS[2][1]) + t + c + n)).astype("f4")
    with h5py.File(root / "CE-RM.nc", "w") as file:
        for name, length in zip(("sample", "time", "channel", "x", "y"), data.shape, strict=True):
            scale = file.create_dataset(name, shape=(length,), dtype=">f4")
            scale.make_scale(f"This is a netCDF dimension but not a netCDF variable.{length:10d}")
        file.create_dataset("solution", data=data, chunks=(1, 1, *data.shape[2:]))
    return {("CE-RM.nc", row): data[row] for row in range(5)}


def write_bubbleml(recipe: Recipe, root: Path) -> Written:
    written: Written = {}
    shape = LENGTHS[2][::-1]
    words = {"xl": "NOSLIP_INS", "xr": "NOSLIP_INS", "yl": "NOSLIP_INS", "yr": "OUTFLOW_INS"}
    for study, degrees in (("FC72", 97), ("FC72", 107), ("R515B", 97)):
        path = root / f"PoolBoiling-Subcooled-{study}-2D" / f"Twall_{degrees}.hdf5"
        path.parent.mkdir(exist_ok=True)
        random = np.random.default_rng([degrees, len(study)])
        data = {name: random.normal(size=(T, *shape)).astype("f4") for name in FIELDS}
        with h5py.File(path, "w") as file:
            for name, array in data.items():
                file[name] = array
            file["velfacex"], file["velfacey"] = (
                np.zeros((T, shape[0], shape[1] + 1)),
                np.zeros((T, shape[0] + 1, shape[1])),
            )
            for axis, length in zip("xy", LENGTHS[2], strict=True):
                file[f"{axis}_centers"], file[f"{axis}_faces"] = (
                    np.arange(length) + 0.5,
                    np.arange(length + 1.0),
                )
        numbers = {place: 0.5 for place in recipe.scalars.values() if "/" not in place}
        times = {"t_initial": 0.0, "t_final": (T - 1) * 0.1, "dt": 0.1}
        sides = {f"{end}_boundary_type": word for end, word in words.items()}
        heater = {"heater": {"nucWaitTime": 0.4, "wallTemp": 1.0}}
        path.with_suffix(".json").write_text(json.dumps(numbers | times | sides | heater))
        frames = np.stack([data[name].transpose(0, 2, 1) for name in FIELDS[:4]], axis=1)
        written[path.relative_to(root).as_posix(), 0] = frames
    return written


def write_flowbench(recipe: Recipe, root: Path) -> Written:
    """Both polarities of the mask occur; a geometry without runs holds only .gitkeep."""
    family = recipe.name.removeprefix("flowbench_")
    written: Written = {}
    solid = np.zeros(LENGTHS[2][::-1], bool)
    solid[1:3, 2] = True
    for geometry, reynolds, flip in ((1, 100, False), (1, 250, False), (2, 100, True)):
        place = root / family / str(geometry)
        place.mkdir(parents=True, exist_ok=True)
        data = np.random.default_rng([geometry, reynolds]).normal(
            loc=[1, 0, 0], size=(T + 2, *solid.shape, 3)
        )
        data[:, solid, :2] *= 1e-9
        np.savez_compressed(place / f"Re_{reynolds}.npz", data=data)
        np.savez(
            place / "input_geometry.npz", data=np.where(solid, -1.0, 1.0), mask=(solid ^ flip).astype("i4")
        )
        written[f"{family}/{geometry}/Re_{reynolds}.npz", 0] = data[2:].transpose(0, 3, 2, 1).astype("f4")
    (root / family / "3").mkdir()
    (root / family / "3" / ".gitkeep").touch()
    return written


WRITERS: dict[str, Callable[[Recipe, Path], Written]] = {
    "well": write_well,
    "pdebench": write_pdebench,
    "pdearena": write_pdearena,
    "pdegym": write_pdegym,
    "bubbleml": write_bubbleml,
    "flowbench": write_flowbench,
}


def built(name: str, folder: Path, packaging: Packaging = "webdataset") -> tuple[Dataset, Written]:
    recipe, source = find_recipe(name), folder / "source"
    source.mkdir()
    written = WRITERS[recipe.source](recipe, source)
    result = build(plan_build(recipe, source, packaging, "raw"), folder / "root", Resources(1))
    return Dataset(result.folder), written


def test_the_catalogue_holds_the_27_systems():
    assert len(catalogue()) == 27
    assert set(WELL) < set(catalogue())


@pytest.mark.parametrize("packaging", ["webdataset", pytest.param("zarr", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", catalogue())
def test_a_system_is_built_and_equal_to_its_files(name, packaging, tmp_path):
    dataset, written = built(name, tmp_path, packaging)
    assert dataset.card.quarantine == ()
    # It is smaller than the release, and differs in nothing else.
    assert [line.split(" ")[0] for line in dataset.card.differences] == ["grid", "frames", "trajectories"]
    assert list(faults(dataset)) == []
    assert list(source_faults(dataset, tmp_path / "source")) == []
    scale = np.array(dataset.document(dataset.index.trajectories[0]).scale, "f4")
    found = {}
    for entry in dataset.index.trajectories:
        frames = np.empty((entry.frames, *dataset.card.schema.frame_shape), "f4")
        dataset.read_frames(entry, range(entry.frames), frames)
        origin = dataset.document(entry).trajectory.origin
        found[origin.file, origin.row] = frames * scale.reshape(
            -1, *(1 for _ in dataset.card.schema.grid.shape)
        )
    assert found.keys() == written.keys()
    for place, frames in written.items():
        np.testing.assert_array_equal(found[place], frames)
    for entry in dataset.index.trajectories:
        np.testing.assert_array_equal(dataset.boundary(entry), expected_bits(name))


# What closes each axis below and above, where no group of The Well says so, or says it wrong.
SIDES = {
    "pdebench_cns3d_random": "pp pp pp",
    "pdebench_cns3d_turbulent": "pp pp pp",
    "pdearena_conditioned_ins": "ww ww",
    "pdegym_ce_rm": "pp pp",
    "bubbleml_poolboiling_subcooled": "ww wo",
    "flowbench_harmonics": "oo oo",
    "flowbench_skelenton": "oo oo",
    "post_neutron_star_merger": "oo oo pp",
    "convective_envelope_rsg": "oo oo pp",
}


def expected_bits(name: str) -> np.ndarray:
    """[*S], cell by cell: 1 wall, 2 open, 4 periodic on the outermost cells, 8 where a body is."""
    words = re.findall("_(wall|open|periodic)", WELL[name][0]) if name in WELL else []
    said = SIDES.get(name) or " ".join(word[0] * 2 for word in words)
    sides = (
        (("w", "o"), ("w", "o")) if name.startswith("acoustic") else [tuple(pair) for pair in said.split()]
    )
    bits = np.zeros(LENGTHS[len(sides)], np.uint8)
    bit = {"w": 1, "o": 2, "p": 4}
    for cell in np.ndindex(bits.shape):
        for (lower, upper), at, length in zip(sides, cell, bits.shape, strict=True):
            bits[cell] |= bit[lower] * (at == 0) | bit[upper] * (at == length - 1)
    if name == "helmholtz_staircase":
        bits[stairs()] |= 8
        bits[stairs() & (bits > 8)] |= 1
    if name.startswith("flowbench"):
        bits[2, 1:3] |= 8
    return bits


# What single systems need
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["post_neutron_star_merger", "convective_envelope_rsg"])
def test_theta_is_not_periodic_whatever_the_files_say(name, tmp_path):
    dataset, _ = built(name, tmp_path)
    schema = dataset.card.schema
    assert schema.boundaries == ((Boundary.OPEN,) * 2, (Boundary.OPEN,) * 2, (Boundary.PERIODIC,) * 2)
    assert "its ends do not meet" in dataset.card.correction
    assert schema.grid.kind == ("log-spherical" if name.startswith("post") else "spherical")
    assert (dataset.boundary(dataset.index.trajectories[0])[2, 0, 1] & Cell.PERIODIC) == 0


def test_radii_that_are_no_logarithms_are_refused(tmp_path):
    recipe = find_recipe("post_neutron_star_merger")
    write_well(recipe, tmp_path)
    for path in tmp_path.rglob("*.hdf5"):
        with h5py.File(path, "r+") as file:
            file["dimensions/log_r"][...] = np.geomspace(1, 100, LENGTHS[3][0])
    with pytest.raises(
        OSError, match="the grid is spherical; recipe post_neutron_star_merger says log-spherical"
    ):
        plan_build(recipe, tmp_path, "zarr", "raw")


def test_chebyshev_nodes_are_kept_as_stored(tmp_path):
    dataset, _ = built("rayleigh_benard", tmp_path)
    stored = centres("rayleigh_benard", "y", 4).astype("f4")
    assert dataset.card.schema.grid.coordinates[1] == tuple(stored.tolist())
    # From wall to wall: the outermost cells end there,
    # though their centres are closer to it than to the next.
    assert sum(dataset.card.schema.grid.widths[1]) == pytest.approx(1)


def test_cells_outside_of_the_domain_of_their_recipe_are_refused(tmp_path):
    recipe = find_recipe("rayleigh_benard", ("domain.y=[0.2, 1.0]",))
    write_well(recipe, tmp_path)
    with pytest.raises(
        OSError, match=r"the cell centres of y go from 0.0380602 to 0.96194; recipe .* is 0.2 to 1"
    ):
        plan_build(recipe, tmp_path, "zarr", "raw")


def test_the_stairs_are_a_wall_below_and_an_obstacle_inside(tmp_path):
    dataset, _ = built("helmholtz_staircase", tmp_path)
    assert dataset.card.schema.boundaries == ((Boundary.OPEN,) * 2, (Boundary.WALL, Boundary.OPEN))
    bits = dataset.boundary(dataset.index.trajectories[0])
    assert ((bits & Cell.OBSTACLE > 0)[1:-1, 1:-1] == stairs()[1:-1, 1:-1]).all()
    assert (bits[1:-1, 0] & Cell.WALL).all()


def test_a_parameter_gets_its_right_name(tmp_path):
    dataset, _ = built("shear_flow", tmp_path)
    scalars = dataset.document(dataset.index.trajectories[0]).trajectory.scalars
    assert scalars == {"Reynolds": 0.5, "Schmidt": 1.5}


@pytest.mark.parametrize(
    "name", [f"acoustic_scattering_{each}" for each in ("discontinuous", "inclusions", "maze")]
)
def test_the_acoustic_density_is_zeros_and_says_so(name, tmp_path):
    dataset, _ = built(name, tmp_path)
    assert dataset.card.schema.static_channels == ("zeros_like_density", "speed_of_sound")
    for entry in dataset.index.trajectories:
        zeros, speed = dataset.static(entry)
        assert not zeros.any()
        assert speed.all()


def test_chunk_11_of_the_inclusions_is_left_out_and_told(tmp_path):
    recipe = find_recipe("acoustic_scattering_inclusions")
    write_well(recipe, tmp_path)
    bad = tmp_path / "data" / "train" / "acoustic_scattering_inclusions_chunk_11.hdf5"
    with h5py.File(bad, "w") as file:
        write_well_file(file, recipe, 2, 7)
    plan = plan_build(recipe, tmp_path, "zarr", "raw")
    (left_out,) = plan.refused
    assert left_out.path == "data/train/acoustic_scattering_inclusions_chunk_11.hdf5"
    assert "left out by recipe acoustic_scattering_inclusions: holds a bad trajectory" in left_out.reason


def test_a_boundary_that_contradicts_the_recipe_is_refused(tmp_path):
    recipe = find_recipe("rayleigh_benard")
    write_well(recipe, tmp_path)
    for path in tmp_path.rglob("*.hdf5"):
        with h5py.File(path, "r+") as file:
            file["boundary_conditions/y_wall_dirichlet"].attrs["bc_type"] = "OPEN"
    with pytest.raises(
        OSError, match=r"axis y is open below and open above; recipe rayleigh_benard says wall below"
    ):
        plan_build(recipe, tmp_path, "zarr", "raw")


def test_boilings_of_the_same_temperature_in_two_fluids_are_two_trajectories(tmp_path):
    dataset, written = built("bubbleml_poolboiling_subcooled", tmp_path)
    assert len({entry.key for entry in dataset.index.trajectories}) == len(written) == 3
