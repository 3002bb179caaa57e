"""The Well: values against plain h5py, then each rule of the format made to fail once on a tiny file."""

import logging
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.catalogue import find_recipe
from ingest.recipe import Correction, Recipe, RecipeField
from ingest.sources import well
from shards.schema import Boundary, Cell, FieldSpec

SAMPLES = Path(__file__).parents[2] / "samples"
MORE = Path(__file__).parents[3].parent / "shared" / "samples"
SYSTEMS = ("shear_flow", "gray_scott_reaction_diffusion", "acoustic_scattering_discontinuous", "MHD_64")
FILES = [
    (name, path.relative_to(SAMPLES))
    for name in SYSTEMS
    for path in sorted((SAMPLES / "well" / name).rglob("*.hdf5"))
]
PERIODIC, OPEN, WALL = Boundary.PERIODIC, Boundary.OPEN, Boundary.WALL
B, T, X, Y = 2, 3, 4, 5

TINY = Recipe(
    name="tiny",
    source="well",
    title="All that a Well file may hold, on 4 x 5 cells",
    axes=("x", "y"),
    fields=(
        RecipeField("pressure"),
        RecipeField("velocity", rank=1),
        RecipeField("stress", rank=2, stored=("D",)),
        RecipeField("mask", constant=True),
        RecipeField("speed", constant=True),
    ),
)


def example(folder: Path) -> tuple[Path, Recipe]:
    """A file and its recipe, for the contract that all sources keep."""
    name = "acoustic_scattering_discontinuous"
    return next((SAMPLES / "well" / name / "data" / "valid").glob("*.hdf5")), find_recipe(name)


def put(group, name, data, sample=True, time=True, axes=(True, True)):
    dataset = group.create_dataset(name, data=data)
    dataset.attrs["sample_varying"], dataset.attrs["time_varying"] = sample, time
    dataset.attrs["dim_varying"] = list(axes)
    return dataset


def close(file, name, kind, dims, mask):
    group = file.require_group("boundary_conditions").create_group(name)
    group.attrs["bc_type"], group.attrs["associated_dims"] = kind, dims
    group["mask"] = np.asarray(mask)
    return group


def ends(length, lower=True, upper=True):
    return np.array([lower] + [False] * (length - 2) + [upper])


@pytest.fixture
def values():
    random = np.random.default_rng(7)
    return {
        "pressure": random.normal(size=(B, T, X, Y)).astype("f4"),
        "velocity": random.normal(size=(B, T, X, Y, 2)).astype("f4"),
        "D": random.normal(size=(B, T, X, Y, 2, 2)).astype("f4"),
        "mask": random.integers(0, 2, (X, Y)).astype(bool),
        "speed": random.normal(size=(B, X, Y)).astype("f4"),
    }


@pytest.fixture
def tiny(tmp_path, values):
    """Path of a sound file: periodic in x, wall below and open above in y."""
    path = tmp_path / "train" / "tiny.hdf5"
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        file.attrs["n_trajectories"], file.attrs["grid_type"] = B, "cartesian"
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = ["x", "y"]
        dimensions["time"] = np.array([0.0, 0.5, 1.5], "f4")
        dimensions["x"], dimensions["y"] = np.arange(X) + 0.5, np.arange(Y) * 2.0
        t0, t1, t2 = (file.create_group(f"t{rank}_fields") for rank in range(3))
        t0.attrs["field_names"] = ["speed", "pressure", "mask"]
        t1.attrs["field_names"], t2.attrs["field_names"] = ["velocity"], ["D"]
        put(t0, "pressure", values["pressure"])
        put(t0, "mask", values["mask"], sample=False, time=False)
        put(t0, "speed", values["speed"], time=False)
        put(t1, "velocity", values["velocity"])
        put(t2, "D", values["D"])
        scalars = file.create_group("scalars")
        scalars.attrs["field_names"] = ["Re", "seed"]
        scalars["Re"], scalars["seed"] = np.float32(100), np.array([7.0, 8.0])
        scalars["seed"].attrs["sample_varying"] = True
        close(file, "x_periodic", "PERIODIC", ["x"], ends(X))
        close(file, "y0", "WALL", ["y"], ends(Y, upper=False))
        close(file, "yL", "OPEN", ["y"], ends(Y, lower=False))
    return path


def edit(path):
    return h5py.File(path, "r+")


def redo(file, name, data, **attributes):
    """Replace a dataset, keeping its attributes but for those given; None takes one away."""
    kept = dict(file[name].attrs)
    del file[name]
    file[name] = data
    for key, value in (kept | attributes).items():
        if value is not None:
            file[name].attrs[key] = value


