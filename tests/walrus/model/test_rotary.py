from __future__ import annotations

import pytest
import torch

from shards.schema import Boundary
from walrus.model.geometry import plan_axis
from walrus.model.rotary import HarmonicRotary, LearnedRotary, PublishedRotary, rotate_pairs

WALL = (Boundary.WALL, Boundary.WALL)
PERIODIC = (Boundary.PERIODIC, Boundary.PERIODIC)
NO_SHIFT = torch.zeros(3, dtype=torch.long)
LIKE = torch.zeros((), dtype=torch.float64)


def grid(*tokens, sides=WALL):
    """Axes with these numbers of tokens."""
    return tuple(plan_axis(4 * n if n > 1 else 1, sides, (2, 2), jitter=False) for n in tokens)


@pytest.mark.parametrize("head", [24, 88])
@pytest.mark.parametrize("tokens", [(5, 3, 1), (3, 2, 4)])
@pytest.mark.parametrize("kind", ["shared", "per_axis"])
def test_rotated_queries_and_keys_equal_the_published_ones(golden, head, tokens, kind):
    tensors = golden.component(f"rope.dh{head}.{kind}.{'x'.join(map(str, tokens))}")
    if kind == "shared":
        rotary = PublishedRotary(head)
    else:
        rotary = LearnedRotary(head)
        rotary.load_state_dict({"frequencies_3R": tensors["freqs"]})
    for like, precision, tolerance in ((LIKE, "f64", 1e-12), (LIKE.float(), "f32", 5e-5)):
        phases = rotary(grid(*tokens), NO_SHIFT, like)
        for name in "qk":
            x = tensors[name].to(like.dtype)
            rotated = rotate_pairs(x.flatten(2, 4), phases).view(x.shape)
            expected = tensors[f"{name}_rot_{precision}"]
            torch.testing.assert_close(rotated, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", [PublishedRotary, LearnedRotary, HarmonicRotary])
def test_rotation_keeps_norms_and_leaves_the_rest_of_the_head_alone(kind):
    rotary = kind(20)
    x = torch.randn(2, 6, 20)
    y = rotate_pairs(x, rotary(grid(3, 2, 1), NO_SHIFT, x))
    torch.testing.assert_close(y.norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(y[..., 12:], x[..., 12:])
    assert not torch.equal(y[..., :12], x[..., :12])


@pytest.mark.parametrize("kind", [PublishedRotary, LearnedRotary, HarmonicRotary])
def test_what_a_query_makes_of_a_key_depends_on_their_distance_alone(kind):
    rotary = kind(24).double()
    query, key = torch.randn(2, 24, dtype=torch.float64)
    phases = rotary(grid(6, 4, 1), NO_SHIFT, LIKE)
    queries, keys = (rotate_pairs(x.expand(24, 24), phases).view(6, 4, 24) for x in (query, key))
    logits = torch.einsum("hwd,ijd->hwij", queries, keys)
    torch.testing.assert_close(logits[1:, 1:, 1:, 1:], logits[:-1, :-1, :-1, :-1])
    assert logits[0, 0].unique().numel() == 24


def test_the_same_place_has_the_same_phase_at_any_resolution():
    coarse, fine = (PublishedRotary(24)(grid(n, 1, 1), NO_SHIFT, LIKE) for n in (9, 17))
    torch.testing.assert_close(fine[::2], coarse)


def test_turning_positions_is_turning_tokens():
    axes = grid(6, 4, 1, sides=PERIODIC)
    rotary, x = PublishedRotary(24), torch.randn(6, 4, 1, 24)
    turned = rotate_pairs(x.flatten(0, 2), rotary(axes, torch.tensor([2, -1, 0]), x)).view(x.shape)
    released = rotate_pairs(x.roll((2, -1), (0, 1)).flatten(0, 2), rotary(axes, NO_SHIFT, x)).view(x.shape)
    torch.testing.assert_close(turned, released.roll((-2, 1), (0, 1)))


@pytest.mark.parametrize("size", [32, 34])
def test_harmonics_close_round_a_period(size):
    # 34 is no multiple of the stride: its first and last tokens overlap, and must agree on where they are.
    axis = plan_axis(size, PERIODIC, (2, 2), jitter=False)
    step = HarmonicRotary(88).angles(axis, 0, LIKE)[1]
    turns = step * size / axis.stride / (2 * torch.pi)
    assert torch.allclose(turns, turns.round())
    assert step.max() <= torch.pi + 1e-12


@pytest.mark.parametrize("sides", [WALL, PERIODIC])
@pytest.mark.parametrize("tokens", [2, 4, 32])
def test_no_harmonic_turns_more_than_half_a_circle_between_tokens(sides, tokens):
    step = HarmonicRotary(88).angles(grid(tokens, 1, 1, sides=sides)[0], 0, LIKE)[1]
    assert 0 < step.max() <= torch.pi + 1e-12
