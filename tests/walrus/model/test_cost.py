from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from shards.errors import MismatchError
from shards.schema import Boundary, FieldSpec, Grid, Schema
from walrus.batch import channels_of
from walrus.model.cost import recomputed_share, window_cost
from walrus.model.random_draws import draw_shifts
from walrus.model.settings import PRESETS, ModelSettings
from walrus.model.walrus import Walrus

PERIODIC, WALL, OPEN = ((side, side) for side in (Boundary.PERIODIC, Boundary.WALL, Boundary.OPEN))
FIELDS = (FieldSpec("density"), FieldSpec("velocity", rank=1), FieldSpec("mask", constant=True))
SMALL = ModelSettings(hidden=64, heads=4, inner=8, mlp=96, blocks=3, checkpoint_every=2)


def schema(shape, sides, fields=FIELDS):
    axes = ("x", "y", "z")[: len(shape)]
    return Schema(fields, Grid(axes, tuple(tuple(map(float, range(size))) for size in shape)), sides)


def counted(model, shape, sides, frames, windows):
    """Operations of a forward pass with jitter, as torch counts them."""
    thin = 3 - len(shape)
    boundaries = (*sides, *(PERIODIC,) * thin)
    torch.manual_seed(0)
    network, x = Walrus(model, 67).eval(), torch.randn(frames, windows, 5, *shape, *(1,) * thin)
    shifts = draw_shifts(model, x.shape[3:], boundaries, torch.Generator().manual_seed(3))
    # Only in plain mathematics does torch count attention on a CPU.
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        network(x, range(3, 8), boundaries, shifts)
    return counter.get_total_flops()


@pytest.mark.parametrize(
    ("shape", "sides", "frames"),
    [
        ((64, 96), (PERIODIC, PERIODIC), 6),
        ((128, 48), (WALL, PERIODIC), 4),
        ((32, 16, 24), (PERIODIC,) * 3, 3),
        ((32, 24, 16), (OPEN, WALL, PERIODIC), 2),
    ],
)
def test_the_formula_counts_what_torch_counts(shape, sides, frames):
    # The flags of the padding are convolved once a pass, so a second window costs a window and nothing else.
    # Where the jitter moves a bounded grid, a row of the decoder more or less has part in it.
    one, two = (counted(SMALL, shape, sides, frames, windows) for windows in (1, 2))
    bounded = any(side is not PERIODIC for side in sides)
    found = window_cost(SMALL, schema(shape, sides), frames).forward
    assert found == pytest.approx(two - one, rel=0.05 if bounded else 1e-12)


def test_both_dimensionalities_of_the_published_setting_have_as_many_tokens():
    plane = window_cost(PRESETS["walrus"], schema((128, 384), (PERIODIC, PERIODIC)), 6)
    volume = window_cost(PRESETS["walrus"], schema((64, 64, 64), (PERIODIC,) * 3), 3)
    assert (plane.tokens, volume.tokens) == (6144, 12288)
    # 2.2e9 operations a token forward without attention scores.
    assert plane.linear / plane.tokens == pytest.approx(2.2e9, rel=0.02)


def test_a_bounded_axis_has_a_token_more():
    plane = window_cost(PRESETS["walrus"], schema((512, 256), (OPEN, PERIODIC)), 6)
    assert plane.tokens_per_frame == 33 * 32


def test_channels_count_padded_vectors_and_constant_fields():
    assert len(channels_of(schema((16, 16), (PERIODIC, WALL)))) == 1 + 3 + 1


def test_what_is_recomputed_is_paid_once_more():
    cost = window_cost(SMALL, schema((64, 96), (PERIODIC, PERIODIC)), 3)
    assert recomputed_share(SMALL) == pytest.approx(2 / 3)
    assert cost.total == pytest.approx(3 * cost.forward + cost.stem + cost.blocks * 2 / 3)
    kept = window_cost(replace(SMALL, checkpoint_every=0), schema((64, 96), (PERIODIC, PERIODIC)), 3)
    assert kept.total == kept.training == cost.training == 3 * cost.forward


def test_a_grid_that_the_model_cannot_take_is_refused():
    with pytest.raises(MismatchError, match="an axis of 2048 cells"):
        window_cost(SMALL, schema((2048, 16), (PERIODIC, PERIODIC)), 3)
