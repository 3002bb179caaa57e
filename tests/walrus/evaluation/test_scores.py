"""Errors summed up by hand, and the windows of the paper."""

import numpy as np
import pytest

from walrus.evaluation.metrics import MEASURES, VRMSE
from walrus.evaluation.scores import Errors, horizons, logarithmic_windows, scores, windows_of

MAE = MEASURES.index("mae")


def errors(steps: int, value: float) -> Errors:
    """[F, M, steps, C] of two channels: `value` and three times as much."""
    return np.full((4, len(MEASURES), steps, 2), value) * [1, 3]


def test_logarithmic_windows_are_those_of_the_paper() -> None:
    assert [window.name for window in logarithmic_windows(83)] == ["1:1", "2:3", "4:9", "10:27", "28:83"]


@pytest.mark.parametrize("longest", [1, 2, 3, 5, 16, 60, 81, 200, 625])
def test_logarithmic_windows_cover_every_step_once(longest: int) -> None:
    windows = list(logarithmic_windows(longest))
    assert [step for window in windows for step in range(window.first, window.last + 1)] == list(
        range(1, longest + 1)
    )


def test_windows_that_no_rollout_reaches_are_left_out_and_none_comes_twice() -> None:
    names = [window.name for window in windows_of(20)]
    assert names[:3] == ["1:20", "1:10", "11:30"]
    assert len(set(names)) == len(names)
    assert "21:60" not in names


def test_a_window_is_the_mean_over_steps_and_the_median_over_trajectories() -> None:
    rollouts = [errors(7, 0.2), errors(7, 0.5), errors(3, 9.0)]
    rollouts[0][0, VRMSE, 6] = [1.6, 3.0]
    found = scores(("u", "v"), [errors(4, 0.1), errors(4, 0.3)], rollouts)
    assert found.value("one-step", channel="u") == pytest.approx(0.2)
    assert found.value("one-step") == pytest.approx(0.4)
    assert found.value("one-step", statistic="std") == pytest.approx(0.2)
    assert found.value("1:20", channel="u") == pytest.approx(0.5)
    assert found.value("1:20", channel="u", statistic="mean") == pytest.approx((0.4 + 0.5 + 9.0) / 3)
    # 7 ** (1/2) = 2.6, 7 ** (3/4) = 4.3: steps 5 to 7 are beyond the short trajectory.
    assert found.value("5:7", channel="u") == pytest.approx(((0.2 + 0.2 + 1.6) / 3 + 0.5) / 2)
    assert found.value("5:7", "linear", "mae") == pytest.approx((0.4 + 1.0) / 2)
    assert dict(zip(found.windows, found.steps, strict=True)) | {"1:20": (1, 7), "one-step": None} == dict(
        zip(found.windows, found.steps, strict=True)
    )
    with pytest.raises(KeyError, match="no window 21:60; expected one of one-step, 1:20"):
        found.value("21:60")


def test_one_diverged_trajectory_leaves_the_median_of_three_finite() -> None:
    rollouts = [errors(4, value) for value in (0.1, 0.2, np.inf)]
    found = scores(("u", "v"), [errors(2, 1.0)], rollouts)
    assert found.value("1:20", channel="u") == pytest.approx(0.2)
    assert found.value("1:20", channel="u", statistic="mean") == np.inf


def test_horizons_have_every_single_step() -> None:
    rollout = errors(5, 0.2)
    rollout[1, MAE, 3] = [4, 8]
    found = horizons(("u", "v"), [rollout, errors(3, 0.4)])
    assert found.windows == ("1", "2", "3", "4", "5")
    assert found.value("4", "persistence", "mae") == pytest.approx(6)
    assert found.value("3", channel="v") == pytest.approx((0.6 + 1.2) / 2)


def test_rows_list_every_number_under_its_name() -> None:
    found = scores(("u", "v"), [errors(2, 1.0)], [errors(4, 2.0)])
    rows = list(found.rows())
    assert len(rows) == len(found.windows) * 4 * len(MEASURES) * 3
    for row in rows[:: len(rows) // 7]:
        assert row.median == found.value(row.window, row.forecaster, row.measure, row.channel)
