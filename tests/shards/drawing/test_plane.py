"""Which plane a picture shows, which axis lies where, and which values get which colours."""

import numpy as np
import pytest

from shards.drawing.plane import Scale, View, view_of, views_of
from shards.schema import Boundary, Grid

OPEN = (Boundary.OPEN, Boundary.OPEN)


def grid(*shape: int) -> Grid:
    return Grid(("x", "y", "z")[: len(shape)], tuple(tuple(i + 0.5 for i in range(size)) for size in shape))


def shown(where: Grid) -> View:
    return view_of(where, (OPEN,) * len(where.axes))


def test_of_a_volume_the_middle_plane_is_shown() -> None:
    view = shown(grid(12, 7, 5))
    assert (view.names, view.cut) == (("x", "y"), "plane z = 2.5")
    assert view.image(np.arange(5) * np.ones((12, 7, 5))).max() == 2


def test_a_globe_lies_with_longitude_to_the_right_and_the_north_on_top() -> None:
    theta, phi = (tuple((i + 0.5) * np.pi / 4 for i in range(size)) for size in (4, 8))
    view = shown(Grid(("theta", "phi"), (theta, phi), "equiangular"))
    field = np.arange(32.0).reshape(4, 8)
    assert view.names == ("phi", "theta")
    np.testing.assert_array_equal(view.image(field), field)


def test_uneven_cells_take_the_room_they_have() -> None:
    centres = (0.5, 1.5, 2.5, 5.5)  # cells end at 0, 1, 2, 4 and 7
    view = shown(Grid(("x", "y"), (centres, (0.0, 1.0))))
    assert view.extent[:2] == (0.0, 7.0)
    # Looked up at 7/8, 21/8, 35/8 and 49/8.
    assert view.cells_U.tolist() == [0, 2, 3, 3]


@pytest.mark.parametrize("shape", [(9,), (9, 1), (1, 9), (1, 9, 1)])
def test_a_line_lies_whichever_axis_it_has(shape: tuple[int, ...]) -> None:
    view = shown(grid(*shape))
    assert view.is_line
    assert view.image(np.arange(9.0).reshape(shape)).tolist() == [list(range(9))]


def test_an_axis_of_one_cell_is_never_shown_beside_longer_ones() -> None:
    view = shown(grid(6, 1, 9))
    assert view.names == ("x", "z")
    assert not view.is_line
    field = np.arange(54.0).reshape(6, 1, 9)
    np.testing.assert_array_equal(view.image(field), field[:, 0].T[::-1])


def test_a_volume_has_three_planes_and_a_look_through() -> None:
    views = views_of(grid(12, 7, 5), (OPEN,) * 3)
    assert [view.names for view in views] == [("x", "y"), ("x", "z"), ("y", "z"), ("x", "y")]
    assert [view.cut for view in views[1:]] == ["plane y = 3.5", "plane x = 6.5", "largest along z"]
    field = np.zeros((12, 7, 5))
    field[3, 2, 1], field[3, 2, 4], field[4, 2, 0] = 2.0, -5.0, np.nan
    through = views[-1].image(field)
    assert through.shape == (7, 12)
    assert through[7 - 1 - 2, 3] == -5.0
    assert through[7 - 1 - 2, 4] == 0.0


@pytest.mark.parametrize("shape", [(9,), (12, 7), (12, 7, 1)])
def test_what_is_no_volume_has_one_view(shape: tuple[int, ...]) -> None:
    assert len(views_of(grid(*shape), (OPEN,) * len(shape))) == 1


def test_signed_fields_get_a_symmetric_scale_and_positive_ones_do_not() -> None:
    signed = Scale.of_field([np.linspace(-1, 2, 100).reshape(10, 10)])
    positive = Scale.of_field([np.linspace(0.5, 2, 100).reshape(10, 10)])
    assert signed.low == -signed.high
    assert positive.low == pytest.approx(0.5, abs=0.01)
    assert signed.colours != positive.colours


def test_one_diverged_frame_does_not_pale_the_error_of_the_others() -> None:
    field = Scale.of_field([np.linspace(0, 1, 100).reshape(10, 10)])
    error = Scale.of_error([np.full((4, 4), 0.1), np.full((4, 4), 1e9), np.full((4, 4), np.nan)], field)
    assert error.high == -error.low == field.high - field.low
