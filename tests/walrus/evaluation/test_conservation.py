"""Volumes of known bodies, and totals counted by hand."""

import math

import numpy as np
import pytest

from shards.schema import Grid
from walrus.evaluation.conservation import cell_volumes, conserved_totals


def centres(low: float, high: float, cells: int) -> tuple[float, ...]:
    return tuple(low + (high - low) * (i + 0.5) / cells for i in range(cells))


BOX = Grid(("x", "y"), (centres(0, 3, 6), centres(0, 1, 4)))
NO_SOLID = np.zeros((6, 4), bool)


def test_the_cells_of_a_box_fill_it() -> None:
    volume = cell_volumes(BOX)
    assert volume.shape == (6, 4)
    assert volume.sum() == pytest.approx(3)


def test_uneven_cells_weigh_by_their_width() -> None:
    volume = cell_volumes(Grid(("x",), ((0.5, 1.5, 3.5),)))
    np.testing.assert_allclose(volume, [1, 1.5, 2])


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        (
            Grid(("theta", "phi"), (centres(0, math.pi, 60), centres(0, 2 * math.pi, 8)), "equiangular"),
            4 * math.pi,
        ),
        (
            Grid(
                ("r", "theta", "phi"),
                (centres(1, 2, 50), centres(0, math.pi, 60), centres(0, 2 * math.pi, 4)),
                "spherical",
            ),
            4 / 3 * math.pi * 7,
        ),
        (
            Grid(
                ("log_r", "theta", "phi"),
                (centres(0, math.log(2), 50), centres(0, math.pi, 60), centres(0, 2 * math.pi, 4)),
                "log-spherical",
            ),
            4 / 3 * math.pi * 7,
        ),
    ],
    ids=["sphere", "shell", "shell of logarithmic radii"],
)
def test_the_cells_of_a_globe_fill_it(grid: Grid, expected: float) -> None:
    assert cell_volumes(grid).sum() == pytest.approx(expected, rel=2e-3)


def test_mass_and_momentum_follow_from_density_and_velocity() -> None:
    totals = conserved_totals(("velocity_x", "velocity_y", "density"), BOX, NO_SOLID)
    frame = np.stack([np.full((6, 4), 2.0), np.full((6, 4), -1.0), np.full((6, 4), 5.0)])
    assert totals.names == ("mass", "momentum x", "momentum y")
    np.testing.assert_allclose(totals.totals(frame), [15, 30, -15])
    np.testing.assert_allclose(totals.sizes(frame), [15, 15 * math.sqrt(5), 15 * math.sqrt(5)])


def test_a_field_of_momentum_is_taken_as_it_is_and_energy_counts() -> None:
    totals = conserved_totals(("energy", "momentum_x", "momentum_y"), BOX, NO_SOLID)
    assert totals.names == ("momentum x", "momentum y", "energy")
    np.testing.assert_allclose(totals.totals(np.ones((3, 6, 4)) * [[[7]], [[1]], [[2]]]), [3, 6, 21])


def test_a_logarithm_of_density_is_undone() -> None:
    totals = conserved_totals(("log10_density",), BOX, NO_SOLID)
    np.testing.assert_allclose(totals.totals(np.full((1, 6, 4), 2.0)), [300])


def test_the_height_of_shallow_water_is_its_mass() -> None:
    totals = conserved_totals(("height", "velocity_x", "velocity_y"), BOX, NO_SOLID)
    frame = np.stack([np.full((6, 4), value) for value in (2.0, 3.0, -1.0)])
    assert totals.names == ("mass", "momentum x", "momentum y")
    volume = cell_volumes(BOX).sum()
    np.testing.assert_allclose(totals.totals(frame), [2 * volume, 6 * volume, -2 * volume])


def test_a_solid_holds_nothing() -> None:
    solid = NO_SOLID.copy()
    solid[:3] = True
    np.testing.assert_allclose(conserved_totals(("density",), BOX, solid).totals(np.ones((1, 6, 4))), [1.5])


def test_what_is_not_there_is_not_counted() -> None:
    assert conserved_totals(("velocity_x", "velocity_y", "pressure"), BOX, NO_SOLID).names == ()
    globe = Grid(("theta", "phi"), (centres(0, math.pi, 6), centres(0, 6, 4)), "equiangular")
    names = conserved_totals(("density", "velocity_theta", "velocity_phi"), globe, NO_SOLID).names
    assert names == ("mass",)


def test_drift_is_relative_to_the_size_at_the_start() -> None:
    totals = conserved_totals(("density",), BOX, NO_SOLID)
    start = np.full((1, 6, 4), 4.0)
    np.testing.assert_allclose(totals.drift(start, [start, 1.5 * start]), [[0], [0.5]])
