"""Measures of a flow, on flows whose measures are known."""

import numpy as np
import pytest

from shards.schema import Boundary, FieldSpec, Grid, Schema
from walrus.evaluation.physics import flow_measures, is_incompressible

PERIODIC, WALL = (Boundary.PERIODIC,) * 2, (Boundary.WALL,) * 2


def schema(boundaries, *fields: FieldSpec) -> Schema:
    x = tuple((np.arange(48) + 0.5) * 2 * np.pi / 48)
    y = tuple((np.arange(64) + 0.5) * 2 * np.pi / 64)
    return Schema(fields, Grid(("x", "y"), (x, y)), boundaries)


def measured(flow: Schema, frame_CS, incompressible=True):
    found = flow_measures(flow, np.zeros(flow.grid.shape, bool), incompressible=incompressible)
    return dict(zip(found.names, found.of(frame_CS), strict=True))


VELOCITY, DENSITY = FieldSpec("velocity", rank=1), FieldSpec("density")


def test_a_taylor_green_vortex_has_its_energy_enstrophy_and_no_divergence():
    flow = schema((PERIODIC, PERIODIC), VELOCITY)
    x, y = np.meshgrid(*map(np.array, flow.grid.coordinates), indexing="ij")
    vortex = np.stack([np.sin(x) * np.cos(y), -np.cos(x) * np.sin(y)])
    found = measured(flow, vortex)
    assert found["kinetic energy"] == pytest.approx(0.25)
    assert found["enstrophy"] == pytest.approx(0.5, rel=0.01)
    assert found["divergence of velocity"] < 0.002
    assert is_incompressible(flow, np.zeros((48, 64), bool), vortex)


def test_a_uniform_expansion_has_all_its_gradient_in_its_divergence():
    flow = schema((WALL, WALL), VELOCITY, DENSITY)
    x, y = np.meshgrid(*map(np.array, flow.grid.coordinates), indexing="ij")
    # div u = 2 and |grad u|^2 = 2 everywhere.
    frame = np.stack([x, y, np.full_like(x, 3.0)])
    assert measured(flow, frame)["divergence of velocity"] == pytest.approx(np.sqrt(2))
    assert measured(flow, frame)["kinetic energy"] == pytest.approx(1.5 * (x**2 + y**2).mean())
    assert not is_incompressible(flow, np.zeros((48, 64), bool), frame)
    assert "divergence of velocity" not in measured(flow, frame, incompressible=False)


def test_a_magnetic_field_has_a_divergence_and_a_solid_does_not_count():
    flow = schema((PERIODIC, PERIODIC), FieldSpec("magnetic_field", rank=1))
    field = np.zeros((2, 48, 64))
    field[:, 20:28, 30] = 1.0
    assert measured(flow, field)["divergence of B"] > 0.5
    solid = np.zeros((48, 64), bool)
    solid[18:31, 28:33] = True
    assert flow_measures(flow, solid, incompressible=True).of(field).tolist() == [0.0]
