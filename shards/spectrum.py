"""Computes the isotropic power spectrum of a field: its variance per wavenumber.

Axes: S space, K wavenumber. The wavenumber is the number of cycles along the longest side of the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from shards.schema import Boundary, Frames, Grid, Sides

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FourierModes:
    """The Fourier modes of a grid: ring (rounded wavenumber) and weight of each; the taper of the cells."""

    ring_S: npt.NDArray[np.intp]
    weight_S: Float64
    taper_S: Float64
    rings: int


def modes_of(grid: Grid, boundaries: Sequence[Sides]) -> FourierModes:
    """The modes up to the Nyquist wavenumber of the coarsest axis; a Hann taper on axes without period.

    Cells are treated as evenly spaced. On a grid that is not cartesian, lengths are counted in cells, because
    angles and radii cannot be compared.
    """
    lengths = [float(size) for size in grid.shape]
    if grid.kind == "cartesian":
        lengths = [_length(values) for values in grid.coordinates]
    longest = max(lengths)
    spacings = [length / size / longest for size, length in zip(grid.shape, lengths, strict=True)]
    waves = [np.fft.fftfreq(size, step) for size, step in zip(grid.shape, spacings, strict=True)]
    # Along the last axis only half of the modes are stored, because the field is real.
    waves[-1] = np.fft.rfftfreq(grid.shape[-1], spacings[-1])
    ring_S = np.rint(np.sqrt(reduce(np.add.outer, [wave**2 for wave in waves]))).astype(np.intp)
    nyquist = [
        size / 2 * longest / length for size, length in zip(grid.shape, lengths, strict=True) if size > 1
    ]
    tapers = [_taper(size, sides) for size, sides in zip(grid.shape, boundaries, strict=True)]
    return FourierModes(
        ring_S, _weight(grid.shape), reduce(np.multiply.outer, tapers), int(min(nyquist, default=0))
    )


def power(values_S: Frames, modes: FourierModes) -> Float64:
    """The variance [K] of a field [*S] in the rings 1, 2, ...; cells not finite count as the mean."""
    finite_S = np.isfinite(values_S)
    values = values_S.astype(np.float64)
    mean = float(values[finite_S].mean()) if finite_S.any() else 0.0
    centred = np.where(finite_S, values - mean, 0.0) * modes.taper_S
    squares = np.abs(np.fft.rfftn(centred) / centred.size) ** 2 * modes.weight_S
    total_K = np.bincount(modes.ring_S.ravel(), squares.ravel(), modes.rings + 1)[1 : modes.rings + 1]
    spectrum: Float64 = total_K / np.mean(modes.taper_S**2)
    return spectrum


def _length(coordinates: Sequence[float]) -> float:
    """The length of an axis from its first to its last cell face; 1 for a single cell."""
    size = len(coordinates)
    return (max(coordinates) - min(coordinates)) * size / (size - 1) if size > 1 else 1.0


def _taper(size: int, sides: Sides) -> Float64:
    if size == 1 or Boundary.PERIODIC in sides:
        return np.ones(size)
    return np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2


def _weight(shape: tuple[int, ...]) -> Float64:
    """The weights of the modes of rfftn: most along the last axis stand for two, of which one is stored."""
    weight = np.full(shape[-1] // 2 + 1, 2.0)
    weight[0] = 1
    if shape[-1] % 2 == 0:
        weight[-1] = 1
    return np.broadcast_to(weight, (*shape[:-1], weight.size))
