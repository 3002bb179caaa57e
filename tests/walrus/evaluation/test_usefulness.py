"""The step until which a forecast is useful."""

import numpy as np

from walrus.evaluation.metrics import MEASURES
from walrus.evaluation.scores import horizons
from walrus.evaluation.usefulness import correlated_steps, useful_steps


def rollout(vrmse, pearson=None):
    errors = np.zeros((3, len(MEASURES), len(vrmse), 1))
    errors[0, MEASURES.index("vrmse"), :, 0] = vrmse
    errors[0, MEASURES.index("pearson"), :, 0] = vrmse if pearson is None else pearson
    return errors


def test_use_ends_before_the_first_step_whose_median_is_one():
    three = [rollout([0.1, 0.9, 3.0, 0.2]), rollout([0.1, 0.8, 1.0, 0.2]), rollout([0.1, 9.0, 0.3, 0.2])]
    found = horizons(("u",), three)
    assert (useful_steps(found), useful_steps(found, "linear")) == (2, 4)


def test_a_step_without_a_score_is_passed_over_and_infinity_ends_the_use():
    assert useful_steps(horizons(("u",), [rollout([np.nan, 0.5, np.inf])])) == 2
    assert useful_steps(horizons(("u",), [rollout([1.0, 0.5])])) == 0


def test_a_correlation_below_eight_tenths_ends_the_high_correlation():
    assert correlated_steps(horizons(("u",), [rollout([0.1] * 3, pearson=[0.99, 0.8, 0.79])])) == 2
