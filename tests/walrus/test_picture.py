"""What the pictures show, read back from their pixels."""

import io
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from shards.errors import MismatchError
from shards.spec import Boundary, Frames, Grid
from shards.view import Scale, View, view_of
from walrus.forecast import Forecast, rollout_errors
from walrus.picture import Curve, animation, curve, growth, panel, panels

LOW, HIGH, GREY = (68, 1, 84), (253, 231, 37), (170, 177, 184)  # both ends of viridis, and a solid
OPEN = (Boundary.OPEN, Boundary.OPEN)
Pixels = npt.NDArray[np.uint8]


def grid(*shape: int) -> Grid:
    return Grid(("x", "y", "z")[: len(shape)], tuple(tuple(i + 0.5 for i in range(size)) for size in shape))


def planted(cells: tuple[int, ...], shape: tuple[int, ...], frames: int = 4) -> Forecast:
    """A field that is 0 but for one cell, which is 1 in truth and forecast alike."""
    frames_TCS = np.zeros((frames + 2, 1, *shape))
    frames_TCS[(..., *cells)] = 1
    return forecast_of(frames_TCS, grid(*shape))


def forecast_of(frames_TCS: Frames, where: Grid) -> Forecast:
    truth = frames_TCS[2:]
    names = tuple(f"field_{i}" for i in range(frames_TCS.shape[1]))
    closed = (OPEN,) * len(where.axes)
    return Forecast(
        "some_system", "run-00000", names, where, closed, np.arange(len(truth)), frames_TCS[:2], truth, truth
    )


def moving(*shape: int, channels: int = 2, frames: int = 7) -> Forecast:
    frames_TCS = np.random.default_rng(1).normal(size=(frames + 2, channels, *shape)).cumsum(0)
    forecast = forecast_of(frames_TCS, grid(*shape))
    return replace(forecast, forecast_TCS=0.9 * forecast.truth_TCS)


def shown(forecast: Forecast) -> View:
    return view_of(forecast.grid, forecast.boundaries)


def pixels(picture: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))


