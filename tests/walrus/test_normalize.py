from __future__ import annotations

import pytest
import torch

from shards.spec import Boundary
from walrus.batch import Batch, FieldSlice
from walrus.normalize import (
    Statistics,
    advance,
    dataset_statistics,
    denormalise,
    join_channels,
    normalise,
    normalise_change,
    window_statistics,
)


def window(dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, 2, 4, 5, 6, 1, generator=generator, dtype=dtype) * 7


def test_statistics_input_and_prediction_equal_the_published_ones(golden):
    tensors = golden.component("revin")
    statistics = window_statistics(tensors["u"], golden.layouts["revin"]["epsilon"])
    torch.testing.assert_close(statistics.scale_BC, tensors["input_rms"])
    torch.testing.assert_close(statistics.delta_BC, tensors["delta_rms"])
    torch.testing.assert_close(normalise(tensors["u"], statistics), tensors["normalised"])
    variable = Statistics(statistics.scale_BC[:, :3], statistics.delta_BC[:, :3])
    found = advance(tensors["u"][:, :, :3], tensors["model_delta"], variable)
    torch.testing.assert_close(found, tensors["prediction"])


def test_vectors_and_tensors_share_their_scale_as_published(golden):
    layout = golden.layouts["global_rms"]
    rms = []
    for value in layout["statistics"].values():
        rms += torch.tensor(value).flatten().tolist()
    fields = (
        FieldSlice("density", 0, 0, 1),
        FieldSlice("pressure", 0, 1, 2),
        FieldSlice("velocity", 1, 2, 5),
        FieldSlice("D", 2, 5, 14),
    )
    statistics = dataset_statistics(rms, rms, fields, eps=1e-8)
    expected = golden.component("global_rms")["flattened"]
    torch.testing.assert_close(statistics.scale_BC[0], expected)
    torch.testing.assert_close(statistics.delta_BC[0], expected)


def test_there_and_back_is_the_identity():
    u = window()
    statistics = window_statistics(u, 1e-5)
    torch.testing.assert_close(denormalise(normalise(u, statistics), statistics), u)
    change = u.diff(dim=0)
    torch.testing.assert_close(advance(u[:-1], normalise_change(change, statistics), statistics), u[1:])


def test_scaling_the_field_scales_the_forecast():
    u, output = window(), torch.randn(1, 2, 4, 5, 6, 1).double()
    small, large = (advance((a * u)[-1:], output, window_statistics(a * u, 1e-5)) for a in (1, 300))
    torch.testing.assert_close(large, 300 * small)
    assert torch.allclose(
        normalise(300 * u, window_statistics(300 * u, 1e-5)), normalise(u, window_statistics(u, 1e-5))
    )


def test_each_window_and_channel_has_its_own_scale():
    u = window()
    u[:, 1, 2] *= 10
    scale_BC = window_statistics(u, 1e-5).scale_BC
    assert scale_BC.shape == (2, 4)
    torch.testing.assert_close(scale_BC[1, 2], u[:, 1, 2].square().mean().sqrt())


def test_a_still_window_changes_by_eps_and_a_zero_field_stays_zero():
    u = torch.zeros(3, 1, 2, 4, 4, 1)
    u[:, :, 1] = 5
    statistics = window_statistics(u, 1e-5)
    torch.testing.assert_close(statistics.scale_BC, torch.tensor([[1e-5, 5.0]]))
    torch.testing.assert_close(statistics.delta_BC, torch.tensor([[1e-5, 1e-5]]))
    assert normalise(u, statistics)[:, :, 0].abs().max() == 0


def test_a_single_frame_has_unit_change():
    assert torch.equal(window_statistics(window()[:1], 1e-5).delta_BC, torch.ones(2, 4).double())


def test_constant_channels_follow_the_variable_ones_at_every_frame():
    periodic = (Boundary.PERIODIC, Boundary.PERIODIC)
    batch = Batch(
        task="test",
        fields_BTCHWD=torch.arange(2 * 3 * 1 * 4 * 5.0).view(2, 3, 1, 4, 5, 1),
        static_BCHWD=torch.arange(2 * 2 * 4 * 5.0).view(2, 2, 4, 5, 1),
        cells_BHWD=torch.zeros(2, 4, 5, 1, dtype=torch.uint8),
        boundaries=(periodic, periodic, periodic),
        channels=("density",),
        static_channels=("mask", "height"),
        layout=(FieldSlice("density", 0, 0, 1),),
        static_layout=(FieldSlice("mask", 0, 0, 1), FieldSlice("height", 0, 1, 2)),
        padded_C=torch.tensor([False]),
        scale_C=torch.ones(1),
    )
    u = join_channels(batch)
    assert u.shape == (3, 2, 3, 4, 5, 1)
    assert torch.equal(u[:, :, 0], batch.fields_BTCHWD[:, :, 0].transpose(0, 1))
    assert torch.equal(u[2, :, 1:], batch.static_BCHWD)


@pytest.mark.parametrize("eps", [1e-5, 1e-2])
def test_statistics_are_never_below_eps(eps):
    statistics = window_statistics(window() * 1e-9, eps)
    assert statistics.scale_BC.min() == statistics.delta_BC.min() == eps
