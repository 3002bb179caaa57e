import hashlib
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.errors import MismatchError
from shards.schema import Boundary, FieldSpec, Grid, Schema
from walrus.model.cost import cost_of, window_cost
from walrus.model.settings import PRESETS
from walrus.reading.pass_order import PassOrder
from walrus.reading.plan import StreamPlan, StreamSettings, Task, Window, make_task
from walrus.reading.ranks import Rank

FLOW = Task("flow", 1, (12, 9, 30), history=4, windows=3, largest_stride=5)
WAVE = Task("wave", 2, (8,), history=3, windows=2, largest_stride=2)
PLAN = StreamPlan((FLOW, WAVE), seed=5, micro_batches=4)


def micro_batches(count, plan=PLAN):
    return [plan.micro_batch(number) for number in range(count)]


def test_any_step_is_the_same_with_and_without_the_steps_before():
    again = StreamPlan((FLOW, WAVE), seed=5, micro_batches=4)
    assert again.step(37) == PLAN.step(37)
    assert [m.number for m in PLAN.step(37)] == [148, 149, 150, 151]


def test_ranks_and_groups_that_cannot_share_some_task_are_refused_before_it_comes():
    PLAN.check(Rank(1, 4, 4))
    with pytest.raises(MismatchError, match="flow: a micro-batch of 3 windows cannot be shared by 2 ranks"):
        PLAN.check(Rank(0, 2))
    with pytest.raises(MismatchError, match="4 micro-batches, which 3 groups cannot share"):
        PLAN.check(Rank(0, 3, 3))


def test_weights_are_exact_over_every_cycle():
    for cycle in range(20):
        tasks = [PLAN.micro_batch(3 * cycle + position).task for position in range(3)]
        assert Counter(tasks) == {"flow": 1, "wave": 2}


def test_the_order_within_a_cycle_changes():
    orders = {
        tuple(PLAN.micro_batch(3 * cycle + position).task for position in range(3)) for cycle in range(20)
    }
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


def test_windows_with_several_frames_ahead_stay_inside_their_trajectory_too():
    plan = StreamPlan((replace(FLOW, ahead=3),), seed=5, micro_batches=4)
    drawn = [w for m in micro_batches(600, plan) for w in m.windows]
    last = {(w.trajectory, w.first + 6 * w.stride) for w in drawn}
    assert [max(frame for number, frame in last if number == each) for each in (0, 1, 2)] == [11, 8, 29]
    assert plan.tasks[0].starts == 6 + 3 + 24


def test_a_task_without_a_long_enough_trajectory_is_refused():
    with pytest.raises(MismatchError, match="the longest trajectory has 6 frames; expected at least 7"):
        Task("short", 1, (6, 5), history=6, windows=2, largest_stride=1)


def test_trajectories_too_short_for_a_window_are_passed_over():
    task = Task("mixed", 1, (2, 6, 3, 5), history=4, windows=1, largest_stride=1)
    assert [task.start(number) for number in range(task.starts)] == [(1, 0), (1, 1), (3, 0)]


def test_a_plan_without_blocks_is_the_one_of_all_versions():
    lines = [
        f"{step} {micro.number} {micro.task} {[(w.trajectory, w.first, w.stride) for w in micro.windows]}"
        for step in range(200)
        for micro in PLAN.step(step)
    ]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert digest == "8e3a3a3b417f25b4743ccbdaa91fb7773a432e45268a2db85c8b20d3e95dce26"
    assert PLAN.step(0)[1].windows == (Window(2, 10, 1), Window(0, 2, 1), Window(2, 19, 2))


def schema(*shape):
    grid = Grid(("x", "y", "z")[: len(shape)], tuple(tuple(map(float, range(size))) for size in shape))
    return Schema((FieldSpec("density"),), grid, ((Boundary.PERIODIC, Boundary.PERIODIC),) * len(shape))


def test_the_published_setting_is_windows_by_dimension():
    # Groups of 4 of 96 ranks: four micro-batches a group and
    # step, 2 windows of a 2D task a rank, 1 of a 3D one.
    stream = StreamSettings(micro_batches=96, windows_2d=8, windows_3d=4)
    plane, volume = (
        make_task("flow", 1, schema(*shape), (20,), (0,), stream, cost_of(PRESETS["walrus"]))
        for shape in ((128, 384), (64, 64, 64))
    )
    assert (plane.windows, volume.windows) == (8, 4)
    # A window of 3 frames of 4096 tokens costs a good twice one of 6 frames of 1024: attention is quadratic.
    assert 2 < volume.cost / plane.cost < 3
    plan = StreamPlan((plane, volume), 0, stream.micro_batches)
    assert len(plan.of_group(0, Rank(95, 96, 24))) == 4


