"""Totals that a closed system conserves: mass, momentum and energy, summed over cells by their volume.

Axes: S space, C channel, T time, Q conserved quantity. numpy in physical units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shards.schema import Frames, Grid

Float64 = npt.NDArray[np.float64]


def cell_volumes(grid: Grid) -> Float64:
    """[*S] the volume of each cell (area in 2D, length in 1D), in the unit of the coordinates.

    On a curvilinear grid it has the factor r^2 sin(theta); without an axis of radii the radius is 1.

    >>> cell_volumes(Grid(axes=("x", "y"), coordinates=((0.5, 1.5), (1.0, 3.0, 5.0)))).tolist()
    [[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]
    """
    volumes: Float64 = np.ones(())
    for axis, centres, widths in zip(grid.axes, grid.coordinates, grid.widths, strict=True):
        lengths = _stretch(axis, np.array(centres), grid.kind) * np.array(widths)
        volumes = np.multiply.outer(volumes, lengths)
    return volumes


def _stretch(axis: str, at: Float64, kind: str) -> Float64:
    """The factor of an axis in the volume element of its coordinates."""
    if kind != "cartesian" and axis == "theta":
        return np.sin(at)
    if kind != "cartesian" and axis == "r":
        return at**2
    if kind != "cartesian" and axis == "log_r":
        return np.exp(3 * at)
    return np.ones_like(at)


@dataclass(frozen=True, eq=False)
class ConservedTotals:
    """Sums what is conserved over a frame: names of the Q quantities, and the density of each per volume.

    `densities` turn channels [C, *S] into [components, *S]; a vector has one total per component.
    """

    names: tuple[str, ...]
    densities: tuple[Callable[[Frames], Float64], ...]
    volume_S: Float64

    def totals(self, frame_CS: Frames) -> Float64:
        """[Q] the sum over space of each quantity."""
        return np.concatenate([self._sum(density(frame_CS)) for density in self.densities])

    def sizes(self, frame_CS: Frames) -> Float64:
        """[Q] the sum over space of each quantity's magnitude, the same for all components of a vector."""
        sizes = []
        for density in self.densities:
            components = density(frame_CS)
            magnitude = np.sqrt((components**2).sum(0, keepdims=True))
            sizes.append(self._sum(magnitude).repeat(len(components)))
        return np.concatenate(sizes)

    def drift(self, start_CS: Frames, frames_TCS: Iterable[Frames]) -> Float64:
        """[T, Q] the change of each total since `start_CS`, relative to its size there; 0 = conserved."""
        begin, size = self.totals(start_CS), self.sizes(start_CS)
        with np.errstate(all="ignore"):
            return np.stack([(self.totals(frame) - begin) / size for frame in frames_TCS])

    def _sum(self, values: Float64) -> Float64:
        total: Float64 = (values * self.volume_S).reshape(len(values), -1).sum(1)
        return total


def conserved_totals(channels: Sequence[str], grid: Grid, solid_S: npt.NDArray[np.bool_]) -> ConservedTotals:
    """The totals of mass, momentum and energy that these channels give; cells inside a solid do not count.

    Momentum is a field, or density times velocity. On a curvilinear grid its components cannot be summed,
    and it is left out.
    """
    names: list[str] = []
    densities: list[Callable[[Frames], Float64]] = []
    mass = _mass(channels)
    if mass is not None:
        names.append("mass")
        densities.append(mass)
    momentum = _momentum(channels, grid, mass)
    if momentum is not None:
        names += [f"momentum {axis}" for axis in grid.axes]
        densities.append(momentum)
    if "energy" in channels:
        names.append("energy")
        densities.append(_pick(channels, ("energy",)))
    return ConservedTotals(tuple(names), tuple(densities), np.where(solid_S, 0.0, cell_volumes(grid)))


def _mass(channels: Sequence[str]) -> Callable[[Frames], Float64] | None:
    # In shallow water the height is a mass per area.
    for name in ("density", "height"):
        if name in channels:
            return _pick(channels, (name,))
    if "log10_density" in channels:
        logarithm = _pick(channels, ("log10_density",))
        return lambda frame_CS: 10.0 ** logarithm(frame_CS)
    return None


def _momentum(
    channels: Sequence[str], grid: Grid, mass: Callable[[Frames], Float64] | None
) -> Callable[[Frames], Float64] | None:
    """The density of momentum: a field of that name, or mass times velocity."""
    if grid.kind != "cartesian":
        return None

    momenta = [f"momentum_{axis}" for axis in grid.axes]
    if set(momenta) <= set(channels):
        return _pick(channels, momenta)

    velocities = [f"velocity_{axis}" for axis in grid.axes]
    if mass is not None and set(velocities) <= set(channels):
        velocity = _pick(channels, velocities)
        return lambda frame_CS: mass(frame_CS) * velocity(frame_CS)
    return None


def _pick(channels: Sequence[str], names: Sequence[str]) -> Callable[[Frames], Float64]:
    rows = [channels.index(name) for name in names]
    return lambda frame_CS: frame_CS[rows].astype(np.float64)
