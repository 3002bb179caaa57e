from __future__ import annotations

from math import sqrt

import pytest
import torch

from shards.errors import MismatchError
from shards.read import Dataset
from shards.schema import Boundary
from walrus.augment import ROTATIONS, rotate
from walrus.batch import Batch, FieldSlice
from walrus.normalize import (
    WindowStatistics,
    advance,
    card_scales,
    dataset_statistics,
    denormalise,
    join_channels,
    normalise,
    normalise_change,
    statistics_of,
    window_statistics,
)
from walrus.reading.plan import Window
from walrus.reading.reader import Reader


def window(dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, 2, 4, 5, 6, 1, generator=generator, dtype=dtype) * 7


def test_statistics_input_and_prediction_equal_the_published_ones(golden):
    tensors = golden.component("revin")
    statistics = window_statistics(tensors["u"], golden.layouts["revin"]["epsilon"])
    torch.testing.assert_close(statistics.scale_BC, tensors["input_rms"])
    torch.testing.assert_close(statistics.delta_BC, tensors["delta_rms"])
    torch.testing.assert_close(normalise(tensors["u"], statistics), tensors["normalised"])
    variable = WindowStatistics(statistics.scale_BC[:, :3], statistics.delta_BC[:, :3])
    found = advance(tensors["u"][:, :, :3], tensors["model_delta"], variable)
    # A sum of two products: processors that fuse them round it by one unit less.
    torch.testing.assert_close(found, tensors["prediction"], rtol=1e-5, atol=1e-5)


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


def test_a_whole_dataset_divides_every_window_by_the_rms_of_its_card(root):
    dataset = Dataset(root / "acoustic_scattering_discontinuous")
    moments, powers = dataset.card.moments, dataset.card.powers
    reader = Reader(dataset, "test")
    batch = reader.read([Window(0, 2, 1), Window(1, 5, 1)], reader.buffers(2, 3))
    scales = {dataset.card.name: card_scales(dataset.card)}
    statistics = statistics_of(batch, join_channels(batch), 1e-8, scales)
    channels = (*batch.channels, *batch.static_channels)
    assert statistics.scale_BC.shape == (1, len(channels))
    # Two components on disk, three in space: all three count, as in the release.
    velocity = (
        sqrt((moments["velocity_x"].rms ** 2 + moments["velocity_y"].rms ** 2) / 3)
        / 2.0 ** powers["velocity"]
    )
    expected = {"pressure": moments["pressure"].rms / 2.0 ** powers["pressure"]}
    expected |= {name: max(moments[name].rms / 2.0 ** powers[name], 1e-8) for name in batch.static_channels}
    expected |= {"velocity_x": velocity, "velocity_y": velocity}
    found = dict(zip(channels, statistics.scale_BC[0].tolist(), strict=True))
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    change = moments["pressure"].change_rms / 2.0 ** powers["pressure"]
    assert statistics.delta_BC[0, 0].item() == pytest.approx(change, rel=1e-6)


def test_a_turned_frame_has_the_statistics_of_the_unturned_one(root):
    dataset = Dataset(root / "shear_flow")
    reader = Reader(dataset, "test")
    batch = reader.read([Window(0, 2, 1)], reader.buffers(1, 3))
    scales = {dataset.card.name: card_scales(dataset.card)}
    straight = statistics_of(batch, join_channels(batch), 1e-8, scales)
    for rotation in ROTATIONS[:8]:
        turned = rotate(batch, rotation)
        found = statistics_of(turned, join_channels(turned), 1e-8, scales)
        velocity = [turned.channels.index(f"velocity_{axis}") for axis in "xyz"]
        real = [channel for channel in velocity if not turned.padded_C[channel]]
        unturned = straight.scale_BC[0, batch.channels.index("velocity_x")]
        assert torch.equal(found.scale_BC[0, real], unturned.expand(2))


def test_windows_of_another_dataset_or_field_have_no_statistics(root):
    dataset = Dataset(root / "shear_flow")
    reader = Reader(dataset, "test")
    batch = reader.read([Window(0, 2, 1)], reader.buffers(1, 3))
    known = card_scales(dataset.card)
    with pytest.raises(MismatchError, match="found data of shear_flow; the model has the scales of other"):
        statistics_of(batch, join_channels(batch), 1e-8, {"other": known})
    del known["tracer"]
    with pytest.raises(MismatchError, match="tracer of shear_flow has no scale"):
        statistics_of(batch, join_channels(batch), 1e-8, {"shear_flow": known})


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
        static_scale_C=torch.ones(2),
    )
    u = join_channels(batch)
    assert u.shape == (3, 2, 3, 4, 5, 1)
    assert torch.equal(u[:, :, 0], batch.fields_BTCHWD[:, :, 0].transpose(0, 1))
    assert torch.equal(u[2, :, 1:], batch.static_BCHWD)


@pytest.mark.parametrize("eps", [1e-5, 1e-2])
def test_statistics_are_never_below_eps(eps):
    statistics = window_statistics(window() * 1e-9, eps)
    assert statistics.scale_BC.min() == statistics.delta_BC.min() == eps
