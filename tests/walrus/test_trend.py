from __future__ import annotations

import numpy as np
import pytest
import torch

from shards.schema import Boundary
from walrus.trend import RIDGE, trend

PERIODIC = (Boundary.PERIODIC, Boundary.PERIODIC)
WALLS = (Boundary.WALL, Boundary.WALL)
BOX = (PERIODIC, PERIODIC, PERIODIC)


def window(frames=4, windows=2, channels=3, grid=(6, 5, 4)):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(frames, windows, channels, *grid, generator=generator).double()


def terms(last, before):
    bent = [np.roll(last, 1, axis) + np.roll(last, -1, axis) - 2 * last for axis in range(3)]
    return np.stack([last, before, *bent], -1).reshape(-1, 5)


def test_the_rule_is_the_least_squares_solution_of_numpy():
    u = window()
    found = trend(u, BOX)
    for b, c in np.ndindex(2, 3):
        first, second, third = u.diff(dim=0).numpy()[:, b, c]
        known = terms(second, first)
        unit = np.sqrt((known**2).mean(0))
        # A row per factor keeps it small, as the ridge does.
        rows = np.concatenate([known / unit, np.sqrt(RIDGE * len(known)) * np.eye(5)])
        factors, *_ = np.linalg.lstsq(rows, np.concatenate([third.ravel(), np.zeros(5)]))
        expected = (terms(third, second) / unit @ factors).reshape(6, 5, 4)
        np.testing.assert_allclose(found[b, c].numpy(), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("frames", [3, 4, 6])
def test_a_straight_line_goes_on(frames):
    rise = window(1, 1, 1)
    line = torch.arange(float(frames)).view(frames, 1, 1, 1, 1, 1) * rise
    torch.testing.assert_close(trend(line, BOX), rise[0], rtol=1e-3, atol=1e-3)


def test_moving_waves_go_on():
    time, place = torch.arange(5.0)[:, None], torch.arange(16.0) * 2 * torch.pi / 16
    waves = torch.cos(place - 0.4 * time) + torch.cos(2 * place - 0.9 * time)
    u = waves[:, None, None, :, None, None].double()
    torch.testing.assert_close(u[3] + trend(u[:4], BOX), u[4], rtol=0.02, atol=0.02)
    assert (u[3] - u[4]).abs().max() > 0.5


def test_windows_and_channels_are_fitted_one_by_one():
    u = window(6)
    torch.testing.assert_close(trend(u[:, 1:, 2:], BOX), trend(u, BOX)[1:, 2:])
    torch.testing.assert_close(trend(u * 1e3, BOX), trend(u, BOX) * 1e3)


def test_a_trend_is_no_larger_than_the_last_change():
    u = window()
    u[3] = u[2] + 10 * (u[2] - u[1])
    last = (u[3] - u[2]).square().mean((2, 3, 4))
    torch.testing.assert_close(trend(u, BOX).square().mean((2, 3, 4)), last)


def test_behind_a_wall_the_field_is_mirrored():
    u = window()
    mirrored = trend(torch.cat([u, u.flip(3)], 3), BOX)[:, :, :6]
    torch.testing.assert_close(trend(u, (WALLS, PERIODIC, PERIODIC)), mirrored)
    assert not torch.allclose(trend(u, BOX), mirrored)


def test_a_still_field_and_one_of_two_frames_have_no_trend():
    u = torch.ones(4, 1, 2, 6, 5, 1)
    u[:, :, 1] = 0
    for still in (u, window(2), window(1)):
        assert trend(still, BOX).abs().max() == 0
