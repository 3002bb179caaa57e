from __future__ import annotations

import itertools

import pytest
import torch

from shards.schema import Boundary, Cell
from walrus.model.convolution import convolve_back
from walrus.model.geometry import STRIDES, Axis, plan_axis
from walrus.model.padding import boundary_flags, cell_flags, crop_grid, pad_grid, trim_rows

WALL, OPEN, PERIODIC = Boundary
NO_SHIFT = (0, 0, 0)
CASES = [
    f"pad.{name}.{jitter}"
    for name in ("wall_open", "asymmetric", "periodic_wall", "volume", "singleton_first")
    for jitter in ("plain", "jitter")
]


@pytest.mark.parametrize("name", CASES)
def test_padding_flags_and_shift_equal_the_published_ones(golden, name):
    layout, tensors = golden.layouts[name], golden.component(name)
    shift = tuple(layout["cell_shift"] or NO_SHIFT)
    x = tensors["x"].flatten(0, 1)
    axes = []
    for size, codes, strides in zip(x.shape[2:], layout["boundary_codes"], layout["strides"], strict=True):
        sides = (Boundary(codes[0]), Boundary(codes[1]))
        planned = plan_axis(64, sides, tuple(strides), jitter=layout["cell_shift"] is not None, released=True)
        # These arrays are smaller than any grid whose size the strides would divide.
        axes.append(
            Axis(size, sides, pad=planned.pad, overlap=planned.overlap) if size > 1 else Axis(1, sides)
        )
    axes = tuple(axes)
    placed = torch.cat([pad_grid(x, axes, shift), boundary_flags(axes, shift, x)[None]], 1)
    assert torch.equal(placed, tensors["y"].flatten(0, 1))
    assert torch.equal(crop_grid(placed[:, : x.shape[1]], axes, shift), x)


SIDES = [(WALL, WALL), (OPEN, OPEN), (WALL, OPEN), (PERIODIC, PERIODIC)]


@pytest.mark.parametrize("flat", [0, 1, 2, None])
@pytest.mark.parametrize("released", [False, True])
def test_restore_undoes_place_bit_by_bit(flat, released):
    shape = [16, 20, 18]
    if flat is not None:
        shape[flat] = 1
    x = torch.randn(2, 3, *shape)
    for sides in itertools.product(SIDES, repeat=3):
        axes = tuple(
            plan_axis(n, s, (2, 2), jitter=True, released=released) for n, s in zip(shape, sides, strict=True)
        )
        shift = tuple(0 if n == 1 else s for n, s in zip(shape, (3, -6, 5), strict=True))
        assert torch.equal(crop_grid(pad_grid(x, axes, shift), axes, shift), x)


def test_flags_tell_inside_wall_edge_open_edge_and_corner():
    axes = (
        plan_axis(8, (WALL, WALL), (2, 2), jitter=False),
        plan_axis(12, (OPEN, OPEN), (2, 2), jitter=False),
        Axis(1, (PERIODIC, PERIODIC)),
    )
    flags = boundary_flags(axes, NO_SHIFT, torch.zeros(()))[..., 0]
    assert flags.shape == (3, 18, 22)
    assert flags[:, 8, 8].tolist() == [1, 0, 0]
    assert flags[:, 2, 8].tolist() == [0, 1, 0]
    assert flags[:, 8, 2].tolist() == [0, 0, 1]
    assert flags[:, 2, 2].tolist() == [0, 1, 1]


def test_cell_flags_lie_where_the_cells_lie_and_the_seam_has_none():
    axes = (
        plan_axis(8, (WALL, WALL), (2, 2), jitter=True),
        plan_axis(12, SIDES[3], (2, 2), jitter=False),
        Axis(1, SIDES[3]),
    )
    cells = torch.zeros(2, 8, 12, 1, dtype=torch.uint8)
    cells[0, 2, 11] = Cell.OBSTACLE | Cell.PERIODIC
    cells[1, 0, 5] = Cell.OPEN
    cells[1, 7, 5] = Cell.WALL
    flags = cell_flags(cells, axes, (3, 1, 0), torch.zeros((), dtype=torch.float64))
    assert flags.shape == (2, 3, 22, 12, 1)
    # Seven cells of padding, and three of shift; the period turns by one.
    assert flags.nonzero().tolist() == [[0, 2, 12, 0, 0], [1, 0, 17, 6, 0], [1, 1, 10, 6, 0]]


def test_the_padding_of_a_ragged_axis_carries_the_flag_of_its_side():
    axes = (plan_axis(9, (WALL, OPEN), (2, 2), jitter=False), Axis(1, SIDES[3]), Axis(1, SIDES[3]))
    flags = boundary_flags(axes, NO_SHIFT, torch.zeros(()))[..., 0, 0]
    assert flags[0].tolist() == [0] * 5 + [1] * 9 + [0] * 8
    assert flags[1].tolist() == [1] * 5 + [0] * 17
    assert flags[2].tolist() == [0] * 14 + [1] * 8


@pytest.mark.parametrize("strides", STRIDES.values())
def test_trimming_leaves_every_row_that_reaches_the_grid_and_no_other(strides):
    axis = plan_axis(37, (WALL, OPEN), strides, jitter=True)
    flat = Axis(1, (PERIODIC, PERIODIC))
    axes, stages = (axis, flat, flat), (axis.first, flat.first, flat.first)
    kernel = torch.ones(1, 1, 8, 8, 8)
    y = torch.randn(1, 1, axis.first.rows(axis.cells), 1, 1)
    for moved in range(1 - axis.pad[0], axis.pad[0]):
        shift = (moved, 0, 0)
        whole = crop_grid(convolve_back(y, kernel, stages), axes, shift)
        trimmed, left_out = trim_rows(y, axes, shift)
        part = crop_grid(convolve_back(trimmed, kernel, stages), axes, shift, left_out)
        torch.testing.assert_close(part, whole)
        # A kernel that overhangs both ends of the grid: no row more.
        assert (trimmed.shape[2] - 1) * strides[0] < axis.size + 8 - 1