# Against plain h5py
# -------------------------------------------------------------------------------------------------


def expected_frames(path, names):
    """Channels picked one by one from whole arrays [B, T, *S, components]."""
    with h5py.File(path) as file:
        columns = []
        for rank, name in names:
            stored = file[f"t{rank}_fields/{name}"][()]
            columns += [stored] if rank == 0 else [stored[..., i] for i in range(stored.shape[-1])]
    return np.stack(columns, axis=2)


@pytest.mark.parametrize(("name", "path"), FILES, ids=lambda value: str(value))
def test_every_value_of_the_samples_is_what_h5py_reads(name, path, read_all):
    recipe = find_recipe(name)
    expected = expected_frames(SAMPLES / path, [(f.rank, f.name) for f in recipe.variable])
    np.testing.assert_array_equal(np.stack(read_all(SAMPLES / path, recipe)), expected)
    with well.open_file(SAMPLES / path, recipe) as file, h5py.File(SAMPLES / path, locking=False) as raw:
        assert well.split(SAMPLES / path) == path.parent.name
        assert np.array_equal([row.time for row in file.rows], [raw["dimensions/time"][()]] * len(file.rows))
        assert all(row.scalars == {k: v[()] for k, v in raw["scalars"].items()} for row in file.rows)
        for axis, centres in zip(file.schema.grid.axes, file.schema.grid.coordinates, strict=True):
            assert np.array_equal(centres, raw[f"dimensions/{axis}"])


def test_the_acoustic_sample_has_its_constant_fields_and_walls_below_only():
    path, recipe = example(SAMPLES)
    with well.open_file(path, recipe) as file, h5py.File(path, locking=False) as raw:
        # Zeros are made of the density when it is transformed, which is not the source's business.
        assert file.schema.static_channels == ("zeros_like_density", "speed_of_sound")
        for row in range(len(file.rows)):
            np.testing.assert_array_equal(file.static(row)[0], raw["t0_fields/density"][row])
            np.testing.assert_array_equal(file.static(row)[1], raw["t0_fields/speed_of_sound"][row])
        assert file.schema.boundaries == ((WALL, OPEN), (WALL, OPEN))
        bits = file.boundary(1)
    assert bits.shape == (64, 48)
    assert (bits[0, 1:-1] == Cell.WALL).all()
    assert (bits[-1, 1:-1] == Cell.OPEN).all()
    assert (bits[1:-1, 0] == Cell.WALL).all()
    assert (bits[1:-1, -1] == Cell.OPEN).all()
    assert bits[0, -1] == bits[-1, 0] == Cell.WALL | Cell.OPEN
    assert not bits[1:-1, 1:-1].any()


MORE_SYSTEMS = {
    "mixing_layer_2D": (("density", "pressure"), ("x", "y"), ((PERIODIC, PERIODIC), (OPEN, OPEN))),
    "blast_wave_3D": (("temperature", "density", "pressure"), ("x", "y", "z"), ((OPEN, OPEN),) * 3),
}


@pytest.mark.skipif(not MORE.exists(), reason="the larger sample set is not next to the repository")
@pytest.mark.parametrize("name", MORE_SYSTEMS)
def test_further_layouts_read_as_h5py_reads_them(name, read_all):
    scalars, axes, sides = MORE_SYSTEMS[name]
    fields = (*(RecipeField(field) for field in scalars), RecipeField("velocity", rank=1))
    recipe = Recipe(name, "well", name, fields, axes)
    (path,) = (MORE / "well" / name).rglob("*.hdf5")
    expected = expected_frames(path, [(field.rank, field.name) for field in fields])
    np.testing.assert_array_equal(np.stack(read_all(path, recipe)), expected)
    with well.open_file(path, recipe) as file:
        assert file.schema.boundaries == sides


# A sound file
# -------------------------------------------------------------------------------------------------------


