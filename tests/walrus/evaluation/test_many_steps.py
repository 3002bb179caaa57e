"""Curves of a long run: no extreme is lost, values that are not finite do not count. Oracle: xarray."""

import numpy as np
import pytest
import xarray as xr

from walrus.evaluation.many_steps import running_mean, summary

NOISE = np.random.default_rng(5).lognormal(size=3300)
LOST = np.where(np.arange(3300) % 7 == 0, np.nan, NOISE)


def test_the_points_of_a_long_run_are_extremes_and_medians_of_its_steps():
    coarse = xr.DataArray(NOISE, dims="step").coarsen(step=33)
    step, low, middle, high = summary(range(3300), NOISE, most=100)
    np.testing.assert_array_equal(low, coarse.min())
    np.testing.assert_array_equal(middle, coarse.median())
    np.testing.assert_array_equal(high, coarse.max())
    np.testing.assert_array_equal(step, np.arange(16, 3300, 33))


def test_values_that_are_not_finite_do_not_count():
    coarse = xr.DataArray(LOST, dims="step").coarsen(step=33)
    given = np.where(np.isnan(LOST), np.inf, LOST)
    _, low, _, high = summary(range(3300), given, most=100)
    np.testing.assert_array_equal(low, coarse.min())
    np.testing.assert_array_equal(high, coarse.max())
    assert np.isnan(summary([0, 1], [np.nan, np.inf], most=1)[1:]).all()


def test_a_short_run_keeps_each_step():
    for kept in summary([3, 5, 9], [1.0, np.nan, 2.0])[1:]:
        np.testing.assert_array_equal(kept, [1.0, np.nan, 2.0])
    assert summary([3, 5, 9], [1.0, np.nan, 2.0]).step.tolist() == [3, 5, 9]
    # The last point may stand for fewer steps.
    assert summary(range(5), [1.0, 2.0, 3.0, 4.0, 9.0], most=2).high.tolist() == [3.0, 9.0]


def test_the_running_mean_is_that_of_the_known_logarithms():
    for values in (NOISE, LOST):
        logs = xr.DataArray(np.log(values), dims="step")
        window = 2 * (3300 // 40 + 1) + 1
        expected = np.exp(logs.rolling(step=window, center=True, min_periods=1).mean())
        np.testing.assert_allclose(running_mean(values), expected, rtol=1e-10)
    assert running_mean(np.array([7.0])) == pytest.approx([7.0])
    assert np.isnan(running_mean(np.array([np.nan])))
