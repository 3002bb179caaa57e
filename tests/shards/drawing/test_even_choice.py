"""A few of many, evenly."""

import pytest

from shards.drawing.even_choice import evenly_chosen


def test_a_choice_is_even_and_holds_both_ends():
    assert evenly_chosen(range(100), 4) == [0, 33, 66, 99]
    assert evenly_chosen(range(3), 8) == [0, 1, 2]
    assert evenly_chosen([5], 8) == [5]


@pytest.mark.parametrize(
    ("frames", "most", "steps"), [(5, 9, [1, 2, 3, 4, 5]), (9, 3, [1, 5, 9]), (1, 4, [1])]
)
def test_steps_are_chosen_with_both_ends(frames, most, steps):
    assert evenly_chosen(range(1, frames + 1), most) == steps


def test_no_item_is_chosen_twice():
    for count in range(1, 40):
        for most in range(1, 40):
            chosen = evenly_chosen(range(count), most)
            assert len(set(chosen)) == len(chosen) == min(count, most)