def test_a_tiny_file_gives_all_that_was_written(tiny, values):
    with well.open_file(tiny, TINY) as file:
        assert file.schema.fields[2] == FieldSpec("stress", 2)
        assert file.schema.channels == (
            "pressure",
            "velocity_x",
            "velocity_y",
            "stress_xx",
            "stress_xy",
            "stress_yx",
            "stress_yy",
        )
        assert file.schema.grid.coordinates == ((0.5, 1.5, 2.5, 3.5), (0.0, 2.0, 4.0, 6.0, 8.0))
        assert file.schema.boundaries == ((PERIODIC, PERIODIC), (WALL, OPEN))
        assert file.schema.dtype == "float32"
        assert [row.time for row in file.rows] == [(0.0, 0.5, 1.5)] * 2
        assert [row.scalars for row in file.rows] == [{"Re": 100, "seed": 7}, {"Re": 100, "seed": 8}]
        for row in range(B):
            frames = file.frames(row, 1, 3)
            assert np.array_equal(frames[:, 0], values["pressure"][row, 1:])
            assert np.array_equal(frames[:, 2], values["velocity"][row, 1:, ..., 1])
            assert np.array_equal(frames[:, 4], values["D"][row, 1:, ..., 0, 1])
            assert np.array_equal(frames[:, 5], values["D"][row, 1:, ..., 1, 0])
            assert np.array_equal(file.static(row), np.stack([values["mask"], values["speed"][row]]))


def test_the_split_is_the_folder_and_nothing_else(tmp_path):
    assert well.split(tmp_path / "valid" / "a.hdf5") == "valid"
    assert well.split(tmp_path / "train" / "data" / "a_test.hdf5") is None


def test_a_tensor_may_be_stored_flat(tiny, values, read_all):
    whole = read_all(tiny, TINY)
    with edit(tiny) as file:
        redo(file, "t2_fields/D", values["D"].reshape(B, T, X, Y, 4))
    assert np.array_equal(whole, read_all(tiny, TINY))


def test_an_axis_that_does_not_vary_is_broadcast(tiny, values, read_all):
    with edit(tiny) as file:
        redo(
            file,
            "t1_fields/velocity",
            values["velocity"][0, :, :, 0],
            sample_varying=False,
            dim_varying=[True, False],
        )
        redo(file, "t0_fields/pressure", values["pressure"][..., 0, :], dim_varying=[False, True])
    frames = np.stack(read_all(tiny, TINY))
    for row, y, x in np.ndindex(B, Y, X):
        assert np.array_equal(frames[row, :, 1:3, x, y], values["velocity"][0, :, x, 0])
        assert np.array_equal(frames[row, :, 0, x, y], values["pressure"][row, :, 0, y])


def test_time_may_differ_between_trajectories(tiny):
    with edit(tiny) as file:
        redo(file, "dimensions/time", np.array([[0.0, 1, 2], [5, 7, 11]]), sample_varying=True)
    with well.open_file(tiny, TINY) as file:
        assert [row.time for row in file.rows] == [(0, 1, 2), (5, 7, 11)]


def test_metadata_is_read_in_any_type(tiny, read_all):
    whole = read_all(tiny, TINY)
    with edit(tiny) as file:
        file["dimensions"].attrs["spatial_dims"] = np.array([b"x", b"y"])
        file["t1_fields"].attrs["field_names"] = "velocity"
        file["t0_fields/pressure"].attrs["dim_varying"] = np.array([1, 1], "i1")
        file["t0_fields/pressure"].attrs["sample_varying"] = np.array([1], "i1")
        file["scalars"].attrs["field_names"] = []
        del file.attrs["n_trajectories"], file.attrs["grid_type"]
        file["boundary_conditions/y0"].attrs["bc_type"] = np.bytes_("wall  ")
        file["boundary_conditions/y0"].attrs["associated_dims"] = "y"
        redo(file, "boundary_conditions/y0/mask", ends(Y, upper=False).astype("f4"))
    assert np.array_equal(whole, read_all(tiny, TINY))
    with well.open_file(tiny, TINY) as file:
        assert file.schema.boundaries[1] == (WALL, OPEN)
        assert file.rows[0].scalars == {}


@pytest.mark.parametrize("stored", [">f4", "f2", ">f8", "i2", "u1", "?"])
def test_numbers_of_other_types_are_converted_exactly(tiny, values, read_all, stored):
    data = np.round(values["pressure"]).clip(0, 1).astype(stored)
    with edit(tiny) as file:
        redo(file, "t0_fields/pressure", data)
    recipe = replace(TINY, dtype="float32")
    frames = np.stack(read_all(tiny, recipe))
    assert frames.dtype == np.float32
    assert np.array_equal(frames[:, :, 0], data)


def test_double_precision_is_kept_unless_the_recipe_asks_for_single(tiny, values, read_all):
    data = values["pressure"] + np.float64(1e-12)
    with edit(tiny) as file:
        redo(file, "t0_fields/pressure", data)
    assert np.array_equal(np.stack(read_all(tiny, TINY))[:, :, 0], data)
    rounded = read_all(tiny, replace(TINY, dtype="float32"))
    assert np.array_equal(np.stack(rounded)[:, :, 0], data.astype("f4"))


