import numpy as np
import pytest

from walrus.reading.plan import StreamPlan, Task
from walrus.reading.ranks import Rank
from walrus.training.simulate import (
    PUBLISHED_GAIN,
    balanced_times,
    busy_share,
    grouped_times,
    random_times,
    ratio_for,
    shares,
    waiting_factor,
)

LIGHT = Task("light", 1, (50,), 4, 8, 1, cost=1.0)
HEAVY = Task("heavy", 1, (50,), 4, 1, 1, cost=8.0)


def test_ranks_wait_in_every_micro_batch_for_the_slowest_of_their_group_and_at_the_end_for_all():
    # One step, two micro-batches, two groups of two ranks:
    # max(4, 1) + max(1, 2) = 6 and max(3, 3) + max(1, 1) = 4.
    times_SMR = np.array([[[4.0, 1, 3, 3], [1, 2, 1, 1]]])
    assert busy_share(times_SMR, 2) == pytest.approx(16 / (4 * 6))
    assert busy_share(times_SMR, 1) == pytest.approx(16 / (4 * 5))
    assert busy_share(times_SMR, 2, exchange=0.5) == pytest.approx(16 / (4 * 7))
    assert busy_share(np.ones((3, 2, 4)), 4) == 1.0


def test_costs_of_one_and_eight_take_1_39_times_as_long_on_two_ranks_and_1_78_on_many():
    assert waiting_factor((8, 1), (1, 1), 2) == pytest.approx(1.389, abs=1e-3)
    assert waiting_factor((8, 1), (1, 1), 1000) == pytest.approx(1.778, abs=1e-3)
    for ranks in (2, 16):
        drawn = busy_share(random_times((LIGHT, HEAVY), (4000, 1, ranks), 0), ranks)
        assert 1 / drawn == pytest.approx(waiting_factor((1, 8), (1, 1), ranks), rel=0.02)


def test_the_ratio_for_a_gain_gives_that_gain():
    for share, ranks in ((0.1, 96), (5 / 19, 96), (0.2, 8)):
        ratio = ratio_for(2.5, share, ranks)
        assert waiting_factor((ratio, 1), (share, 1 - share), ranks) == pytest.approx(2.5)
    assert ratio_for(PUBLISHED_GAIN, 0.5, 1000) is None
    assert ratio_for(PUBLISHED_GAIN, 5 / 19, 96) == pytest.approx(56, abs=1)


def test_equal_costs_never_wait():
    plan = StreamPlan((LIGHT, HEAVY), 0, 16)
    assert busy_share(balanced_times(plan, 10, 8), 1) == 1.0


def test_grouping_helps_and_balance_helps_more():
    found = shares(StreamPlan((LIGHT, HEAVY), 0, 32), Rank(0, 32, 8), 60)
    assert found.random < found.grouped < found.balanced == 1.0
    # One group that is the world waits at no step's end.
    assert shares(StreamPlan((LIGHT, HEAVY), 0, 4), Rank(0, 32, 1), 20).grouped == 1.0


def test_grouped_times_are_the_tasks_of_the_plan_in_order():
    plan = StreamPlan((LIGHT, HEAVY), 4, 8)
    times_SMG = grouped_times(plan, 3, 2)
    assert times_SMG.shape == (3, 4, 2)
    assert times_SMG.reshape(-1).tolist() == [plan.task_of(number).cost for number in range(24)]
