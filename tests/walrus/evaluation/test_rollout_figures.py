"""What the pictures show, read back from their pixels."""

import io
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from shards.errors import MismatchError
from shards.schema import Boundary, Frames, Grid
from walrus.evaluation.recording import Recording, RolloutFacts, RolloutStep, record
from walrus.evaluation.rollout_figures import animation, panel, panels, volume

LOW, HIGH, GREY = (68, 1, 84), (253, 231, 37), (170, 177, 184)  # both ends of viridis, and a solid
OPEN = (Boundary.OPEN, Boundary.OPEN)
Pixels = npt.NDArray[np.uint8]
Solid = npt.NDArray[np.bool_]


def grid(*shape: int) -> Grid:
    return Grid(("x", "y", "z")[: len(shape)], tuple(tuple(i + 0.5 for i in range(size)) for size in shape))


def planted(cells: tuple[int, ...], shape: tuple[int, ...], frames: int = 4) -> Recording:
    """A field that is 0 but for one cell, which is 1 in truth and forecast alike."""
    frames_TCS = np.zeros((frames, 1, *shape))
    frames_TCS[(..., *cells)] = 1
    return film_of(frames_TCS, frames_TCS, grid(*shape))


def film_of(truth_TCS: Frames, forecast_TCS: Frames, where: Grid, solid_S: Solid | None = None) -> Recording:
    names = tuple(f"field_{i}" for i in range(truth_TCS.shape[1]))
    solid_S = np.zeros(where.shape, bool) if solid_S is None else solid_S
    facts = RolloutFacts("some_system", "run-00000", names, where, (OPEN,) * len(where.axes), solid_S)
    error_C = np.full(len(names), 0.1)
    rollout = (
        RolloutStep(step, 0.5 * step, truth, forecast, error_C)
        for step, (truth, forecast) in enumerate(zip(truth_TCS, forecast_TCS, strict=True), 1)
    )
    return record(facts, rollout, range(1, len(truth_TCS) + 1), names)


def moving(*shape: int, channels: int = 2, frames: int = 7) -> Recording:
    frames_TCS = np.random.default_rng(1).normal(size=(frames, channels, *shape)).cumsum(0)
    return film_of(frames_TCS, 0.9 * frames_TCS, grid(*shape))


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


@pytest.mark.parametrize("frames", [1, 7])
def test_the_animation_has_a_picture_for_every_step(frames: int) -> None:
    recording = Image.open(io.BytesIO(animation(moving(12, 7, frames=frames), "field_1")))
    assert (recording.format, recording.n_frames) == ("GIF", frames)


def test_the_animation_shows_the_planted_cell_in_truth_and_forecast() -> None:
    recording = pixels(animation(planted((9, 1), (12, 7)), "field_0"))
    _, columns = places(recording, HIGH)
    assert columns.min() < recording.shape[1] / 3 < columns.max()


def test_a_volume_shows_its_middle_plane() -> None:
    recording = planted((9, 1, 2), (12, 7, 5))
    inside = first_image(panel(recording, "field_0", [0]))
    assert len(places(inside, HIGH)[0]) > 0
    assert len(places(first_image(panel(planted((9, 1, 3), (12, 7, 5)), "field_0", [0])), HIGH)[0]) == 0


def test_a_look_through_a_volume_shows_what_no_middle_plane_does() -> None:
    hidden, nothing = (
        pixels(volume(planted(cells, (12, 7, 5)), "field_0")) for cells in ((9, 1, 3), (2, 5, 4))
    )
    # Three planes to the left see nothing of either; both differ to the right.
    rows, columns = np.nonzero((hidden != nothing).any(-1))
    assert len(rows) > 100
    assert columns.min() > 0.6 * hidden.shape[1]


def test_a_line_is_drawn_over_place_and_time() -> None:
    frames_TCS = np.zeros((6, 1, 9))
    frames_TCS[4, 0, 7] = 1
    shown = first_image(panel(film_of(frames_TCS, frames_TCS, grid(9)), "field_0"))
    rows, columns = places(shown, HIGH)
    assert columns.mean() / shown.shape[1] == pytest.approx(7.5 / 9, abs=0.02)
    assert rows.mean() / shown.shape[0] == pytest.approx(1 - 4.5 / 6, abs=0.02)


def test_axes_of_one_cell_do_not_matter() -> None:
    assert pixels(panel(moving(1, 9), "field_0")).std() > 0
    assert pixels(panel(moving(6, 1, 9), "field_0")).std() > 0


def test_a_solid_is_grey() -> None:
    solid = np.zeros((12, 7), bool)
    solid[2:5, 3:6] = True
    frames_TCS = np.random.default_rng(1).normal(size=(2, 1, 12, 7))
    with_solid, without = (
        places(pixels(panel(film_of(frames_TCS, frames_TCS, grid(12, 7), each), "field_0", [0])), GREY)[0]
        for each in (solid, None)
    )
    assert len(with_solid) > 100 * max(1, len(without))


def test_panels_grow_by_a_row_for_every_field() -> None:
    heights = [pixels(panels(moving(12, 7, channels=channels))).shape[0] for channels in (1, 2, 3)]
    assert heights[2] - heights[1] == pytest.approx(heights[1] - heights[0], abs=2)


def test_a_diverged_forecast_is_drawn_too() -> None:
    frames_TCS = np.random.default_rng(1).normal(size=(3, 1, 12, 7))
    wild = frames_TCS * np.array([1, 1e60, np.inf]).reshape(3, 1, 1, 1)
    assert pixels(panel(film_of(frames_TCS, wild, grid(12, 7)), "field_0")).std() > 0


def test_an_unknown_channel_is_refused() -> None:
    with pytest.raises(MismatchError, match="found no recorded channel 'vorticity'; expected one of"):
        panel(moving(12, 7), "vorticity")


def test_names_are_never_read_as_mathematics() -> None:
    recording = moving(12, 7, channels=1)
    odd = replace(recording, facts=replace(recording.facts, task="a$b_{"), channels=("$x$",))
    assert panel(odd, "$x$", [0])


def test_matplotlib_is_left_as_it_was() -> None:
    before = dict(mpl.rcParams)
    panel(moving(12, 7), "field_0")
    assert dict(mpl.rcParams) == before