def places(image: Pixels, colour: tuple[int, int, int]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows and columns of all pixels of about this colour."""
    rows, columns = np.nonzero(np.abs(image.astype(int) - colour).max(-1) < 6)
    return rows, columns


def first_image(picture: bytes) -> Pixels:
    """The upper left image of a panel whose field is low nearly everywhere."""
    image = pixels(picture)
    rows, columns = places(image, LOW)
    right = columns.min() + np.argmax(~np.isin(np.arange(columns.min(), columns.max() + 2), columns))
    below = rows.min() + np.argmax(~np.isin(np.arange(rows.min(), rows.max() + 2), rows))
    return image[rows.min() : below, columns.min() : right]


def test_x_points_right_and_y_up() -> None:
    shown = first_image(panel(planted((9, 1), (12, 7)), "field_0", [0]))
    rows, columns = places(shown, HIGH)
    assert columns.mean() / shown.shape[1] == pytest.approx(9.5 / 12, abs=0.02)
    assert rows.mean() / shown.shape[0] == pytest.approx(1 - 1.5 / 7, abs=0.02)


def test_lengths_are_to_scale() -> None:
    shown = first_image(panel(planted((9, 1), (12, 7)), "field_0", [0]))
    assert shown.shape[0] / shown.shape[1] == pytest.approx(7 / 12, rel=0.02)


def test_a_volume_shows_its_middle_plane() -> None:
    inside = first_image(panel(planted((9, 1, 2), (12, 7, 5)), "field_0", [0]))
    assert len(places(inside, HIGH)[0]) > 0
    view = shown(planted((9, 1, 2), (12, 7, 5)))
    assert view.cut == "plane z = 2.5"
    assert view.image(np.arange(5) * np.ones((12, 7, 5))).max() == 2


def test_a_globe_lies_with_longitude_to_the_right_and_the_north_on_top() -> None:
    theta, phi = (tuple((i + 0.5) * np.pi / 4 for i in range(size)) for size in (4, 8))
    globe = Grid(("theta", "phi"), (theta, phi), "equiangular")
    field = np.arange(32.0).reshape(4, 8)
    view = shown(forecast_of(np.zeros((3, 1, 4, 8)), globe))
    assert view.names == ("phi", "theta")
    np.testing.assert_array_equal(view.image(field), field)


def test_uneven_cells_take_the_room_they_have() -> None:
    centres = (0.5, 1.5, 2.5, 5.5)  # cells end at 0, 1, 2, 4 and 7
    view = shown(forecast_of(np.zeros((3, 1, 4, 2)), Grid(("x", "y"), (centres, (0.0, 1.0)))))
    assert view.extent[:2] == (0.0, 7.0)
    # Looked up at 7/8, 21/8, 35/8 and 49/8.
    assert view.cells_U.tolist() == [0, 2, 3, 3]


def test_a_line_is_drawn_as_a_strip() -> None:
    forecast = moving(9, channels=1)
    assert shown(forecast).image(np.arange(9.0)).tolist() == [list(range(9))]
    assert pixels(panel(forecast, "field_0")).std() > 0


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


def test_a_solid_is_grey() -> None:
    solid = np.zeros((12, 7), bool)
    solid[2:5, 3:6] = True
    forecast = planted((9, 1), (12, 7))
    with_solid = pixels(panel(replace(forecast, obstacle_S=solid), "field_0", [0]))
    rows, _ = places(with_solid, GREY)
    without, _ = places(pixels(panel(forecast, "field_0", [0])), GREY)
    assert len(rows) > 100 * max(1, len(without))


def test_panels_grow_by_a_row_for_every_field() -> None:
    heights = [pixels(panels(moving(12, 7, channels=channels))).shape[0] for channels in (1, 2, 3)]
    assert heights[2] - heights[1] == pytest.approx(heights[1] - heights[0], abs=2)


@pytest.mark.parametrize("frames", [1, 7])
def test_the_animation_has_a_picture_for_every_step(frames: int) -> None:
    film = Image.open(io.BytesIO(animation(moving(12, 7, frames=frames), "field_1")))
    assert (film.format, film.n_frames) == ("GIF", frames)


def test_the_animation_shows_the_planted_cell_in_truth_and_forecast() -> None:
    film = pixels(animation(planted((9, 1), (12, 7)), "field_0"))
    _, columns = places(film, HIGH)
    assert columns.min() < film.shape[1] / 3 < columns.max()


def test_a_smaller_error_is_drawn_lower() -> None:
    error_FTC = np.ones((3, 9, 2)) * np.array([0.1, 0.5, 2.0]).reshape(3, 1, 1)
    plot = pixels(growth("some_system", [error_FTC]))[180:510, 200:1200]
    model, persistence, line = (
        np.median(places(plot, colour)[0]) for colour in ((11, 92, 173), (129, 139, 148), (201, 104, 26))
    )
    assert line < persistence < model


def test_growth_takes_diverged_and_unequally_long_rollouts() -> None:
    rollouts = [rollout_errors(moving(12, 7, frames=frames)) for frames in (3, 7)]
    rollouts[1][0, 4:] = np.inf
    assert pixels(growth("some_system", rollouts)).shape[1] == 1280


def test_curves_stand_in_a_grid() -> None:
    curves = [Curve(f"system_{i}", range(0, 90, 3), list(np.geomspace(90, 9, 30))) for i in range(4)]
    assert pixels(curve(curves)).shape[0] > pixels(curve(curves[:1])).shape[0]
    assert pixels(curve([Curve("short", [4], [3.0])])).std() > 0


def test_an_unknown_channel_is_refused() -> None:
    with pytest.raises(MismatchError, match="no channel 'vorticity', expected one of"):
        panel(moving(12, 7), "vorticity")


def test_names_are_never_read_as_mathematics() -> None:
    forecast = replace(moving(12, 7, channels=1), task="a$b_{", channels=("$x$",))
    assert panel(forecast, "$x$", [0])


def test_matplotlib_is_left_as_it_was() -> None:
    before = dict(mpl.rcParams)
    panel(moving(12, 7), "field_0")
    assert dict(mpl.rcParams) == before