def test_a_finite_number_never_becomes_infinite(tiny, values, refusal, read_all):
    data = values["pressure"].astype("f8")
    data[1, 2, 3, 4], data[0, 0, 0, 0] = -1e39, np.inf
    with edit(tiny) as file:
        redo(file, "t0_fields/pressure", data)
    message = refusal(tiny, replace(TINY, dtype="float32"))
    assert "/t0_fields/pressure: 1 values, first -1e+39, are too large for float32" in message
    assert read_all(tiny, TINY)[1][2, 0, 3, 4] == -1e39


def test_an_integer_that_a_float_cannot_hold_is_refused(tiny, values, refusal, read_all):
    with edit(tiny) as file:
        redo(file, "t0_fields/pressure", np.full((B, T, X, Y), 2**24, "i8"))
    assert (np.stack(read_all(tiny, TINY))[:, :, 0] == 2**24).all()
    with edit(tiny) as file:
        file["t0_fields/pressure"][1, 2, 3, 4] = 2**24 + 1
    assert "first 16777217, are too large for float32" in refusal(tiny, TINY)
    with edit(tiny) as file:
        file["t0_fields/pressure"][1, 2, 3, 4] = -(2**24) - 1
    assert "first -16777217, are too large for float32" in refusal(tiny, TINY)


# Fields and shapes that disagree
# ------------------------------------------------------------------------------------


def test_a_field_beside_the_recipe_is_named(tiny, refusal):
    with edit(tiny) as file:
        put(file["t0_fields"], "entropy", np.zeros((B, T, X, Y)))
    assert "has in addition to the recipe entropy" in refusal(tiny, TINY)


def test_a_field_that_the_file_lacks_is_named(tiny, refusal):
    recipe = replace(TINY, fields=(*TINY.fields, RecipeField("entropy")))
    assert "lacks entropy" in refusal(tiny, recipe)


def test_a_listed_field_without_data_is_named(tiny, refusal):
    with edit(tiny) as file:
        del file["t1_fields/velocity"]
    assert "/t1_fields: no dataset velocity" in refusal(tiny, TINY)


def test_a_field_of_another_rank_is_named(tiny, refusal):
    fields = tuple(replace(f, rank=0) if f.name == "velocity" else f for f in TINY.fields)
    message = refusal(tiny, replace(TINY, fields=fields))
    assert "holds velocity as rank 1; recipe tiny says rank 0" in message


def test_components_stored_apart_are_not_the_wells_way(tiny, refusal):
    with edit(tiny) as file:
        file.move("t1_fields/velocity", "t1_fields/vx")
        file["t1_fields"].attrs["field_names"] = ["vx", "vy"]
    fields = tuple(replace(f, stored=("vx", "vy")) if f.name == "velocity" else f for f in TINY.fields)
    assert "stored in 2 arrays by its recipe" in refusal(tiny, replace(TINY, fields=fields))


def test_the_axes_must_come_in_the_order_of_the_recipe(tiny, refusal):
    assert "spatial_dims ['x', 'y']; expected the axes ['y', 'x']" in refusal(
        tiny, replace(TINY, axes=("y", "x"))
    )


@pytest.mark.parametrize("name", ["pressure", "mask"])
def test_what_varies_in_time_is_agreed_between_file_and_recipe(tiny, refusal, name):
    fields = tuple(replace(f, constant=not f.constant) if f.name == name else f for f in TINY.fields)
    assert f"/t0_fields/{name}: time_varying is" in refusal(tiny, replace(TINY, fields=fields))


def test_missing_flags_mean_false_and_the_shape_is_held_against_them(tiny, refusal):
    with edit(tiny) as file:
        del file["t0_fields/speed"].attrs["sample_varying"]
    message = refusal(tiny, TINY)
    assert "/t0_fields/speed: shape (2, 4, 5); its flags (sample_varying False" in message
    assert "say 4 x 5" in message


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("t0_fields/pressure", (B, T, Y, X)),
        ("t0_fields/pressure", (B, X, Y)),
        ("t0_fields/pressure", ()),
        ("t1_fields/velocity", (B, T, X, Y, 3)),
        ("t1_fields/velocity", (B, T, 2, X, Y)),
        ("t2_fields/D", (B, T, X, Y, 3)),
    ],
)
def test_a_shape_that_its_flags_do_not_explain_is_refused(tiny, refusal, name, shape):
    with edit(tiny) as file:
        redo(file, name, np.zeros(shape, "f4"))
    assert f"{name}: shape {shape}; its flags" in refusal(tiny, TINY)


