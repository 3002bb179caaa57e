from dataclasses import replace

import pytest
import torch

from shards.errors import MismatchError, SettingsError
from shards.schema import Boundary, FieldSpec, Grid, Schema
from walrus.batch import embed
from walrus.model.random_draws import draw_shifts
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.training.tuning import TuningSettings, prepare, tuned_settings
from walrus.training.warm_start import grow
from walrus.vocabulary import PUBLISHED

BASE = ModelSettings(hidden=64, heads=2, inner=4, mlp=32, blocks=2, branch_scale=1.0, drop_path=0.1)
SIDES = ((Boundary.WALL, Boundary.OPEN), (Boundary.PERIODIC, Boundary.PERIODIC))


@pytest.fixture(scope="module")
def example():
    grid = Grid(("x", "y"), (tuple(map(float, range(16))), tuple(map(float, range(24)))))
    schema = Schema((FieldSpec("pressure"), FieldSpec("velocity", 1)), grid, SIDES)
    return embed(
        "flow",
        schema,
        (1.0,) * 3,
        (),
        torch.randn(1, 3, 4, 16, 24),
        torch.zeros(1, 0, 16, 24),
        torch.zeros(1, 16, 24),
    )


def forecast(network, example):
    x = example.fields_BTCHWD.transpose(0, 1).double()
    generator = torch.Generator().manual_seed(3)
    shifts = draw_shifts(network.settings, (16, 24, 1), example.boundaries, generator)
    with torch.no_grad():
        return network.double().eval()(x, (3, 4, 5, 6), example.boundaries, shifts)


def test_learned_frequencies_and_a_position_embedding_change_no_output_at_first(example):
    torch.manual_seed(0)
    base = Walrus(BASE, 67)
    settings = tuned_settings(BASE, TuningSettings(learned_rotary=True, position=True), example, jitter=True)
    assert settings == replace(BASE, rotary="learned", position_grid=(5, 6, 1), drop_path=0)
    fresh = Walrus(settings, 67)
    fresh.load_state_dict(grow(base.state_dict(), PUBLISHED, fresh.state_dict(), PUBLISHED))
    assert fresh.blocks[1].rotary.frequencies_3R.shape == (3, 4)
    torch.testing.assert_close(forecast(fresh, example), forecast(base, example), rtol=0, atol=0)


def test_what_is_added_learns(example):
    settings = tuned_settings(BASE, TuningSettings(learned_rotary=True, position=True), example, jitter=False)
    network = Walrus(settings, 67)
    network(
        example.fields_BTCHWD.transpose(0, 1), (3, 4, 5, 6), example.boundaries
    ).square().mean().backward()
    assert network.position.weight_hwdE.grad.abs().max() > 0
    assert network.blocks[0].rotary.frequencies_3R.grad[:2].abs().min() > 0


def test_frequencies_that_were_learned_before_are_kept(example):
    learned = replace(BASE, rotary="learned")
    base, fresh = Walrus(learned, 67), Walrus(learned, 67)
    with torch.no_grad():
        base.blocks[0].rotary.frequencies_3R.mul_(1.5)
    grown = grow(base.state_dict(), PUBLISHED, fresh.state_dict(), PUBLISHED)
    assert torch.equal(grown["blocks.0.rotary.frequencies_3R"], base.blocks[0].rotary.frequencies_3R)


def test_harmonics_cannot_be_learned(example):
    with pytest.raises(SettingsError, match="rotary is harmonic"):
        tuned_settings(
            replace(BASE, rotary="harmonic"), TuningSettings(learned_rotary=True), example, jitter=True
        )


def test_a_position_embedding_of_another_grid_is_refused(example):
    base = replace(BASE, position_grid=(3, 3, 1))
    settings = tuned_settings(base, TuningSettings(position=True), example, jitter=True)
    fresh = Walrus(settings, 67).state_dict()
    with pytest.raises(
        MismatchError, match=r"position.weight_hwdE is \(3, 3, 1, 64\); expected \(5, 6, 1, 64\)"
    ):
        grow(Walrus(base, 67).state_dict(), PUBLISHED, fresh, PUBLISHED)


def learning(tuning):
    network = Walrus(BASE, 67)
    prepare(network, tuning)
    return {name for name, parameter in network.named_parameters() if parameter.requires_grad}


def test_encoder_and_decoder_learn_alone_or_beside_adapters():
    everything = {name for name, _ in Walrus(BASE, 67).named_parameters()}
    assert learning(TuningSettings()) == everything
    ends = {name for name in everything if name.startswith(("encoders", "decoders"))}
    assert learning(TuningSettings(train="encoder+decoder")) == ends
    adapters = learning(TuningSettings(train="encoder+decoder", low_rank=2)) - ends
    assert len(adapters) == 2 * 5 * BASE.blocks
    assert all(name.endswith((".down.weight", ".up.weight")) for name in adapters)
    assert learning(TuningSettings(low_rank=2)) > adapters | ends
