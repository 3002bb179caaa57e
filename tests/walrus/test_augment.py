from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from shards.errors import MismatchError
from shards.schema import Boundary
from walrus.augment import HALF_TURNS, IDENTITY, ROTATIONS, Rotation, can_rotate, draw_rotation, rotate
from walrus.batch import Batch, FieldSlice

WALL, OPEN, PERIODIC = Boundary
VECTOR = tuple(f"velocity_{axis}" for axis in "xyz")
TENSOR = tuple(f"D_{row}{column}" for row, column in itertools.product("xyz", repeat=2))


def batch_of(scalar_THWD, vector_THWD3, tensor_THWD33, static_HWD, static_HWD3, boundaries) -> Batch:
    """One window of a scalar, a vector, a tensor, a constant scalar and a constant vector."""
    grid = scalar_THWD.shape[1:]
    fields = [
        scalar_THWD[:, None],
        vector_THWD3.movedim(-1, 1),
        tensor_THWD33.flatten(-2).movedim(-1, 1),
    ]
    static = [static_HWD[None], static_HWD3.movedim(-1, 0)]
    return Batch(
        task="test",
        fields_BTCHWD=torch.cat(fields, 1)[None],
        static_BCHWD=torch.cat(static)[None],
        cells_BHWD=torch.arange(np.prod(grid)).view(1, *grid).to(torch.uint8),
        boundaries=boundaries,
        channels=("pressure", *VECTOR, *TENSOR),
        static_channels=("height", *(f"field_{axis}" for axis in "xyz")),
        layout=(
            FieldSlice("pressure", 0, 0, 1),
            FieldSlice("velocity", 1, 1, 4),
            FieldSlice("D", 2, 4, 13),
        ),
        static_layout=(FieldSlice("height", 0, 0, 1), FieldSlice("field", 1, 1, 4)),
        padded_C=torch.zeros(13, dtype=torch.bool),
        scale_C=torch.ones(13),
        static_scale_C=torch.ones(4),
    )


def random_batch(grid=(3, 4, 5)) -> Batch:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    sides = ((WALL, OPEN), (PERIODIC, PERIODIC), (OPEN, OPEN))
    return batch_of(
        draw(2, *grid), draw(2, *grid, 3), draw(2, *grid, 3, 3), draw(*grid), draw(*grid, 3), sides
    )


def matrix(rotation: Rotation) -> np.ndarray:
    m = np.zeros((3, 3), int)
    for row, (column, sign) in enumerate(zip(rotation.permutation, rotation.sign, strict=True)):
        m[row, column] = sign
    return m


def test_there_are_24_rotations_closed_under_composition():
    matrices = [matrix(rotation) for rotation in ROTATIONS]
    distinct = {m.tobytes() for m in matrices}
    assert len(distinct) == len(ROTATIONS) == 24
    assert all(round(np.linalg.det(m)) == 1 for m in matrices)
    assert {(one @ two).tobytes() for one in matrices for two in matrices} == distinct
    assert np.array_equal(matrix(IDENTITY), np.eye(3))
    assert ROTATIONS[0] == IDENTITY


def test_half_turns_keep_the_axes_and_reverse_none_or_two_of_them():
    matrices = [matrix(rotation) for rotation in HALF_TURNS]
    signs = sorted(tuple(np.diagonal(m)) for m in matrices)
    assert signs == [(-1, -1, 1), (-1, 1, -1), (1, -1, -1), (1, 1, 1)]
    assert all(np.array_equal(np.abs(m), np.eye(3)) for m in matrices)


