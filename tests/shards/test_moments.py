"""Moments against numpy in float64, whatever the grouping."""

import math
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.json_text import dump, parse
from shards.moments import BLOCK, NONE, Moments, merge, merge_all, of_frames


def of_all(frames: np.ndarray) -> tuple[Moments, ...]:
    """Of a trajectory [T, C, *S]."""
    return merge_all(of_frames(frames))


def of_frame(frame: np.ndarray) -> tuple[Moments, ...]:
    """Of one frame [C, *S]."""
    (moments,) = of_frames(frame[None])
    return moments


def test_moments_of_numbers_one_can_add_in_the_head():
    frames = np.array([[[1.0, 3.0]], [[1.0, 7.0]]])
    (m,) = of_all(frames)
    assert (m.count, m.mean, m.squares, m.lowest, m.highest) == (4, 3.0, 24.0, 1.0, 7.0)
    assert (m.change_count, m.change_squares) == (2, 16.0)
    assert (m.std, m.rms, m.change_rms) == (math.sqrt(6), math.sqrt(15), math.sqrt(8))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_moments_are_those_of_numpy(dtype):
    frames = np.random.default_rng(1).normal(3, 2, (5, 2, 6, 7)).astype(dtype)
    for channel, m in enumerate(of_all(frames)):
        values = frames[:, channel].astype("f8")
        assert m.count == values.size
        assert (m.lowest, m.highest) == (values.min(), values.max())
        np.testing.assert_allclose(
            [m.mean, m.std, m.rms, m.change_rms],
            [
                values.mean(),
                values.std(),
                np.sqrt(np.mean(values**2)),
                np.sqrt(np.mean(np.diff(values, axis=0) ** 2)),
            ],
            rtol=1e-14,
        )


def test_a_mean_a_hundred_million_times_the_deviation_costs_no_digits():
    frames = 1e8 + np.random.default_rng(2).normal(size=(50, 1, 40, 3))
    (m,) = of_all(frames)
    centred = frames - 1e8
    assert m.std == pytest.approx(centred.std(), rel=1e-9)
    naive = np.sqrt(np.mean(frames**2) - np.mean(frames) ** 2)
    assert abs(naive - centred.std()) > 1e-3


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("cells", [BLOCK - 1, BLOCK, 2 * BLOCK + 7])
def test_moments_of_more_cells_than_a_block_are_those_of_numpy(dtype, cells):
    """Channels of very different size, the second with NaN cells in the first block only."""
    rng = np.random.default_rng(3)
    frames = (np.array([[1.0], [1e6]]) + np.linspace(0, 3, cells) + rng.normal(size=(4, 2, cells))).astype(
        dtype
    )
    frames[2, 1, 5:9] = np.nan
    for channel, m in enumerate(of_all(frames)):
        values = frames[:, channel].astype("f8")
        change = np.diff(values, axis=0)
        assert (m.count, m.change_count) == (np.isfinite(values).sum(), np.isfinite(change).sum())
        assert (m.lowest, m.highest) == (np.nanmin(values), np.nanmax(values))
        np.testing.assert_allclose(
            [m.mean, m.std, m.change_rms],
            [np.nanmean(values), np.nanstd(values), np.sqrt(np.nanmean(change**2))],
            rtol=1e-11,
        )


@pytest.mark.parametrize(("channels", "cells"), [(3, BLOCK + 100), (1, 20 * BLOCK + 5)])
def test_moments_of_a_frame_are_the_same_to_the_last_bit_in_any_slabs(channels, cells):
    frames = np.random.default_rng(4).normal(5, 2, (5, channels, cells)).astype("f4")
    frames[3, -1, 7] = np.nan
    whole = of_frames(frames)
    for cut in (1, 2, 4):
        assert of_frames(frames[:cut]) + of_frames(frames[cut:], frames[cut - 1]) == whole


def test_rounding_makes_no_variance_negative():
    """The squares of the rest are below the smallest numbers, the square of their sum is not."""
    frame = np.full((1, 1, BLOCK), 1.4e-162)
    frame[0, 0, 0] = 0
    assert of_frame(frame[0])[0].squares == 0


def test_an_outlier_in_the_first_cell_costs_few_digits():
    frame = np.ones((1, BLOCK)) + np.random.default_rng(5).normal(size=BLOCK)
    frame[0, 0] = 1e7
    assert of_frame(frame)[0].std == pytest.approx(frame.std(), rel=1e-10)


def test_cells_that_are_not_a_number_do_not_count():
    nan = math.nan
    frames = np.array([[[1.0, nan, 3.0], [nan, nan, nan]], [[2.0, 5.0, nan], [nan, 4.0, nan]]])
    first, second = of_all(frames)
    assert (first.count, first.mean, first.lowest, first.highest) == (4, 2.75, 1.0, 5.0)
    assert (first.change_count, first.change_squares) == (1, 1.0)
    assert (second.count, second.mean, second.change_count) == (1, 4.0, 0)


@given(
    frames=st.lists(
        st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3), min_size=1, max_size=12
    ),
    data=st.data(),
)
def test_any_grouping_gives_the_same_moments(frames, data):
    each = [of_frame(np.array([frame], "f4"))[0] for frame in frames]
    cut = data.draw(st.integers(0, len(each)))
    grouped = merge(reduce(merge, each[:cut], NONE), reduce(merge, each[cut:][::-1], NONE))
    straight = reduce(merge, each, NONE)
    assert (grouped.count, grouped.lowest, grouped.highest) == (
        straight.count,
        straight.lowest,
        straight.highest,
    )
    assert grouped.mean == pytest.approx(straight.mean, rel=1e-12, abs=1e-9)
    assert grouped.squares == pytest.approx(straight.squares, rel=1e-9, abs=1e-6)


def test_nothing_merged_in_changes_nothing():
    (some,) = of_frame(np.array([[1.0, 2.0, 4.0]]))
    assert merge(some, NONE) == merge(NONE, some) == some
    assert merge(NONE, NONE) == NONE
    assert (NONE.std, NONE.rms, NONE.change_rms) == (0, 0, 0)


@pytest.mark.filterwarnings("error")
def test_values_whose_squares_overflow_show_in_the_moments_and_nowhere_else():
    (m,) = of_all(np.array([[[1e200, 2e200]], [[-1e200, 3e200]]]))
    assert (m.lowest, m.highest, m.squares) == (-1e200, 3e200, math.inf)
    assert (m.std, m.rms) == (math.inf, math.inf)
    (infinite,) = of_frame(np.array([[1.0, math.inf, -math.inf]]))
    assert (infinite.lowest, infinite.highest) == (-math.inf, math.inf)


@pytest.mark.parametrize("moments", [NONE, of_frame(np.array([[0.1, 1e-310, -0.0]]))[0]])
def test_moments_survive_their_document(moments):
    assert parse(Moments, dump(Moments, moments), "here") == moments
