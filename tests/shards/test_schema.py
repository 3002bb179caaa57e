"""The words: names of channels, bits of boundaries, keys that are safe everywhere."""

import numpy as np
import pytest
from pydantic import ValidationError

from shards.schema import (
    Boundary,
    Cell,
    FieldSpec,
    Grid,
    Origin,
    Schema,
    Trajectory,
    cell_widths,
    side_mask,
    trajectory_key,
)

WALL, OPEN, PERIODIC = Boundary.WALL, Boundary.OPEN, Boundary.PERIODIC
GRID = Grid(("x", "y"), ((0.0, 1.0, 2.0), (0.0, 0.5)))
BOX = ((WALL, OPEN), (PERIODIC, PERIODIC))


def test_channels_are_named_by_field_and_axis_row_by_row():
    fields = (FieldSpec("p"), FieldSpec("v", 1), FieldSpec("D", 2), FieldSpec("solid", constant=True))
    schema = Schema(fields, GRID, BOX)
    assert schema.channels == ("p", "v_x", "v_y", "D_xx", "D_xy", "D_yx", "D_yy")
    assert schema.static_channels == ("solid",)
    assert schema.frame_shape == (7, 3, 2)
    assert schema.static_shape == (1, 3, 2)
    assert schema.frame_bytes == 7 * 3 * 2 * 4


def test_only_the_outermost_cells_carry_the_bits_of_their_sides():
    expected = np.zeros((3, 4), np.uint8)
    expected[0] += 1
    expected[-1] += 2
    expected[:, [0, -1]] += 4
    assert [Cell.WALL, Cell.OPEN, Cell.PERIODIC, Cell.OBSTACLE] == [1, 2, 4, 8]
    np.testing.assert_array_equal(side_mask((3, 4), BOX), expected)


@pytest.mark.parametrize(
    ("stem", "row", "key"),
    [
        ("shear_flow_Re_1e3", 7, "shear_flow_Re_1e3-00007"),
        ("a.b/c d", 0, "a-b-c-d-00000"),
        ("../../etc", 1, "etc-00001"),
        ("Re=5.0e-3", 2, "Re-5-0e-3-00002"),
        ("Ströme", 3, "Str-me-00003"),
        ("...", 4, "file-00004"),
    ],
)
def test_a_key_is_safe_in_a_path_a_tar_and_a_url(stem, row, key):
    assert trajectory_key(stem, row) == key
    Trajectory(key, "train", Origin("a", row), (0.0, 1.0), {})


@pytest.mark.parametrize("key", ["", ".", "..", "a/b", "../a", "a.b", "/a", "a\n", "a\0"])
def test_no_other_key_is_accepted(key):
    with pytest.raises(ValidationError):
        Trajectory(key, "train", Origin("a", 0), (0.0, 1.0), {})


@pytest.mark.parametrize(
    "axes", [("time", "y"), ("x", "x"), ("fields", "y"), ("../x", "y"), ("", "y"), ("x",)]
)
def test_an_axis_has_its_own_name_and_its_own_coordinates(axes):
    with pytest.raises(ValidationError):
        Grid(axes, ((0.0, 1.0, 2.0), (0.0, 0.5)))


def test_even_cells_are_equal_to_the_last_bit_though_their_centres_are_rounded():
    centres = ((np.arange(384, dtype="f4") + np.float32(0.5)) * np.float32(0.1) - 1).tolist()
    assert len(set(np.diff(centres))) > 1
    (width,) = set(cell_widths(tuple(centres)))
    assert width == pytest.approx(0.1, rel=1e-6)


def test_other_cells_reach_from_midpoint_to_midpoint():
    assert cell_widths((0.0, 1.0, 4.0)) == (1.0, 2.0, 3.0)
    assert cell_widths((4.0, 0.0, 1.0)) == (3.0, 1.0, 2.0)
    chebyshev = tuple((1 - np.cos(np.pi * (np.arange(96) + 0.5) / 96)) / 2)
    widths = cell_widths(chebyshev)
    assert sum(widths) == pytest.approx(1, rel=1e-2)
    np.testing.assert_allclose(widths[10:-10], np.gradient(chebyshev)[10:-10])
    assert cell_widths((7.0,)) == (1.0,)


@pytest.mark.parametrize("upward", [True, False])
def test_no_cell_reaches_out_of_a_domain_whose_ends_are_known(upward):
    chebyshev = tuple((1 - np.cos(np.pi * (np.arange(96) + 0.5) / 96)) / 2)
    centres = chebyshev if upward else chebyshev[::-1]
    widths = cell_widths(centres, (0.0, 1.0))
    assert sum(widths) == pytest.approx(1, rel=1e-12)
    assert widths[1:-1] == cell_widths(centres)[1:-1]
    assert cell_widths((1.0, 2.0, 3.0), (1.0, 9.0)) == (0.5, 1.0, 1.0)
    even = tuple((np.arange(384, dtype="f4") * np.float32(0.1) + np.float32(0.05)).tolist())
    assert cell_widths(even, (0.0, 38.4)) == cell_widths(even)


def test_a_grid_has_a_width_for_each_cell():
    assert GRID.widths == ((1.0, 1.0, 1.0), (0.5, 0.5))
    with pytest.raises(ValidationError, match="expected one width per cell"):
        Grid(("x",), ((0.0, 1.0),), widths=((1.0,),))


@pytest.mark.parametrize(
    ("fields", "boundaries", "words"),
    [
        ((FieldSpec("p"),), BOX[:1], "1 pairs of boundaries for 2 axes"),
        ((FieldSpec("p"),), ((WALL, PERIODIC), (WALL, WALL)), "periodic on one side only"),
        ((FieldSpec("v", 1), FieldSpec("v_x")), BOX, "same channel name"),
        ((FieldSpec("p", constant=True),), BOX, "no field changes"),
    ],
)
def test_a_schema_that_contradicts_itself_is_not_made(fields, boundaries, words):
    with pytest.raises(ValidationError, match=words):
        Schema(fields, GRID, boundaries)
