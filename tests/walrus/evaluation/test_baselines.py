"""Baselines with known answers, and the difficulty of the sample data."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

from walrus.evaluation.baselines import frame_errors, linear, persistence
from walrus.evaluation.metrics import MEASURES, VRMSE

SAMPLES = Path(__file__).parents[2] / "samples" / "well"
SHAPE = (5, 4)
PEARSON = MEASURES.index("pearson")


def ramp(frames: int) -> Tensor:
    """[T, 2, *S]: one channel grows by its own pattern each frame, the other stands still."""
    pattern = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    growth = torch.tensor([1.0, 0.0]).reshape(2, 1, 1)
    return pattern * (1 + growth * torch.arange(frames).reshape(-1, 1, 1, 1))


def test_persistence_repeats_the_last_known_frame() -> None:
    frames = ramp(3)
    guesses = list(persistence(frames[2], 5))
    assert len(guesses) == 5
    assert all(torch.equal(guess, frames[2]) for guess in guesses)


def test_the_straight_line_is_exact_for_a_field_that_grows_steadily() -> None:
    frames = ramp(8)
    torch.testing.assert_close(torch.stack(list(linear(frames[1], frames[2], 5))), frames[3:])


def test_errors_of_several_forecasts_keep_their_order() -> None:
    truth = ramp(1)[0]
    values = frame_errors(truth, torch.stack([truth, truth + 1.0, 2 * truth]))
    assert values.shape == (3, len(MEASURES), 2)
    assert np.all(values[0, VRMSE] == 0)
    np.testing.assert_allclose(values[1, MEASURES.index("linf")], 1)
    np.testing.assert_allclose(values[2, MEASURES.index("relative_spectral_error_low")], 1, rtol=1e-4)


def test_a_forecast_that_is_not_finite_is_infinitely_wrong_and_not_correlated() -> None:
    truth = ramp(1)[0]
    broken = truth.clone()
    broken[0, 2, 2] = torch.nan
    values = frame_errors(truth, torch.stack([broken, truth]))
    errors = [row for row in range(len(MEASURES)) if row != PEARSON]
    assert np.all(np.isposinf(values[0, errors, 0]))
    assert values[0, PEARSON, 0] == 0
    assert values[0, VRMSE, 1] == 0
    assert np.all(np.isfinite(values[1]))


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
    runs = [
        run for file in sorted((SAMPLES / system / "data" / "test").glob("*.hdf5")) for run in runs_of(file)
    ]
    still, straight = [], []
    for run in runs:
        still += [vrmse(run[t], run[t - 1]) for t in range(1, len(run))]
        straight.append(
            np.mean([vrmse(run[t], next(linear(run[t - 2], run[t - 1], 1))) for t in range(2, len(run))])
        )
    assert np.mean(still) == pytest.approx(repeat, abs=5e-4)
    assert np.mean(straight) == pytest.approx(line, abs=5e-4)


def vrmse(truth: Tensor, guess: Tensor) -> float:
    return float(frame_errors(truth, guess[None])[0, VRMSE].mean())


def runs_of(file: Path) -> list[Tensor]:
    """Every trajectory [T, C, *S] of a sample file, vector components as channels."""
    with h5py.File(file) as source:
        scalars = [field[...] for field in source["t0_fields"].values() if field.attrs["time_varying"]]
        vectors = [np.moveaxis(field[...], -1, 0) for field in source["t1_fields"].values()]
        runs = np.stack([*scalars, *(part for vector in vectors for part in vector)], axis=2)
        return list(torch.from_numpy(runs.astype(np.float64)))
