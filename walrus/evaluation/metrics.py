"""Measure the error of a forecast: the published measures, for one field and one frame.

Every function takes `truth` and `forecast` of one shape [..., *S], where space is the last `dimensions` axes,
and returns [...]: space is reduced, the axes before it (batch, time, channel) are kept. `all_measures` gives
all of them, in the order of `MEASURES`.

VRMSE is 0 for a perfect forecast and about 1 for the best constant one. The small number in its denominator
belongs to the published definition, with which a field of standard deviation below 3e-4 looks easier than it
is. `all_measures` therefore takes fields in units of the dataset's standard deviation and leaves solid cells
out; `vrmse_published` is the published definition: physical units, all cells. See
docs/decisions/0036-scores-without-units.md.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch

from shards.card import Card

EPSILON = 1e-7
SPECTRAL_BINS = 3
# Relative rounding of a sum of float32 values.
ROUNDING = 1e-6

Measure = Literal[
    "vrmse",
    "nrmse",
    "rmse",
    "mae",
    "linf",
    "pearson",
    "spectral_error_low",
    "spectral_error_middle",
    "spectral_error_high",
    "relative_spectral_error_low",
    "relative_spectral_error_middle",
    "relative_spectral_error_high",
    "vrmse_published",
]
MEASURES: tuple[Measure, ...] = get_args(Measure)
VRMSE = MEASURES.index("vrmse")

__all__ = [
    "EPSILON",
    "MEASURES",
    "SPECTRAL_BINS",
    "VRMSE",
    "Measure",
    "all_measures",
    "linf",
    "mae",
    "nrmse",
    "pearson",
    "relative_spectral_error",
    "rmse",
    "spectral_error",
    "vrmse",
]


def channel_units(card: Card) -> torch.Tensor:
    """[C] the standard deviation of each channel over the dataset; 1 for one that never varies."""
    deviations = [card.moments[name].std if name in card.moments else 0.0 for name in card.schema.channels]
    return torch.tensor([std or 1.0 for std in deviations], dtype=torch.float64)


def all_measures(
    truth: torch.Tensor,
    forecasts: torch.Tensor,
    dimensions: int,
    unit: torch.Tensor | None = None,
    fluid_S: torch.Tensor | None = None,
) -> torch.Tensor:
    """All MEASURES for several forecasts [F, ..., *S] of one truth [..., *S]: [F, ..., M].

    `unit` [...] is the size of each field, its standard deviation over the dataset (by default 1): relative
    measures are the same in any unit. Cells where `fluid_S` is False do not count, except for
    `vrmse_published`. Where a forecast is not finite its errors are infinite and its correlation is 0. The
    VRMSE of a truth that is uniform in space is NaN: no forecast can be compared with its variation.
    """
    published = vrmse(truth, forecasts, dimensions)
    unit = torch.ones(()).to(truth) if unit is None else unit.to(truth)
    per_cell = unit[(..., *[None] * dimensions)]
    u, v = truth / per_cell, forecasts / per_cell
    u_cells, v_cells = u.flatten(-dimensions), v.flatten(-dimensions)
    if fluid_S is not None:
        u_cells, v_cells = u_cells[..., fluid_S.flatten()], v_cells[..., fluid_S.flatten()]
        u, v = u * fluid_S, v * fluid_S

    bands = spectral_error(u, v, dimensions)
    single = [
        vrmse(u_cells, v_cells, 1),
        nrmse(u_cells, v_cells, 1),
        rmse(u_cells, v_cells, 1) * unit,
        mae(u_cells, v_cells, 1) * unit,
        linf(u_cells, v_cells, 1) * unit,
        pearson(u_cells, v_cells, 1),
    ]
    relative_bands = bands / (_band_energy(u, dimensions, SPECTRAL_BINS) + EPSILON)
    parts = [torch.stack(single, -1), bands * unit[..., None].square(), relative_bands, published[..., None]]
    values = torch.cat(parts, -1)

    worst = torch.tensor([0.0 if name == "pearson" else math.inf for name in MEASURES]).to(values)
    values = torch.where(values.isfinite(), values, worst)
    values[..., VRMSE] = values[..., VRMSE].where(~_is_uniform(u_cells), torch.nan)
    return values


def _is_uniform(truth: torch.Tensor) -> torch.Tensor:
    """Whether a field varies over its cells, [..., cells], by no more than its rounding or epsilon."""
    variance, energy = truth.var(-1), truth.square().mean(-1)
    return (variance <= EPSILON) | (variance <= ROUNDING**2 * energy)


def vrmse(truth: torch.Tensor, forecast: torch.Tensor, dimensions: int) -> torch.Tensor:
    """sqrt(<(u - v)^2> / (var(u) + 1e-7)), the variance over space and unbiased."""
    space = _space(dimensions)
    return torch.sqrt(_mse(truth, forecast, dimensions) / (truth.var(space, unbiased=True) + EPSILON))


def nrmse(truth: torch.Tensor, forecast: torch.Tensor, dimensions: int) -> torch.Tensor:
    """sqrt(<(u - v)^2> / (<u^2> + 1e-7))."""
    energy = truth.square().mean(_space(dimensions))
    return torch.sqrt(_mse(truth, forecast, dimensions) / (energy + EPSILON))


def rmse(truth: torch.Tensor, forecast: torch.Tensor, dimensions: int) -> torch.Tensor:
    """sqrt(<(u - v)^2>), in the unit of the field."""
    return torch.sqrt(_mse(truth, forecast, dimensions))


def mae(truth: torch.Tensor, forecast: torch.Tensor, dimensions: int) -> torch.Tensor:
    """<|u - v|>, in the unit of the field.

    >>> truth, forecast = torch.tensor([[0.0, 2.0], [4.0, 6.0]]), torch.tensor([[1.0, 2.0], [4.0, 9.0]])
    >>> mae(truth, forecast, dimensions=2), linf(truth, forecast, dimensions=1)
    (tensor(1.), tensor([1., 3.]))
    """
    return (truth - forecast).abs().mean(_space(dimensions))


def linf(truth: torch.Tensor, forecast: torch.Tensor, dimensions: int) -> torch.Tensor:
    """The largest |u - v|, in the unit of the field."""
    return (truth - forecast).abs().amax(_space(dimensions))


def pearson(truth: torch.Tensor, forecast: torch.Tensor, dimensions: int) -> torch.Tensor:
    """Correlation of truth and forecast over space, -1 to 1; 0 where one of them is uniform.

    As published, a biased covariance is divided by unbiased deviations: a perfect forecast scores
    (cells - 1) / cells.
    """
    space = _space(dimensions)
    covariance = (
        (truth - truth.mean(space, keepdim=True)) * (forecast - forecast.mean(space, keepdim=True))
    ).mean(space)
    return covariance / (truth.std(space) * forecast.std(space) + EPSILON)


def spectral_error(
    truth: torch.Tensor, forecast: torch.Tensor, dimensions: int, bins: int = SPECTRAL_BINS
) -> torch.Tensor:
    """The mean square error, split by the length k of the wave vector: [..., bins], which sum to the MSE.

    The bins are isotropic and of equal width in log k, from the longest wave of the longest axis to the
    largest resolved wave vector; the first bin also holds the mean.
    """
    return _band_energy(truth - forecast, dimensions, bins)


def relative_spectral_error(
    truth: torch.Tensor, forecast: torch.Tensor, dimensions: int, bins: int = SPECTRAL_BINS
) -> torch.Tensor:
    """`spectral_error` over the energy that the truth has in the same bin (+ 1e-7): [..., bins]."""
    energy = _band_energy(truth, dimensions, bins)
    return spectral_error(truth, forecast, dimensions, bins) / (energy + EPSILON)


def _space(dimensions: int) -> tuple[int, ...]:
    return tuple(range(-dimensions, 0))


def _mse(truth: torch.Tensor, forecast: torch.Tensor, dimensions: int) -> torch.Tensor:
    return (truth - forecast).square().mean(_space(dimensions))


def _band_energy(field: torch.Tensor, dimensions: int, bins: int) -> torch.Tensor:
    """Mean square of `field` per band of |k|; by Parseval's theorem the bands sum to the mean square."""
    cells = math.prod(field.shape[-dimensions:])
    wave: torch.Tensor = torch.fft.fftn(field, dim=_space(dimensions)) / cells
    energy = wave.abs().square()
    band = _band(tuple(field.shape[-dimensions:]), bins).to(field.device).flatten()
    nothing = energy.new_zeros(*field.shape[:-dimensions], bins)
    return nothing.index_add(-1, band, energy.flatten(-dimensions))


def _band(shape: tuple[int, ...], bins: int) -> torch.Tensor:
    """The band [*S] of every wave vector, in radians per cell."""
    axes = [2 * math.pi * torch.fft.fftfreq(size, dtype=torch.float64) for size in shape]
    squares = torch.stack([part.square() for part in torch.meshgrid(*axes, indexing="ij")])
    lowest, highest = 2 * math.pi / max(shape), math.pi * math.sqrt(len(shape))
    edges = torch.logspace(math.log10(lowest), math.log10(highest), bins + 1, dtype=torch.float64)
    band: torch.Tensor = torch.bucketize(squares.sum(0).sqrt(), edges[1:-1], right=True)
    return band
