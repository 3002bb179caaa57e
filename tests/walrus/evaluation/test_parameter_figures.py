"""What the picture of errors by parameter shows, read back from its pixels."""

import numpy as np
import numpy.typing as npt
import pytest

from tests.walrus.evaluation.test_curve_figures import BLUE, GREEN, GREY, ORANGE, pixels
from walrus.evaluation.parameter_figures import error_by_parameter
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
