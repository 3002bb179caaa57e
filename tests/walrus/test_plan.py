from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.errors import MismatchError
from walrus.plan import Plan, Task, Window, slice_of_rank

FLOW = Task("flow", 1, (12, 9, 30), history=4, windows=3, largest_stride=5)
WAVE = Task("wave", 2, (8,), history=3, windows=2, largest_stride=2)
PLAN = Plan((FLOW, WAVE), seed=5, micro_batches=4)


def micro_batches(count, plan=PLAN):
    return [plan.micro_batch(number) for number in range(count)]


def test_any_step_is_the_same_with_and_without_the_steps_before():
    again = Plan((FLOW, WAVE), seed=5, micro_batches=4)
    assert again.step(37) == PLAN.step(37)
    assert [m.number for m in PLAN.step(37)] == [148, 149, 150, 151]


def test_weights_are_exact_over_every_cycle():
    for cycle in range(20):
        tasks = [PLAN.micro_batch(3 * cycle + position).task for position in range(3)]
        assert Counter(tasks) == {"flow": 1, "wave": 2}


def test_the_order_within_a_cycle_changes():
    orders = {tuple(PLAN.micro_batch(3 * cycle + position).task for position in range(3)) for cycle in range(20)}
    assert len(orders) == 3


def test_every_start_comes_once_a_pass():
    drawn = [w for m in micro_batches(300) if m.task == "flow" for w in m.windows]
    starts = [(w.trajectory, w.first) for w in drawn]
    every = {(0, f) for f in range(8)} | {(1, f) for f in range(5)} | {(2, f) for f in range(26)}
    assert FLOW.starts == len(every) == 39
    for turn in range(len(starts) // 39):
        assert set(starts[39 * turn : 39 * (turn + 1)]) == every


def test_passes_have_different_orders():
    starts = [(w.trajectory, w.first) for m in micro_batches(300) if m.task == "flow" for w in m.windows]
    assert starts[:39] != starts[39:78]


def test_windows_stay_inside_their_trajectory_and_strides_fill_the_range():
    drawn = [w for m in micro_batches(600) if m.task == "flow" for w in m.windows]
    for window in drawn:
        assert window.first + 4 * window.stride < FLOW.trajectory_frames[window.trajectory]
    assert {w.stride for w in drawn} == {1, 2, 3, 4, 5}
    assert {w.stride for w in drawn if w.trajectory == 1} == {1, 2}


def test_a_task_without_a_long_enough_trajectory_is_refused():
    with pytest.raises(MismatchError, match="no trajectory holds 7 frames, the longest has 6"):
        Task("short", 1, (6, 5), history=6, windows=2, largest_stride=1)


def test_trajectories_too_short_for_a_window_are_passed_over():
    task = Task("mixed", 1, (2, 6, 3, 5), history=4, windows=1, largest_stride=1)
    assert [task.place(number) for number in range(task.starts)] == [(1, 0), (1, 1), (3, 0)]


@settings(max_examples=30)
@given(ranks=st.sampled_from([1, 2, 3, 6]), step=st.integers(0, 10_000))
def test_ranks_share_a_micro_batch_without_loss_or_repeat(ranks, step):
    windows = tuple(Window(0, step + n, 1) for n in range(6))
    shares = [slice_of_rank(windows, rank, ranks, "flow") for rank in range(ranks)]
    assert tuple(w for share in shares for w in share) == windows


def test_an_uneven_share_is_refused_with_the_cure():
    with pytest.raises(MismatchError, match="3 windows cannot be shared by 2 ranks"):
        slice_of_rank(PLAN.micro_batch(0).windows[:1] * 3, 0, 2, "flow")
