"""What physicists look at in a flow: kinetic energy, enstrophy and divergence of a frame, means over space.

Divergence is the RMS of the divergence over the RMS of the whole gradient: 0 is free of divergence, about 1
is far from it. That of a velocity is given only where the truth is nearly free of it.

Axes: S space, C channel, D component, Q quantity. numpy in physical units, Cartesian grids.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shards.schema import Boundary, Frames, Schema
from walrus.evaluation.conservation import Float64, cell_volumes

# A velocity whose divergence is less than this is called incompressible. Central differences of a flow that
# is free of divergence on another stencil stay below it.
INCOMPRESSIBLE = 0.1

Quantity = Callable[[Frames], float]


@dataclass(frozen=True, eq=False)
class FlowMeasures:
    """Named quantities of a frame [C, *S]."""

    names: tuple[str, ...]
    quantities: tuple[Quantity, ...]

    def of(self, frame_CS: Frames) -> Float64:
        """[Q]"""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.array([quantity(frame_CS) for quantity in self.quantities])


@dataclass(frozen=True, eq=False)
class Calculus:
    """Means and derivatives on the grid of a schema; cells inside a solid have no volume."""

    schema: Schema
    volume_S: Float64

    def mean(self, values_S: Float64) -> float:
        """Mean by volume over all cells outside solids."""
        return float((values_S * self.volume_S).sum() / self.volume_S.sum())

    def gradient(self, field_S: Float64) -> list[Float64]:
        """The derivative along each axis; central differences, across the seam where an axis is periodic.

        An axis of one cell has none: its derivative is 0.
        """
        derivatives = []
        for axis, centres in enumerate(self.schema.grid.coordinates):
            periodic = self.schema.boundaries[axis][0] is Boundary.PERIODIC
            derivatives.append(_derivative(field_S, axis, np.array(centres), periodic=periodic))
        return derivatives

    def divergence(self, vector_DS: Float64) -> float:
        """The RMS of the divergence over the RMS of the gradient; 0 where nothing varies."""
        jacobian = [self.gradient(component_S) for component_S in vector_DS]
        trace_S = np.sum([jacobian[axis][axis] for axis in range(len(vector_DS))], axis=0)
        squares_S = np.sum([np.square(row).sum(0) for row in jacobian], axis=0)
        size = self.mean(squares_S)
        return float(np.sqrt(self.mean(trace_S**2) / size)) if size else 0.0

    def enstrophy(self, vector_DS: Float64) -> float:
        """Half the mean square of the curl."""
        jacobian = [self.gradient(component_S) for component_S in vector_DS]
        squares_S = np.zeros(self.volume_S.shape)
        for i in range(len(vector_DS)):
            for j in range(i):
                squares_S += (jacobian[i][j] - jacobian[j][i]) ** 2
        return self.mean(squares_S) / 2


def is_incompressible(schema: Schema, solid_S: npt.NDArray[np.bool_], frame_CS: Frames) -> bool:
    """Is the velocity of a true frame [C, *S] nearly free of divergence?"""
    velocity = _vector(schema, "velocity")
    if velocity is None or schema.grid.kind != "cartesian":
        return False
    calculus = Calculus(schema, np.where(solid_S, 0.0, cell_volumes(schema.grid)))
    return calculus.divergence(_rows(frame_CS, velocity)) < INCOMPRESSIBLE


def flow_measures(schema: Schema, solid_S: npt.NDArray[np.bool_], *, incompressible: bool) -> FlowMeasures:
    """The quantities that these channels give; the divergence of a velocity only where it is incompressible.

    A kinetic energy needs the whole velocity; with a density it is per volume, otherwise per mass.
    """
    names: list[str] = []
    quantities: list[Quantity] = []
    if schema.grid.kind != "cartesian":
        return FlowMeasures((), ())

    calculus = Calculus(schema, np.where(solid_S, 0.0, cell_volumes(schema.grid)))
    velocity = _vector(schema, "velocity")
    if velocity is not None:
        names += ["kinetic energy", "enstrophy"]
        quantities += [_kinetic_energy(schema, calculus, velocity), _of(calculus.enstrophy, velocity)]
        if incompressible:
            names.append("divergence of velocity")
            quantities.append(_of(calculus.divergence, velocity))
    magnetic = _vector(schema, "magnetic_field")
    if magnetic is not None:
        names.append("divergence of B")
        quantities.append(_of(calculus.divergence, magnetic))
    return FlowMeasures(tuple(names), tuple(quantities))


def _vector(schema: Schema, name: str) -> list[int] | None:
    channels = [f"{name}_{axis}" for axis in schema.grid.axes]
    known = len(channels) > 1 and set(channels) <= set(schema.channels)
    return [schema.channels.index(channel) for channel in channels] if known else None


def _rows(frame_CS: Frames, rows: Sequence[int]) -> Float64:
    return frame_CS[list(rows)].astype(np.float64)


def _of(measure: Callable[[Float64], float], rows: Sequence[int]) -> Quantity:
    return lambda frame_CS: measure(_rows(frame_CS, rows))


def _kinetic_energy(schema: Schema, calculus: Calculus, velocity: Sequence[int]) -> Quantity:
    density = schema.channels.index("density") if "density" in schema.channels else None

    def energy(frame_CS: Frames) -> float:
        squares_S = (_rows(frame_CS, velocity) ** 2).sum(0)
        weight_S = 1.0 if density is None else frame_CS[density].astype(np.float64)
        return calculus.mean(weight_S * squares_S) / 2

    return energy


def _derivative(field_S: Float64, axis: int, centres: Float64, *, periodic: bool) -> Float64:
    """Along one axis; where it is periodic its cells are evenly spaced."""
    if len(centres) < 3:
        return np.zeros_like(field_S)
    if periodic:
        step = (centres[-1] - centres[0]) / (len(centres) - 1)
        change: Float64 = (np.roll(field_S, -1, axis) - np.roll(field_S, 1, axis)) / (2 * step)
        return change
    derivative: Float64 = np.gradient(field_S, centres, axis=axis)
    return derivative
