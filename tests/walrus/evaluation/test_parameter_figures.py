"""What the picture of errors by parameter shows, read back from its pixels."""

import numpy as np
import numpy.typing as npt
import pytest

from shards.drawing.canvas import Page
from tests.walrus.evaluation.test_curve_figures import BLUE, GREEN, GREY, ORANGE, pixels
from walrus.evaluation.parameter_figures import error_by_parameter, flow_curves
from walrus.evaluation.scores import FORECASTERS


def test_the_names_of_all_forecasters_stand_in_one_line() -> None:
    errors = {name: (0.5 + row, 0.7 + row) for row, name in enumerate(FORECASTERS)}
    picture = pixels(error_by_parameter({"Reynolds": (1e3, 2e3)}, errors))
    # The first marks of the model are those next to its name, below the grey words of the caption.
    top = first_row(picture, BLUE)
    assert [first_row(picture, hue, top - 2) - top for hue in (GREY, ORANGE, GREEN)] == pytest.approx(
        [0] * 3, abs=2
    )


def first_row(picture: npt.NDArray[np.int64], hue: tuple[int, int, int], start: int = 0) -> int:
    """The first row, from `start` on, with some pixels of about this colour."""
    counts = (np.abs(picture[start:] - hue).max(-1) < 6).sum(-1)
    return start + int(np.nonzero(counts > 3)[0][0])


def test_a_single_parameter_fills_the_page() -> None:
    errors = {name: (0.5 + row, 0.7 + row) for row, name in enumerate(FORECASTERS)}
    picture = pixels(error_by_parameter({"Reynolds": (1e3, 2e3)}, errors))
    columns = np.nonzero((np.abs(picture - BLUE).max(-1) < 6).any(0))[0]
    # The mark of the second trajectory is near the right end.
    assert columns.max() > 0.85 * picture.shape[1]


def test_the_caption_of_the_flow_of_one_trajectory_names_no_quartiles(monkeypatch) -> None:
    captions: list[str] = []
    monkeypatch.setattr(Page, "title", lambda page, *words: captions.extend(words))
    flow_curves(("energy",), [np.ones((2, 5, 1))])
    flow_curves(("energy",), [np.ones((2, 5, 1))] * 3)
    assert captions[1::2] == [
        "mean over space; one trajectory",
        "mean over space; median and quartiles of 3 trajectories",
    ]
