"""The measures against an independent numpy computation, their invariants, and stored values."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from walrus.evaluation import metrics

SHAPES = [(12, 7), (6, 4, 10), (11,)]
GOLDEN = Path(os.environ.get("WALRUS_GOLDEN", Path(__file__).parents[4] / "shared" / "golden"))


def pair(shape: tuple[int, ...], lead: tuple[int, ...] = (2, 3)) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(7)
    truth = torch.randn(*lead, *shape, generator=random, dtype=torch.float64) + 0.4
    return truth, truth + 0.3 * torch.randn(*lead, *shape, generator=random, dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_measures_agree_with_numpy(shape: tuple[int, ...]) -> None:
    truth, forecast = pair(shape)
    space = tuple(range(2, 2 + len(shape)))
    u, v = truth.numpy(), forecast.numpy()
    mse = ((u - v) ** 2).mean(space)
    expected = {
        metrics.rmse: np.sqrt(mse),
        metrics.vrmse: np.sqrt(mse / (u.var(space, ddof=1) + 1e-7)),
        metrics.nrmse: np.sqrt(mse / ((u**2).mean(space) + 1e-7)),
        metrics.mae: np.abs(u - v).mean(space),
        metrics.linf: np.abs(u - v).max(space),
    }
    for measure, value in expected.items():
        np.testing.assert_allclose(measure(truth, forecast, len(shape)).numpy(), value, rtol=1e-13)


def test_pearson_is_the_correlation_coefficient_up_to_its_published_factor() -> None:
    truth, forecast = pair((12, 7), lead=())
    factor = (12 * 7 - 1) / (12 * 7)
    expected = np.corrcoef(truth.numpy().ravel(), forecast.numpy().ravel())[0, 1]
    assert metrics.pearson(truth, forecast, 2).item() == pytest.approx(factor * expected, rel=1e-6)
    assert metrics.pearson(truth, 5 - 2 * truth, 2).item() == pytest.approx(-factor, rel=1e-6)
    assert metrics.pearson(truth, torch.ones_like(truth), 2).item() == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_the_mean_of_the_truth_scores_about_one(shape: tuple[int, ...]) -> None:
    truth, _ = pair(shape)
    space, cells = tuple(range(-len(shape), 0)), math.prod(shape)
    mean = truth.mean(space, keepdim=True).expand_as(truth)
    expected = torch.full((2, 3), math.sqrt((cells - 1) / cells), dtype=torch.float64)
    torch.testing.assert_close(metrics.vrmse(truth, mean, len(shape)), expected, rtol=1e-6, atol=0)


def test_vrmse_does_not_change_with_unit_and_origin() -> None:
    truth, forecast = pair((12, 7))
    torch.testing.assert_close(
        metrics.vrmse(-40 * truth + 3, -40 * forecast + 3, 2),
        metrics.vrmse(truth, forecast, 2),
        rtol=1e-6,
        atol=0,
    )


def test_a_constant_field_is_judged_by_the_epsilon() -> None:
    truth = torch.full((6, 5), 2.5, dtype=torch.float64)
    assert metrics.vrmse(truth, truth + 0.01, 2).item() == pytest.approx(0.01 / math.sqrt(1e-7))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_spectral_bins_sum_to_the_mean_square_error(shape: tuple[int, ...]) -> None:
    truth, forecast = pair(shape)
    bins = metrics.spectral_error(truth, forecast, len(shape))
    assert bins.shape == (2, 3, metrics.SPECTRAL_BINS)
    torch.testing.assert_close(bins.sum(-1), metrics.rmse(truth, forecast, len(shape)).square())


@pytest.mark.parametrize(("waves", "band"), [(0, 0), (1, 0), (4, 1), (16, 2)])
def test_a_single_wave_falls_into_one_bin(waves: int, band: int) -> None:
    x = torch.arange(32, dtype=torch.float64)
    error = torch.cos(2 * math.pi * waves * x / 32)[:, None].expand(32, 8)
    bins = metrics.spectral_error(torch.zeros_like(error), error, 2)
    assert bins.argmax().item() == band
    assert bins[band].item() == pytest.approx(error.square().mean().item())


def test_the_relative_spectral_error_of_a_doubled_field_is_one_in_every_bin() -> None:
    truth, _ = pair((12, 10))
    relative = metrics.relative_spectral_error(truth, 2 * truth, 2)
    torch.testing.assert_close(relative, torch.ones_like(relative), rtol=1e-4, atol=0)


@pytest.mark.skipif(
    not GOLDEN.exists(), reason="the golden data are not here; WALRUS_GOLDEN names their folder"
)
@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_measures_reproduce_the_golden_values(dimensions: int) -> None:
    stored = load_file(GOLDEN / "components" / "components.safetensors")
    golden = {name.removeprefix(f"metric.{dimensions}d."): value for name, value in stored.items()}
    truth, forecast = (golden[name].double().movedim(-1, 2) for name in ("truth", "prediction"))
    found = {
        "VRMSE": metrics.vrmse(truth, forecast, dimensions),
        "NRMSE": metrics.nrmse(truth, forecast, dimensions),
        "RMSE": metrics.rmse(truth, forecast, dimensions),
        "MAE": metrics.mae(truth, forecast, dimensions),
        "LInfinity": metrics.linf(truth, forecast, dimensions),
        "PearsonR": metrics.pearson(truth, forecast, dimensions),
    }
    bands = metrics.spectral_error(truth, forecast, dimensions).unbind(-1)
    shares = metrics.relative_spectral_error(truth, forecast, dimensions).unbind(-1)
    found |= {f"spectral_error_mse_per_bin_{i}": value for i, value in enumerate(bands)}
    found |= {f"spectral_error_nmse_per_bin_{i}": value for i, value in enumerate(shares)}
    for name, value in found.items():
        torch.testing.assert_close(
            value, golden[name], rtol=1e-10, atol=0, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_relative_measures_are_the_same_in_any_unit() -> None:
    truth, forecast = pair((12, 7))
    units = torch.tensor([1e-6, 1.0, 1e5], dtype=torch.float64)
    per_cell = units[:, None, None]
    small = metrics.all_measures(truth * per_cell, forecast[None] * per_cell, 2, units)
    usual = metrics.all_measures(truth, forecast[None], 2, torch.ones(3))
    relative = [m for m, name in enumerate(metrics.MEASURES) if name in ("vrmse", "nrmse", "pearson")]
    torch.testing.assert_close(small[..., relative], usual[..., relative], rtol=1e-9, atol=0)
    published = metrics.MEASURES.index("vrmse_published")
    torch.testing.assert_close(usual[..., published], usual[..., 0], rtol=1e-6, atol=0)
    assert (small[..., 0, published] < 0.01).all()


def test_a_truth_that_is_uniform_in_space_has_no_vrmse() -> None:
    truth, forecast = pair((12, 7), lead=(2,))
    truth[1] = 3e4 * (1 + 1e-8 * truth[1])
    values = metrics.all_measures(truth, forecast[None], 2, torch.tensor([1.0, 2e3]))
    assert values[0, :, 0].isnan().tolist() == [False, True]
    assert values[0, 1, 1:].isfinite().all()


def test_solid_cells_count_only_in_the_published_vrmse() -> None:
    truth, forecast = pair((12, 7), lead=(2,))
    fluid = torch.ones(12, 7, dtype=torch.bool)
    fluid[3:6, 2:5] = False
    spoiled = torch.where(fluid, forecast, 1e3)
    clean, dirty = (metrics.all_measures(truth, each[None], 2, None, fluid) for each in (forecast, spoiled))
    published = metrics.MEASURES.index("vrmse_published")
    torch.testing.assert_close(dirty[..., :published], clean[..., :published])
    assert (dirty[..., published] > 100 * clean[..., published]).all()
    inside = truth[:, fluid], forecast[:, fluid]
    torch.testing.assert_close(clean[0, :, 0], metrics.vrmse(*inside, 1), rtol=1e-6, atol=0)
