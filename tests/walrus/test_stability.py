"""A forecast that leaves the range of its data, or stops, is noticed at the first such step."""

import torch

from shards.card import ChannelMoments
from walrus.stability import ForecastWarning, StabilityCheck

X, Y = 7, 4


def moving(time, channels=2):
    """A wave of amplitude 1 in each channel."""
    place = torch.arange(X * Y).reshape(X, Y) * 0.9
    return torch.stack([torch.sin(place + 0.5 * time + channel) for channel in range(channels)])


def window(times=(0, 1, 2)):
    return torch.stack([moving(time) for time in times])


def test_a_forecast_like_its_window_is_not_reported():
    check = StabilityCheck(["u", "v"], window())
    assert [check.next(moving(time)) for time in range(3, 40)] == [()] * 37


def test_a_field_that_grows_is_reported_once_with_its_step():
    check = StabilityCheck(["u", "v"], window())
    factors = torch.tensor([1.0, 2.0])[:, None, None]
    found = [warning for step in range(1, 9) for warning in check.next(moving(2 + step) * factors**step)]
    assert found == [ForecastWarning("v", 4, "grew")]


def test_a_field_that_is_not_finite_has_grown():
    check = StabilityCheck(["u", "v"], window())
    frame = moving(3)
    frame[0, 2, 1] = torch.nan
    assert check.next(frame) == (ForecastWarning("u", 1, "grew"),)


def test_a_field_that_stops_is_reported_and_one_that_never_moved_is_not():
    known = window()
    known[:, 1] = 5.0
    check = StabilityCheck(["u", "v"], known)
    assert check.next(known[-1]) == (ForecastWarning("u", 1, "stopped"),)


def test_a_dataset_of_wider_range_allows_more():
    moments = {"u": ChannelMoments(1, 0.0, 50.0, 50.0, -90.0, 90.0, 0.3)}
    check = StabilityCheck(["u", "v"], window(), moments)
    assert [warning.channel for warning in check.next(moving(3) * 100)] == ["v"]


def test_solid_cells_do_not_count():
    fluid = torch.ones(X, Y, dtype=torch.bool)
    fluid[2:4, 1:3] = False
    check = StabilityCheck(["u", "v"], window(), None, fluid)
    assert check.next(torch.where(fluid, moving(3), 1e9)) == ()
