"""What a recording keeps of a rollout, by value."""

import numpy as np
import pytest

from shards.errors import MismatchError
from shards.schema import Boundary, Grid
from walrus.evaluation.recording import Recording, RolloutFacts, RolloutStep, record

SHAPE = (6, 4, 5)
GRID = Grid(("x", "y", "z"), tuple(tuple(float(i) for i in range(size)) for size in SHAPE))
SOLID = np.zeros(SHAPE, bool)
SOLID[2, 1] = True
SCENE = RolloutFacts("flow", "run-00000", ("u", "v", "w"), GRID, ((Boundary.OPEN,) * 2,) * 3, SOLID)
RANDOM = np.random.default_rng(4)
TRUTH, GUESS = RANDOM.normal(size=(2, 7, 3, *SHAPE))


def recorded(steps: tuple[int, ...] = (2, 5), channels: tuple[str, ...] = ("w", "u")) -> Recording:
    errors = np.arange(21.0).reshape(7, 3)
    rollout = (RolloutStep(t + 1, 0.1 * t, TRUTH[t], GUESS[t], errors[t]) for t in range(7))
    return record(SCENE, rollout, steps, channels)


def test_the_chosen_steps_and_channels_are_kept_in_their_order() -> None:
    recording = recorded()
    assert recording.steps == (2, 5)
    np.testing.assert_allclose(recording.time_T, [0.1, 0.4])
    np.testing.assert_array_equal(recording.error_TC, [[5, 3], [14, 12]])
    plane = TRUTH[4, 2, :, :, 2].T[::-1]
    seen = recording.images_ITCVU[0][0, 1, recording.row("w")]
    np.testing.assert_allclose(seen[np.isfinite(seen)], plane[np.isfinite(seen)], rtol=1e-6)


def test_a_solid_is_not_a_number_in_truth_forecast_and_error() -> None:
    hole = np.isnan(recorded().images_ITCVU[0])
    expected = SOLID[:, :, 2].T[::-1]
    np.testing.assert_array_equal(hole, np.broadcast_to(expected, hole.shape))


def test_a_look_through_sees_the_largest_error_and_not_the_difference_of_looks() -> None:
    recording = recorded()
    assert recording.views[-1].projects
    error = np.where(SOLID, 0, GUESS[4, 0] - TRUTH[4, 0])
    place = np.abs(error).argmax(2)[..., None]
    largest = np.take_along_axis(error, place, 2)[..., 0].T[::-1]
    seen = recording.images_ITCVU[-1][2, 1, recording.row("u")]
    np.testing.assert_allclose(seen[np.isfinite(seen)], largest[np.isfinite(seen)], rtol=1e-5)
    assert np.isnan(seen).sum() == 1


def test_a_channel_that_was_not_filmed_is_refused() -> None:
    with pytest.raises(
        MismatchError, match=r"flow: found no recorded channel 'v'; expected one of \('w', 'u'\)"
    ):
        recorded().row("v")
