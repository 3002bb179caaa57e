"""Baselines with known answers, scores computed by hand, and the difficulty of the sample data."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from shards.errors import MismatchError
from shards.spec import Boundary, Frames, Grid
from walrus.forecast import Forecast, errors, linear, one_step_errors, persistence, rollout_errors, scores

SAMPLES = Path(__file__).parents[1] / "samples" / "well"
SHAPE = (5, 4)


def ramp(frames: int) -> Frames:
    """[T, 2, *S]: one channel grows by its own pattern each frame, the other stands still."""
    pattern = np.random.default_rng(3).normal(size=(2, *SHAPE))
    growth = np.array([1.0, 0.0]).reshape(2, 1, 1)
    return pattern * (1 + growth * np.arange(frames).reshape(-1, 1, 1, 1))


def forecast_of(frames_TCS: Frames, rollout_TCS: Frames, history: int = 3) -> Forecast:
    return Forecast(
        task="ramp",
        trajectory="run-00000",
        channels=("u", "v"),
        grid=Grid(("x", "y"), ((0.0, 1, 2, 3, 4), (0.0, 1, 2, 3))),
        boundaries=((Boundary.PERIODIC,) * 2, (Boundary.WALL,) * 2),
        time_T=0.1 * np.arange(history, len(frames_TCS)),
        history_TCS=frames_TCS[:history],
        truth_TCS=frames_TCS[history:],
        forecast_TCS=rollout_TCS,
    )


def test_persistence_repeats_the_last_known_frame() -> None:
    frames = ramp(8)
    rollout = persistence(forecast_of(frames, frames[3:]))
    assert rollout.shape == (5, 2, *SHAPE)
    assert all(np.array_equal(frame, frames[2]) for frame in rollout)


def test_the_straight_line_is_exact_for_a_field_that_grows_steadily() -> None:
    frames = ramp(8)
    np.testing.assert_allclose(linear(forecast_of(frames, frames[3:])), frames[3:], rtol=1e-12)


def test_rollout_errors_list_model_persistence_and_line() -> None:
    frames = ramp(8)
    error_FTC = rollout_errors(forecast_of(frames, frames[3:]))
    assert error_FTC.shape == (3, 5, 2)
    assert np.all(error_FTC[0] == 0)
    # Persistence lags t + 1 patterns behind a truth of t + 4 patterns.
    pattern = ramp(1)[0, 0]
    step = np.arange(5)
    lag = (step + 1) / (step + 4) * np.sqrt((pattern**2).mean() / pattern.var(ddof=1))
    np.testing.assert_allclose(error_FTC[1, :, 0], lag, rtol=1e-6)
    assert np.all(error_FTC[2] < 1e-12)


def test_a_forecast_that_is_not_finite_is_infinitely_wrong() -> None:
    frames = ramp(2)
    broken = frames.copy()
    broken[1, 0, 2, 2] = np.nan
    assert np.isposinf(errors(frames, broken)[1, 0])
    assert errors(frames, broken)[0, 0] == 0


def test_one_step_errors_compare_the_baselines_on_the_same_frames() -> None:
    frames = np.random.default_rng(0).normal(size=(9, 2, *SHAPE))
    error_FKC = one_step_errors(frames, frames[4:])
    assert error_FKC.shape == (3, 5, 2)
    assert np.all(error_FKC[0] == 0)
    np.testing.assert_array_equal(error_FKC[1], errors(frames[4:], frames[3:-1]))
    np.testing.assert_array_equal(error_FKC[2], errors(frames[4:], 2 * frames[3:-1] - frames[2:-2]))


def test_one_step_forecasts_without_two_frames_before_them_are_refused() -> None:
    frames = ramp(6)
    with pytest.raises(MismatchError, match="5 one-step forecasts of a trajectory of 6 frames, expected 1 to 4"):
        one_step_errors(frames, frames[1:])


def test_scores_average_one_step_and_take_the_median_of_rollouts() -> None:
    one_steps = [np.full((3, 4, 2), value) * [1, 3] for value in (0.1, 0.3)]
    rollouts = [np.full((3, frames, 2), value) * [1, 3] for frames, value in ((7, 0.2), (7, 0.5), (3, 9.0))]
    model, line = (scores("ramp", ("u", "v"), one_steps, rollouts, ((1, 4), (5, 9), (10, 20)))[i] for i in (0, 2))
    assert (model.forecaster, line.forecaster) == ("model", "linear")
    assert model.one_step_C == pytest.approx((0.2, 0.6))
    assert model.one_step == pytest.approx(0.4)
    assert [(window.first, window.last) for window in model.windows] == [(1, 4), (5, 7)]
    assert model.windows[0].value == pytest.approx(1.0)
    assert model.windows[1].value_C == pytest.approx((0.35, 1.05))


def test_one_diverged_trajectory_leaves_the_median_of_three_finite() -> None:
    rollouts = [np.full((3, 4, 2), value) for value in (0.1, 0.2, np.inf)]
    score = scores("ramp", ("u", "v"), [np.ones((3, 2, 2))], rollouts)[0]
    assert score.windows[0].value == pytest.approx(0.2)


@pytest.mark.parametrize("broken", ["forecast", "history", "obstacle"])
def test_arrays_that_do_not_fit_together_are_refused(broken: str) -> None:
    frames = ramp(6)
    parts = {
        "history": frames[:1] if broken == "history" else frames[:3],
        "forecast": frames[3:, :1] if broken == "forecast" else frames[3:],
        "obstacle": np.zeros((4, 5), bool) if broken == "obstacle" else np.zeros((5, 4), bool),
    }
    good = forecast_of(frames, frames[3:])
    with pytest.raises(MismatchError, match=f"ramp/run-00000: the {broken} has shape"):
        Forecast(
            good.task,
            good.trajectory,
            good.channels,
            good.grid,
            good.boundaries,
            good.time_T,
            parts["history"],
            frames[3:],
            parts["forecast"],
            parts["obstacle"],
        )


@pytest.mark.parametrize(
    ("system", "repeat", "line"),
    [
        ("shear_flow", 0.226, 0.136),
        ("gray_scott_reaction_diffusion", 0.178, 0.076),
        ("acoustic_scattering_discontinuous", 0.425, 0.333),
        ("MHD_64", 0.205, 0.115),
    ],
)
def test_the_baselines_reproduce_the_published_difficulty_of_the_samples(
    system: str, repeat: float, line: float
) -> None:
    runs = [run for file in sorted((SAMPLES / system / "data" / "test").glob("*.hdf5")) for run in runs_of(file)]
    assert np.mean([errors(run[1:], run[:-1]).mean() for run in runs]) == pytest.approx(repeat, abs=5e-4)
    score = scores(system, ("",), [one_step_errors(run, run[2:]) for run in runs], [])[2]
    assert score.one_step == pytest.approx(line, abs=5e-4)


def runs_of(file: Path) -> list[Frames]:
    """Every trajectory [T, C, *S] of a sample file, vector components as channels."""
    with h5py.File(file) as source:
        scalars = [field[...] for field in source["t0_fields"].values() if field.attrs["time_varying"]]
        vectors = [np.moveaxis(field[...], -1, 0) for field in source["t1_fields"].values()]
        return list(np.stack([*scalars, *(part for vector in vectors for part in vector)], axis=2))
