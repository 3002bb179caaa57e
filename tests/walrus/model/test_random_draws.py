from __future__ import annotations

import pytest
import torch

from shards.errors import MismatchError
from shards.schema import Boundary
from walrus.model.geometry import plan_axes
from walrus.model.random_draws import PatchJitter, draw_paths, draw_shifts
from walrus.model.settings import ModelSettings

WALL, OPEN, PERIODIC = Boundary
BOUNDARIES = ((WALL, OPEN), (PERIODIC, PERIODIC), (PERIODIC, PERIODIC))
SETTINGS = ModelSettings(hidden=16, heads=2, inner=4, mlp=16, blocks=3, drop_path=0.5)


def shifts(seed):
    return draw_shifts(SETTINGS, (16, 20, 1), BOUNDARIES, torch.Generator().manual_seed(seed))


def test_shifts_are_a_function_of_the_generator_alone():
    torch.manual_seed(0)
    one = shifts(5)
    torch.manual_seed(1)
    assert shifts(5) == one
    assert shifts(6) != one


def test_shifts_cover_their_whole_range_and_no_more():
    draws = [shifts(seed) for seed in range(800)]
    height, width, depth = (
        {draw.cells[0] for draw in draws},
        {draw.cells[1] for draw in draws},
        {draw.cells[2] for draw in draws},
    )
    assert height == set(range(-6, 7))
    assert width == set(range(-9, 10))
    assert depth == {0}
    tokens = [turn for draw in draws for turn in draw.tokens]
    assert {turn[0] for turn in tokens} == {turn[2] for turn in tokens} == {0}
    assert {turn[1] for turn in tokens} == set(range(5))
    assert all(len(draw.tokens) == 3 for draw in draws)


def test_shifts_drawn_for_another_grid_are_refused():
    axes = plan_axes(SETTINGS, (16, 20, 1), BOUNDARIES, jitter=True)
    with pytest.raises(MismatchError, match="a shift of 8 cells on an axis of 16 padded by 7"):
        PatchJitter((8, 0, 0), ()).check(axes)


def test_paths_drop_more_with_depth_and_keep_the_mean():
    paths = draw_paths(SETTINGS, 40, 500, torch.Generator().manual_seed(0))
    assert paths.time_KB.shape == (3, 500)
    assert paths.space_KTB.shape == (3, 40, 500)
    assert torch.equal(paths.time_KB[0], torch.ones(500))
    assert torch.equal(paths.space_KTB[2].unique(), torch.tensor([0.0, 2.0]))
    torch.testing.assert_close(paths.space_KTB.mean((1, 2)), torch.ones(3), rtol=0, atol=0.03)
    dropped = (paths.space_KTB == 0).float().mean((1, 2))
    torch.testing.assert_close(dropped, torch.tensor([0.0, 0.25, 0.5]), rtol=0, atol=0.02)
