"""Edges of cells in a file, as numpy.histogramdd gives them, and cells of a plane in a volume."""

import numpy as np
import pytest

from ingest.drafting.draft import draft
from tests.ingest.layouts.forecasts import (
    histograms_of_particles_between_edges,
    planes_of_a_covering_grid_of_yt,
)
from tests.ingest.solvers import CENTRES_Y, TIME, U, X, write_hdf5

UNEVEN = np.geomspace(0.5, 2.5, X + 1)


def test_the_ends_of_equal_cells_are_the_first_and_the_last_edge(tmp_path):
    text = draft(histograms_of_particles_between_edges(tmp_path).source)
    assert "\nx = { lower = 0.0, upper = 2.0 }  # 9 cells, between the edges xedges\n" in text
    assert "\ny = { lower = 0.0, upper = 1.0 }  # 7 cells, between the edges yedges\n" in text


def test_edges_of_unequal_cells_ask_for_their_centres(tmp_path):
    path = write_hdf5(tmp_path / "disk.h5", {"u": U, "t": TIME, "x_edges": UNEVEN})
    assert "x_edges are edges of unequal cells: save a list of centres x" in draft(path)


def test_edges_end_the_domain_of_unequal_cells(tmp_path):
    centres = np.sqrt(UNEVEN[1:] * UNEVEN[:-1])
    arrays = {"u": U, "t": TIME, "r": centres, "y": CENTRES_Y, "r_edges": UNEVEN}
    text = draft(write_hdf5(tmp_path / "disk.h5", arrays))
    assert "\ndomain = { r = [0.5, 2.5] }  # the first and the last edge of the cells\n" in text
    assert text.index("domain = ") < text.index("[time]")


def test_a_plane_of_a_volume_takes_the_cells_of_its_meshgrid(tmp_path):
    text = draft(planes_of_a_covering_grid_of_yt(tmp_path).source)
    assert '\nx = { stored = "grid/x" }  # 9 cells, 0.111111 to 1.88889\n' in text


@pytest.mark.parametrize("axis", ["phi", "z"])
def test_a_grid_without_a_kind_is_asked_about(tmp_path, axis):
    arrays = {"u": U, "t": TIME, "r": UNEVEN[1:], axis: CENTRES_Y}
    assert "# CHECK: no kind of grid is polar" in draft(write_hdf5(tmp_path / "disk.h5", arrays))
