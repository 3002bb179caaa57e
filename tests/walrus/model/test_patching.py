from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from shards.schema import Boundary
from walrus.model.geometry import patching_of, plan_axes
from walrus.model.patching import cycle_patching, draw_patching, patching_choices
from walrus.model.random_draws import draw_shifts
from walrus.model.settings import PRESETS, ModelSettings
from walrus.model.walrus import Walrus

WALL, OPEN, PERIODIC = Boundary
BOUNDARIES = ((WALL, OPEN), (PERIODIC, PERIODIC), (PERIODIC, PERIODIC))
FIXED = ModelSettings(hidden=48, heads=2, inner=4, mlp=64, blocks=2, branch_scale=1.0)
FREE = replace(FIXED, fewest_tokens=4)


def test_an_axis_may_have_every_coarser_pair_that_divides_it_and_leaves_enough_tokens():
    assert patching_choices(replace(FIXED, fewest_tokens=8), (128, 96, 1)) == (
        ((2, 2), (4, 2), (4, 4)),
        ((2, 2), (4, 2), (6, 2)),
        ((2, 2),),
    )
    assert patching_choices(replace(FIXED, fewest_tokens=4), (64, 128, 512)) == (
        ((2, 2), (4, 2), (4, 4)),
        ((4, 2), (4, 4), (8, 4)),
        ((8, 4),),
    )


@pytest.mark.parametrize("preset", ["small", "half", "walrus"])
def test_published_presets_have_the_strides_of_the_table_and_draw_nothing(preset):
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    settings, shape = PRESETS[preset], (512, 128, 1)
    assert (
        draw_patching(settings, shape, generator) == patching_of(settings, shape) == ((4, 4), (2, 2), (2, 2))
    )
    assert cycle_patching(settings, shape, 7) == patching_of(settings, shape)
    assert torch.equal(generator.get_state(), before)


def test_draws_follow_the_generator_and_reach_every_combination_evenly():
    shape = (64, 32, 1)
    generator = torch.Generator().manual_seed(0)
    draws = [draw_patching(FREE, shape, generator) for _ in range(1200)]
    generator.manual_seed(0)
    assert draw_patching(FREE, shape, generator) == draws[0]
    choices = patching_choices(FREE, shape)
    seen = Counter(draws)
    assert len(seen) == len(choices[0]) * len(choices[1]) == 6
    assert all(abs(count - 200) < 60 for count in seen.values())


def test_a_cycle_takes_the_choices_of_each_axis_in_turn():
    cycle = [cycle_patching(FREE, (64, 32, 1), step)[:2] for step in range(6)]
    assert [height for height, _ in cycle] == [(2, 2), (4, 2), (4, 4)] * 2
    assert [width for _, width in cycle] == [(2, 2), (4, 2)] * 3


@torch.no_grad()
def test_every_patching_gives_a_forecast_of_the_same_shape_with_fewer_tokens():
    torch.manual_seed(0)
    network, shape = Walrus(FREE, 9), (64, 32, 1)
    x = torch.randn(2, 1, 3, *shape)
    generator = torch.Generator().manual_seed(0)
    outputs = {}
    for step in range(6):
        patching = cycle_patching(FREE, shape, step)
        tokens = [axis.tokens for axis in plan_axes(FREE, shape, BOUNDARIES, jitter=False, patching=patching)]
        assert tokens == [64 // (4, 8, 16)[step % 3], 32 // (4, 8)[step % 2], 1]
        shifts = draw_shifts(FREE, shape, BOUNDARIES, generator, patching)
        y = network(x, (7, 3, 5), BOUNDARIES, shifts, patching=patching)
        assert y.shape == x.shape
        outputs[patching] = network(x, (7, 3, 5), BOUNDARIES, patching=patching)
    assert torch.equal(outputs[patching_of(FREE, shape)], network(x, (7, 3, 5), BOUNDARIES))
    assert len({float(y.sum()) for y in outputs.values()}) == 6


def test_a_fixed_position_grid_cannot_have_a_free_patching():
    with pytest.raises(ValidationError, match="leave fewest_tokens at 0"):
        replace(FREE, position_grid=(8, 8, 1))
