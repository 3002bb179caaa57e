import torch

from shards.schema import Boundary, FieldSpec, Grid, Schema
from shards.shard import copy_channels
from walrus.batch import BatchChannels, embed

WALL_OPEN = (Boundary.WALL, Boundary.OPEN)
PERIODIC = (Boundary.PERIODIC, Boundary.PERIODIC)


def schema(kind="cartesian"):
    fields = (
        FieldSpec("pressure"),
        FieldSpec("velocity", 1),
        FieldSpec("D", 2),
        FieldSpec("mask", constant=True),
    )
    grid = Grid(("x", "y"), ((0.0, 1.0, 2.0), (0.0, 1.0)), kind)
    return Schema(fields, grid, (WALL_OPEN, PERIODIC))


def batch_of(schema):
    fields = torch.arange(1.0, 2 * 4 * 7 * 3 * 2 + 1).reshape(2, 4, 7, 3, 2)
    static = torch.ones(2, 1, 3, 2)
    cells = torch.full((2, 3, 2), 5, dtype=torch.uint8)
    scale = (1.0, 2.0, 2.0, 0.5, 0.5, 0.5, 0.5)
    channels = BatchChannels.of(schema.variable_fields, schema.grid)
    placed = torch.zeros(2, 4, len(channels.stored_numbers), 3, 2)
    copy_channels(fields.swapaxes(0, 2).numpy(), placed.swapaxes(0, 2).numpy(), channels.stored_slices)
    return fields, embed("flow", schema, scale, (4.0,), placed, static, cells)


def test_two_dimensional_vectors_and_tensors_get_zero_components_in_their_places():
    fields, batch = batch_of(schema())
    tensor = tuple(f"D_{a}{b}" for a in "xyz" for b in "xyz")
    assert batch.channels == ("pressure", "velocity_x", "velocity_y", "velocity_z", *tensor)
    assert batch.fields_BTCHWD.shape == (2, 4, 13, 3, 2, 1)
    for name, stored in (
        ("pressure", 0),
        ("velocity_y", 2),
        ("D_xx", 3),
        ("D_xy", 4),
        ("D_yx", 5),
        ("D_yy", 6),
    ):
        placed = batch.fields_BTCHWD[:, :, batch.channels.index(name), ..., 0]
        torch.testing.assert_close(placed, fields[:, :, stored], rtol=0, atol=0)
    padded = [name for name, pads in zip(batch.channels, batch.padded_C.tolist(), strict=True) if pads]
    assert padded == ["velocity_z", "D_xz", "D_yz", "D_zx", "D_zy", "D_zz"]
    assert batch.fields_BTCHWD[:, :, batch.padded_C].abs().max() == 0


def test_layout_and_scale_follow_the_channels():
    _, batch = batch_of(schema())
    assert [(f.name, f.rank, f.start, f.stop) for f in batch.layout] == [
        ("pressure", 0, 0, 1),
        ("velocity", 1, 1, 4),
        ("D", 2, 4, 13),
    ]
    assert batch.scale_C.tolist()[:4] == [1.0, 2.0, 2.0, 1.0]
    assert batch.static_channels == ("mask",)
    assert batch.static_scale_C.tolist() == [4.0]


def test_the_missing_axis_is_periodic_and_of_size_one():
    _, batch = batch_of(schema())
    assert batch.boundaries == (WALL_OPEN, PERIODIC, PERIODIC)
    assert batch.cells_BHWD.shape == (2, 3, 2, 1)
    assert batch.dimensions == 2


def test_curvilinear_vectors_stay_as_they_are():
    _, batch = batch_of(schema("equiangular"))
    assert batch.channels[:3] == ("pressure", "velocity_x", "velocity_y")
    assert batch.fields_BTCHWD.shape == (2, 4, 7, 3, 2, 1)
    assert not batch.padded_C.any()