def test_a_target_cost_gives_each_task_its_windows():
    stream = StreamSettings(micro_batch_tflop=0.1, slices=2)
    shapes = {"plane": (64, 48), "large": (128, 384), "volume": (32, 32, 32)}
    tasks = [
        make_task(name, 1, schema(*shape), (20,), (0,), stream, cost_of(PRESETS["tiny"]))
        for name, shape in shapes.items()
    ]
    windows = {task.name: task.windows for task in tasks}
    assert windows["plane"] > windows["large"] > 0
    for task in tasks:
        cost = window_cost(PRESETS["tiny"], schema(*shapes[task.name]), task.history).training
        assert task.windows % 2 == 0
        assert abs(task.windows * cost - 1e11) <= cost
    huge = make_task("huge", 1, schema(128, 384), (20,), (0,), stream, cost_of(PRESETS["walrus"]))
    assert huge.windows == 2


def test_what_is_computed_again_costs_time_and_changes_no_micro_batch():
    stream = StreamSettings(micro_batch_tflop=0.1)
    kept, again = (
        make_task(
            "flow",
            1,
            schema(64, 48),
            (20,),
            (0,),
            stream,
            cost_of(replace(PRESETS["tiny"], checkpoint_every=every)),
        )
        for every in (0, 1)
    )
    assert kept.windows == again.windows > 10
    assert again.cost > 1.2 * kept.cost


BLOCKS = Task("flow", 1, (40, 33, 7, 50), 4, 3, 5, order=PassOrder(block=8, blocks_between=2))


def starts_of(task, count, seed=5):
    plan = StreamPlan((task,), seed, 1)
    return [window for number in range(count) for window in plan.micro_batch(number).windows]


@given(
    frames=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    block=st.integers(1, 12),
    between=st.integers(1, 4),
    at_once=st.integers(0, 3),
    windows=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_every_start_comes_once_a_pass_in_any_order(frames, block, between, at_once, windows, seed):
    order = PassOrder(block, between, at_once)
    task = Task("flow", 1, (*frames, 9), 3, windows, 2, tuple(n // 2 for n in range(len(frames) + 1)), order)
    drawn = [(w.trajectory, w.first) for w in starts_of(task, -(-2 * task.starts // windows), seed)]
    every = {(t, first) for t, count in enumerate((*frames, 9)) for first in range(count - 3)}
    assert set(drawn[: task.starts]) == every
    assert set(drawn[task.starts : 2 * task.starts]) == every


def test_windows_of_a_block_share_their_stride_and_lie_near_each_other_in_one_place_of_a_micro_batch():
    drawn = starts_of(BLOCKS, BLOCKS.starts // 3)
    blocks = defaultdict(list)
    for draw, window in enumerate(drawn):
        blocks[window.trajectory, window.first // 8].append((draw, window))
    whole = [block for block in blocks.values() if len(block) == 8]
    assert len(whole) > 8
    for block in whole:
        fits = min((BLOCKS.trajectory_frames[w.trajectory] - 1 - w.first) // 4 for _, w in block)
        assert fits < 5 or len({w.stride for _, w in block}) == 1
    places = [{draw % 3 for draw, _ in block} for block in whole]
    # But for the few blocks that are cut where one place ends and the next begins.
    assert sum(len(place) == 1 for place in places) >= len(whole) - 2
    spans = [block[-1][0] - block[0][0] for block in whole if len({draw % 3 for draw, _ in block}) == 1]
    assert max(spans) <= 3 * 8 * (2 + 1)


def test_blocks_make_decoding_cheaper_whatever_the_stride():
    def decoded_per_window(order):
        task = Task("flow", 1, (200,) * 6, 6, 2, 5, order=order)
        recent, decoded, kept = [], 0, (order.blocks_between + 1) * 2 * (order.block + 30)
        drawn = starts_of(task, task.starts // 2)
        for window in drawn:
            for frame in range(window.first, window.first + 6 * window.stride + 1, window.stride):
                key = (window.trajectory, frame)
                decoded += key not in recent
                recent = [*(k for k in recent if k != key), key][-kept:]
        return decoded / len(drawn)

    assert decoded_per_window(PassOrder()) > 5
    assert decoded_per_window(PassOrder(block=16, blocks_between=2)) < 2.6


def test_a_shard_is_read_in_one_stretch_of_a_pass():
    shards = (0, 0, 1, 2, 2, 3)
    task = Task("flow", 1, (20, 31, 25, 9, 14, 40), 4, 3, 1, shards, PassOrder(4, 2, shards_at_once=1))
    visited = [shards[window.trajectory] for window in starts_of(task, task.starts // 3)][: task.starts]
    assert len(list(groupby(visited))) == 4
    assert sorted({shard for shard, _ in groupby(visited)}) == [0, 1, 2, 3]
    assert (
        len(list(groupby(shards[w.trajectory] for w in starts_of(replace(task, order=PassOrder()), 40)))) > 20
    )