def test_every_rotation_equals_the_published_one(golden):
    whole, table = golden.component("rotation"), golden.layouts["rotation"]["table"]

    def assemble(tensors):
        bc = [(Boundary(lower), Boundary(upper)) for lower, upper in tensors["bc"].tolist()]
        names = ("scalar", "vector", "tensor", "const_scalar", "const_vector")
        return batch_of(*(tensors[name] for name in names), tuple(bc))

    batch = assemble(whole)
    for entry in table:
        flip = tuple(map(bool, entry["flip"]))
        found = rotate(batch, Rotation(tuple(entry["permutation"]), flip))
        expected = assemble(golden.component(f"rotation.{entry['index']:02d}"))
        assert torch.equal(found.fields_BTCHWD, expected.fields_BTCHWD)
        assert torch.equal(found.static_BCHWD, expected.static_BCHWD)
        assert found.boundaries == expected.boundaries
    assert {Rotation(tuple(e["permutation"]), tuple(map(bool, e["flip"]))) for e in table} == set(ROTATIONS)


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_a_rotation_and_its_inverse_restore_the_batch(rotation):
    batch = random_batch()
    back = rotate(rotate(batch, rotation), rotation.inverse)
    assert np.array_equal(matrix(rotation.inverse), matrix(rotation).T)
    for name in ("fields_BTCHWD", "static_BCHWD", "cells_BHWD", "padded_C"):
        assert torch.equal(getattr(back, name), getattr(batch, name))
    assert back.boundaries == batch.boundaries


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_divergence_and_speed_and_trace_turn_as_scalars(rotation):
    batch = random_batch((5, 6, 7))
    turned = rotate(batch, rotation)

    def scalars(batch):
        velocity, tensor = batch.fields_BTCHWD[0, :, 1:4], batch.fields_BTCHWD[0, :, 4:13]
        divergence = sum(
            (velocity[:, axis].roll(-1, axis + 1) - velocity[:, axis].roll(1, axis + 1)) for axis in range(3)
        )
        return torch.stack([divergence, velocity.norm(dim=1), tensor[:, 0] + tensor[:, 4] + tensor[:, 8]])

    expected = scalars(batch).permute(0, 1, *(2 + axis for axis in rotation.permutation))
    expected = expected.flip([2 + axis for axis in range(3) if rotation.flip[axis]])
    torch.testing.assert_close(scalars(turned), expected)


def test_curl_turns_as_a_vector():
    # A reflection would give the curl the wrong sign: this is what makes the 24 proper.
    batch = random_batch((5, 6, 7))

    def curl(v):
        def d(component, axis):
            return v[:, component].roll(-1, axis + 1) - v[:, component].roll(1, axis + 1)

        return torch.stack([d(2, 1) - d(1, 2), d(0, 2) - d(2, 0), d(1, 0) - d(0, 1)], 1)

    def with_curl(batch):
        fields = batch.fields_BTCHWD.clone()
        fields[0, :, 1:4] = curl(fields[0, :, 1:4])
        return replace(batch, fields_BTCHWD=fields)

    for rotation in ROTATIONS:
        one, two = with_curl(rotate(batch, rotation)), rotate(with_curl(batch), rotation)
        torch.testing.assert_close(one.fields_BTCHWD, two.fields_BTCHWD)


def test_padded_components_lie_along_the_flat_axis_after_any_rotation():
    batch = random_batch((3, 4, 1))
    fields = batch.fields_BTCHWD.clone()
    padded = torch.tensor(["z" in name.rpartition("_")[2] for name in batch.channels])
    fields[:, :, padded] = 0
    batch = replace(batch, fields_BTCHWD=fields, padded_C=padded, scale_C=torch.where(padded, 1.0, 2.0))
    for rotation in ROTATIONS:
        turned = rotate(batch, rotation)
        flat = "xyz"[turned.fields_BTCHWD.shape[3:].index(1)]
        expected = [flat in name.rpartition("_")[2] for name in batch.channels]
        assert turned.padded_C.tolist() == expected
        assert turned.fields_BTCHWD[:, :, turned.padded_C].abs().max() == 0
        assert torch.equal(turned.scale_C, torch.where(turned.padded_C, 1.0, 2.0))


def test_the_boundary_of_a_reversed_axis_swaps_its_sides():
    half_turn = Rotation((0, 1, 2), (True, True, False))
    assert rotate(random_batch(), half_turn).boundaries[0] == (OPEN, WALL)


def test_curved_coordinates_have_no_turned_frame():
    batch = random_batch()
    curved = replace(batch, channels=("pressure", "velocity_r", "velocity_theta", "velocity_phi", *TENSOR))
    assert can_rotate(batch)
    assert not can_rotate(curved)
    assert rotate(curved, IDENTITY) is curved
    with pytest.raises(MismatchError, match="velocity of rank 1 has the components velocity_r"):
        rotate(curved, ROTATIONS[5])


def test_draws_follow_the_generator_and_reach_every_rotation():
    draws = [draw_rotation(ROTATIONS, torch.Generator().manual_seed(seed)) for seed in (3, 3)]
    assert draws[0] == draws[1]
    generator = torch.Generator().manual_seed(0)
    assert {draw_rotation(ROTATIONS, generator) for _ in range(400)} == set(ROTATIONS)