def test_a_field_needs_as_many_dim_flags_as_axes(tiny, refusal):
    with edit(tiny) as file:
        file["t0_fields/pressure"].attrs["dim_varying"] = [True]
    assert "dim_varying has 1 flags; expected 2" in refusal(tiny, TINY)


def test_fields_must_agree_on_the_number_of_trajectories(tiny, values, refusal):
    with edit(tiny) as file:
        redo(file, "t0_fields/speed", values["speed"][:1])
    message = refusal(tiny, TINY)
    assert "/t0_fields/pressure 2" in message
    assert "/t0_fields/speed 1" in message


def test_shapes_are_believed_over_the_count_and_this_is_said(tiny, caplog):
    with edit(tiny) as file:
        file.attrs["n_trajectories"] = 9
    with caplog.at_level(logging.WARNING), well.open_file(tiny, TINY) as file:
        assert len(file.rows) == B
    assert "n_trajectories is 9, but the fields hold 2" in caplog.text


@pytest.mark.parametrize("shape", [(4,), (3, 3), (1, 3), ()])
def test_there_is_one_time_a_frame(tiny, refusal, shape):
    with edit(tiny) as file:
        redo(file, "dimensions/time", np.zeros(shape))
    assert f"/dimensions/time: shape {shape}" in refusal(tiny, TINY)


def test_a_coordinate_that_differs_between_trajectories_is_refused(tiny, refusal, read_all):
    with edit(tiny) as file:
        redo(file, "dimensions/x", np.stack([np.arange(X) + 0.5] * B), sample_varying=True)
    read_all(tiny, TINY)
    with edit(tiny) as file:
        file["dimensions/x"][1] += 1
    assert "/dimensions/x: shape (2, 4), or not the same for all trajectories" in refusal(tiny, TINY)


def test_an_unknown_grid_is_refused(tiny, refusal):
    with edit(tiny) as file:
        file.attrs["grid_type"] = "Cubed Sphere"
    assert "grid_type cubed sphere; expected one of cartesian" in refusal(tiny, TINY)


def test_a_parameter_that_varies_in_time_is_left_out_and_this_is_said(tiny, caplog):
    with edit(tiny) as file:
        redo(file, "scalars/seed", np.zeros((B, T)), time_varying=True)
    with caplog.at_level(logging.WARNING), well.open_file(tiny, TINY) as file:
        assert file.rows[1].scalars == {"Re": 100}
    assert "/scalars/seed: left out" in caplog.text


def test_a_parameter_has_one_value_or_one_a_trajectory(tiny, refusal):
    with edit(tiny) as file:
        redo(file, "scalars/seed", np.zeros(3))
    assert "/scalars/seed: shape (3,)" in refusal(tiny, TINY)


# Boundaries
# ---------------------------------------------------------------------------------------------------------


def sides_and_bits(path, recipe=TINY):
    with well.open_file(path, recipe) as file:
        return file.schema.boundaries, file.boundary(0)


def correction(**sides):
    return replace(TINY, correction=Correction("the test says so", sides))


def test_masks_become_bits_of_the_outermost_cells(tiny):
    _, bits = sides_and_bits(tiny)
    expected = np.zeros((X, Y), np.uint8)
    expected[[0, -1], :] |= 4
    expected[:, 0] |= 1
    expected[:, -1] |= 2
    assert np.array_equal(bits, expected)


def test_a_periodic_group_with_an_empty_mask_still_means_periodic(tiny):
    before = sides_and_bits(tiny)
    with edit(tiny) as file:
        redo(file, "boundary_conditions/x_periodic/mask", np.zeros(X, bool))
    after = sides_and_bits(tiny)
    assert after[0] == before[0]
    assert np.array_equal(after[1], before[1])


@pytest.mark.parametrize("name", ["y0", "yL"])
def test_an_empty_wall_or_open_mask_asks_for_a_correction(tiny, refusal, name):
    with edit(tiny) as file:
        redo(file, f"boundary_conditions/{name}/mask", np.zeros(Y, bool))
    message = refusal(tiny, TINY)
    assert (
        f"/boundary_conditions/{name}: a {'WALL' if name == 'y0' else 'OPEN'} boundary whose mask" in message
    )
    assert "[correction]" in message
    sides, bits = sides_and_bits(tiny, correction(y=("open", "wall")))
    assert sides == ((PERIODIC, PERIODIC), (OPEN, WALL))
    assert (bits[1:-1, 0] == 2).all()
    assert (bits[1:-1, -1] == 1).all()


