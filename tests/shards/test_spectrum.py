"""The spectrum of what is known: waves in their ring, all of the variance, and no more than that."""

import numpy as np
import pytest

from shards.schema import Boundary, Grid
from shards.spectrum import modes_of, power

PERIODIC, OPEN = (Boundary.PERIODIC,) * 2, (Boundary.OPEN,) * 2


def grid(*shape: int, cell: float = 1.0) -> Grid:
    return Grid(("x", "y", "z")[: len(shape)], tuple(tuple(cell * i for i in range(size)) for size in shape))


def test_a_wave_lies_in_its_ring_with_its_variance():
    x, y = np.meshgrid(np.arange(24), np.arange(16), indexing="ij")
    values = 5 + 2 * np.cos(2 * np.pi * 6 * x / 24) + 3 * np.cos(2 * np.pi * 2 * y / 16)
    spectrum = power(values, modes_of(grid(24, 16), (PERIODIC, PERIODIC)))
    # Two waves along the shorter side are three along the longest.
    assert spectrum[[5, 2]] == pytest.approx([2.0, 4.5])
    assert spectrum.sum() == pytest.approx(values.var())


@pytest.mark.parametrize("shape", [(32,), (15, 8), (9, 6, 7)])
def test_the_variance_is_all_there_on_any_grid(shape):
    values = np.random.default_rng(4).normal(size=shape)
    smooth = np.fft.ifftn(np.fft.fftn(values) * low_pass(shape)).real
    spectrum = power(smooth, modes_of(grid(*shape, cell=0.1), (PERIODIC,) * len(shape)))
    assert spectrum.sum() == pytest.approx(smooth.var())


def low_pass(shape: tuple[int, ...]) -> np.ndarray:
    waves = np.meshgrid(
        *(np.fft.fftfreq(size, 1 / size) * max(shape) / size for size in shape), indexing="ij"
    )
    return sum(wave**2 for wave in waves) < 6.0


def test_an_open_axis_is_tapered_so_that_a_slope_is_no_noise():
    slope = np.linspace(0, 1, 64)
    tapered = power(slope, modes_of(grid(64), (OPEN,)))
    assert tapered[20:].sum() < 1e-6 * tapered.sum()
    assert power(slope, modes_of(grid(64), (PERIODIC,)))[20:].sum() > 1e-2 * slope.var()


def test_cells_that_are_not_finite_count_as_the_mean():
    values = np.full((8, 8), 3.0)
    values[2, 5] = np.nan
    assert power(values, modes_of(grid(8, 8), (OPEN, PERIODIC))).tolist() == [0.0] * 4
