from __future__ import annotations

import pytest

from shards.errors import MismatchError
from shards.schema import Boundary
from walrus.model.geometry import STRIDES, choose_strides, plan_axes, plan_axis
from walrus.model.settings import PRESETS

PERIODIC = (Boundary.PERIODIC, Boundary.PERIODIC)
WALL = (Boundary.WALL, Boundary.WALL)


def test_every_published_size_gets_the_published_strides_pads_and_tokens(golden):
    table = golden.json("components/stride_table.json")
    for entry in table:
        strides = choose_strides(entry["N"], 32 if entry["dims"] == 2 else 16)
        assert strides == tuple(entry["strides"])
        for name, jitter in (("jitter", True), ("plain", False)):
            bounded = plan_axis(entry["N"], WALL, strides, jitter=jitter)
            expected = entry[f"nonperiodic_{name}"]
            assert bounded.pad == (expected["constant_pad"],) * 2
            assert bounded.tokens == expected["tokens"]
            expected = entry[f"periodic_{name}"]
            periodic = plan_axis(entry["N"], PERIODIC, strides, jitter=jitter)
            assert (periodic.pad, periodic.tokens) == ((0, 0), expected["tokens"])
            released = plan_axis(entry["N"], PERIODIC, strides, jitter=jitter, released=True)
            assert released.overlap == (expected["circular_pad"],) * 2
            assert released.tokens == expected["tokens"]
    assert len(table) >= 12


@pytest.mark.parametrize("strides", STRIDES.values())
@pytest.mark.parametrize("sides", [PERIODIC, WALL])
@pytest.mark.parametrize("extra", [0, 1, 3])
def test_transposed_stages_return_exactly_the_cells_that_the_stages_took(strides, sides, extra):
    token = strides[0] * strides[1]
    axis = plan_axis(5 * token + extra, sides, strides, jitter=True)
    rows = axis.tokens
    for stage in (axis.second, axis.first):
        rows = (rows + 2 * stage.unwrap - 1) * stage.stride + stage.kernel - 2 * stage.crop
    assert rows == axis.cells
    assert axis.cells - sum(axis.pad) - sum(axis.overlap) == axis.size


def test_an_axis_between_the_published_sizes_is_padded_above():
    axis = plan_axis(18, WALL, (2, 2), jitter=False)
    assert axis.pad == (5, 7)
    assert axis.tokens == 5


def test_a_grid_too_large_is_an_error_that_says_how_large_it_may_be():
    with pytest.raises(MismatchError, match="1025 cells; expected at most 32 x 32"):
        plan_axes(PRESETS["walrus"], (64, 1025, 1), (WALL, WALL, PERIODIC), jitter=False)


def test_a_period_too_short_to_repeat_is_an_error():
    with pytest.raises(MismatchError, match="periodic axis of 6 cells; expected a multiple of 4"):
        plan_axis(6, PERIODIC, (2, 2), jitter=False)


def test_a_period_has_two_ends():
    with pytest.raises(MismatchError, match="one side only"):
        plan_axis(16, (Boundary.WALL, Boundary.PERIODIC), (2, 2), jitter=False)
