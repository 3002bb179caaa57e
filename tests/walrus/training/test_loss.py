from __future__ import annotations

import pytest
import torch
from torch.nn.functional import mse_loss

from shards.schema import Cell
from walrus.normalize import WindowStatistics
from walrus.training.loss import delta_loss
from walrus.training.train import TrainSettings


def setting(frames=3, windows=2, channels=3, grid=(4, 5, 1)):
    """Frames that grow by exactly one unit of change a step, so that the right output is 1 everywhere."""
    delta_BC = torch.arange(1.0, 1 + windows * channels).view(windows, channels)
    steps = torch.arange(frames + 1.0)[:, None, None, None, None, None]
    u = steps * delta_BC[..., None, None, None] * torch.ones(frames + 1, windows, channels, *grid)
    statistics = WindowStatistics(torch.ones(windows, channels), delta_BC)
    cells = torch.zeros(windows, *grid, dtype=torch.uint8)
    return u, statistics, cells, torch.zeros(channels, dtype=torch.bool)


def test_the_right_output_has_no_loss_and_half_of_it_fifty():
    u, statistics, cells, padded = setting()
    output = torch.ones(3, 2, 3, 4, 5, 1)
    assert delta_loss(output, u[:-1], u[1:], statistics, cells, padded).item() == pytest.approx(0, abs=1e-4)
    assert delta_loss(output / 2, u[:-1], u[1:], statistics, cells, padded).item() == pytest.approx(50)


def test_the_root_mean_square_error_is_that_of_torch():
    u, statistics, cells, padded = setting()
    output = 1 + torch.randn(3, 2, 3, 4, 5, 1, generator=torch.Generator().manual_seed(0))
    loss = delta_loss(output, u[:-1], u[1:], statistics, cells, padded, loss="rmse")
    errors = [mse_loss(x, torch.ones_like(x)).sqrt() for x in output[1:].flatten(0, 2)]
    assert loss.item() == pytest.approx(100 * torch.stack(errors).mean().item())


def test_a_perfect_output_has_a_gradient_of_zero():
    u, statistics, cells, padded = setting()
    output = torch.ones(3, 2, 3, 4, 5, 1, requires_grad=True)
    # Numbers that are equal to the last bit: the changes of `setting` have no fractions.
    delta_loss(output, u[:-1], u[1:], statistics, cells, padded, loss="rmse").backward()
    assert output.grad is not None
    assert output.grad.isfinite().all()


def test_the_first_change_is_left_out():
    u, statistics, cells, padded = setting()
    output = torch.ones(3, 2, 3, 4, 5, 1)
    output[0] = 77
    assert delta_loss(output, u[:-1], u[1:], statistics, cells, padded).item() == pytest.approx(0, abs=1e-4)


def test_cells_inside_an_obstacle_count_as_right():
    u, statistics, cells, padded = setting()
    output = torch.zeros(3, 2, 3, 4, 5, 1)
    cells[0, :2] = int(Cell.OBSTACLE | Cell.WALL)
    cells[1, 0, 0] = int(Cell.WALL)
    expected = 100 * (1 - 10 / 40)
    assert delta_loss(output, u[:-1], u[1:], statistics, cells, padded).item() == pytest.approx(expected)


def test_padded_components_do_not_dilute_the_mean():
    u, statistics, cells, padded = setting()
    padded[1] = True
    output = torch.zeros(3, 2, 3, 4, 5, 1)
    output[:, :, 1] = 1e6
    assert delta_loss(output, u[:-1], u[1:], statistics, cells, padded).item() == pytest.approx(100)
    output.requires_grad_()
    delta_loss(output, u[:-1], u[1:], statistics, cells, padded).backward()
    assert output.grad[:, :, 1].abs().max() == 0


def test_statistics_may_cover_constant_channels_behind():
    u, statistics, cells, padded = setting()
    longer = WindowStatistics(torch.ones(2, 5), torch.cat([statistics.delta_BC, torch.full((2, 2), 9.0)], 1))
    output = torch.full((3, 2, 3, 4, 5, 1), 0.5)
    assert delta_loss(output, u[:-1], u[1:], longer, cells, padded).item() == pytest.approx(50)


def test_a_network_that_sees_the_future_learns_from_its_last_change_alone():
    u, statistics, cells, padded = setting()
    output = torch.full((3, 2, 3, 4, 5, 1), 77.0)
    output[-1] = 0.5
    assert delta_loss(output, u[:-1], u[1:], statistics, cells, padded, causal=False).item() == pytest.approx(
        50
    )
    assert delta_loss(output, u[:-1], u[1:], statistics, cells, padded).item() > 1000


def test_where_a_forecast_was_seen_the_change_from_there_to_the_truth_is_asked_for():
    u, statistics, cells, padded = setting()
    seen = u[:-1].clone()
    seen[-1] -= 2 * statistics.delta_BC[..., None, None, None]
    output = torch.ones(3, 2, 3, 4, 5, 1)
    output[-1] = 3
    assert delta_loss(output, seen, u[1:], statistics, cells, padded).item() == pytest.approx(0, abs=1e-4)


def test_a_run_with_another_loss_is_another_run_and_one_with_the_published_loss_is_what_it_was():
    assert "loss" not in TrainSettings().identity
    assert TrainSettings(loss="rmse").identity != TrainSettings().identity
