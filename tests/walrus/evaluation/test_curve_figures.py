"""What the curves show, read back from their pixels."""

import io

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image

from walrus.evaluation.curve_figures import Curve, curve, drift, growth, spectra

BLUE, GREY, ORANGE, GREEN = (11, 92, 173), (129, 139, 148), (201, 104, 26), (42, 140, 110)


def pixels(picture: bytes) -> npt.NDArray[np.int64]:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)


def height(image: npt.NDArray[np.int64], colour: tuple[int, int, int]) -> float:
    """The middle row of all pixels of about this colour."""
    return float(np.median(np.nonzero(np.abs(image - colour).max(-1) < 6)[0]))


def test_a_smaller_error_is_drawn_lower() -> None:
    error_FTC = np.ones((4, 9, 2)) * np.array([0.1, 0.5, 2.0, 0.2]).reshape(4, 1, 1)
    plot = pixels(growth("some_system", [error_FTC]))[180:550, 200:]
    model, persistence, line, trend = (height(plot, colour) for colour in (BLUE, GREY, ORANGE, GREEN))
    assert line < persistence < trend < model


def test_errors_far_beyond_one_are_still_drawn() -> None:
    error_FTC = np.ones((4, 9, 2)) * np.array([100.0, 200.0, 400.0, 150.0]).reshape(4, 1, 1)
    plot = pixels(growth("some_system", [error_FTC]))[180:550, 200:]
    model, persistence, line, trend = (height(plot, colour) for colour in (BLUE, GREY, ORANGE, GREEN))
    assert line < persistence < trend < model


def test_growth_takes_diverged_and_unequally_long_rollouts() -> None:
    rollouts = [np.full((4, steps, 2), 0.3) for steps in (3, 7)]
    rollouts[1][0, 4:] = np.inf
    assert pixels(growth("some_system", rollouts)).std() > 0


def test_spectra_have_a_box_for_every_field() -> None:
    spectrum = np.geomspace(1, 1e-9, 12) * np.ones((2, 2, 4, 1))
    spectrum[1, 1, 0] = np.inf
    heights = [
        pixels(spectra([f"field_{i}" for i in range(count)], (1, 5), [spectrum[:, :, :count]])).shape[0]
        for count in (2, 3, 4)
    ]
    assert heights[0] == heights[1] < heights[2]


def test_spectra_of_unequally_long_rollouts_are_averaged_where_they_exist() -> None:
    long, short = np.ones((2, 2, 1, 8)), np.full((1, 2, 1, 8), 3.0)
    assert pixels(spectra(["u"], (1, 5), [long, short])).std() > 0


def test_a_growing_total_rises_and_a_conserved_one_stays() -> None:
    rollout = np.zeros((2, 9, 1))
    rollout[1, :, 0] = np.linspace(0.01, 0.02, 9)
    plot = pixels(drift(["mass"], [rollout]))[250:]
    assert height(plot, BLUE) < height(plot, GREY)


def test_a_total_that_diverged_is_cut_at_the_edge() -> None:
    rollout = np.zeros((2, 9, 1))
    rollout[1, 5:] = np.nan
    assert pixels(drift(["mass"], [rollout, rollout[:, :3]])).std() > 0


def test_curves_stand_in_a_grid() -> None:
    curves = [Curve(f"system_{i}", range(0, 90, 3), list(np.geomspace(90, 9, 30))) for i in range(4)]
    assert pixels(curve(curves)).shape[0] > pixels(curve(curves[:1])).shape[0]
    assert pixels(curve([Curve("short", [4], [3.0])])).std() > 0


def test_matplotlib_is_left_as_it_was() -> None:
    before = dict(mpl.rcParams)
    growth("some_system", [np.ones((4, 2, 1))])
    assert dict(mpl.rcParams) == before