def test_a_side_that_no_group_closes_asks_for_a_correction(tiny, refusal):
    with edit(tiny) as file:
        del file["boundary_conditions/yL"]
    assert "no group gives the boundary of the upper side of y" in refusal(tiny, TINY)


def test_groups_that_contradict_each_other_ask_for_a_correction(tiny, refusal):
    with edit(tiny) as file:
        close(file, "y_more", "OPEN", ["y"], ends(Y))
    message = refusal(tiny, TINY)
    assert (
        "/boundary_conditions/y_more: makes the lower side of y OPEN where another group makes it WALL"
        in message
    )
    assert sides_and_bits(tiny, correction(y=("wall", "wall")))[0][1] == (WALL, WALL)


def test_a_correction_outranks_the_file(tiny):
    sides, bits = sides_and_bits(tiny, correction(x=("wall", "open")))
    assert sides == ((WALL, OPEN), (WALL, OPEN))
    assert (bits[0, 1:-1] == 1).all()
    assert (bits[-1, 1:-1] == 2).all()


def test_one_periodic_side_alone_is_refused(tiny, refusal):
    with edit(tiny) as file:
        redo(file, "boundary_conditions/yL/mask", ends(Y, lower=False))
        file["boundary_conditions/yL"].attrs["bc_type"] = "PERIODIC"
    assert "axis y is WALL below and PERIODIC above" in refusal(tiny, TINY)


def test_a_mask_over_two_axes_is_an_obstacle_and_a_wall_where_it_touches_a_side(tiny):
    solid = np.zeros((X, Y), bool)
    solid[1:3, 2:5] = True
    with edit(tiny) as file:
        close(file, "xy_wall", "WALL", ["y", "x"], solid.T)
    sides, bits = sides_and_bits(tiny)
    assert sides == ((PERIODIC, PERIODIC), (WALL, OPEN))
    expected = np.zeros((X, Y), np.uint8)
    expected[[0, -1], :] |= 4
    expected[:, 0] |= 1
    expected[:, -1] |= 2
    expected[1:3, 4] |= 1
    expected[1:3, 2:5] |= 8
    assert np.array_equal(bits, expected)


def test_geometry_solid_all_over_a_side_makes_it_a_wall(tiny):
    solid = np.zeros((X, Y), bool)
    solid[:, -1] = True
    with edit(tiny) as file:
        close(file, "xy_wall", "WALL", ["x", "y"], solid)
        redo(file, "boundary_conditions/x_periodic/mask", ends(X))
    sides, bits = sides_and_bits(tiny, correction(x=("periodic", "periodic")))
    assert sides[1] == (WALL, WALL)
    assert (bits[1:-1, -1] == 1 + 2 + 8).all()


def test_a_plane_inside_the_box_is_an_obstacle(tiny):
    with edit(tiny) as file:
        redo(file, "boundary_conditions/y0/mask", np.array([True, False, True, False, False]))
    sides, bits = sides_and_bits(tiny)
    assert sides[1] == (WALL, OPEN)
    assert (bits[1:-1, 2] == 8).all()


def test_a_mask_with_holes_is_refused(tiny, refusal):
    with edit(tiny) as file:
        redo(file, "boundary_conditions/y0/mask", np.array([1, 0, 0, 0, np.nan]))
    assert "/boundary_conditions/y0/mask: holds NaN" in refusal(tiny, TINY)


def test_a_mask_of_another_length_is_refused(tiny, refusal):
    with edit(tiny) as file:
        redo(file, "boundary_conditions/y0/mask", ends(X))
    assert "/boundary_conditions/y0/mask: shape (4,); expected (5,), the lengths of y" in refusal(tiny, TINY)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("bc_type", "SLIP", "bc_type ['SLIP']; expected one of WALL, OPEN, PERIODIC"),
        ("associated_dims", ["z"], "associated_dims ['z']"),
        ("associated_dims", [], "associated_dims []"),
        ("associated_dims", ["y", "y"], "associated_dims ['y', 'y']"),
    ],
)
def test_a_boundary_group_of_unknown_type_or_axis_is_refused(tiny, refusal, name, value, words):
    with edit(tiny) as file:
        file["boundary_conditions/y0"].attrs[name] = value
    assert words in refusal(tiny, TINY)
