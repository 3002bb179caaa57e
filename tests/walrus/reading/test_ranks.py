import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.errors import MismatchError
from walrus.reading.ranks import Rank, count_groups, shared_evenly


def test_ranks_of_a_group_are_neighbours():
    places = [Rank(rank, 6, 3) for rank in range(6)]
    assert [place.group for place in places] == [0, 0, 1, 1, 2, 2]
    assert [place.rank_in_group for place in places] == [0, 1, 0, 1, 0, 1]
    assert {place.group_ranks for place in places} == {2}


def test_ranks_that_do_not_fill_their_groups_are_refused():
    with pytest.raises(MismatchError, match="6 ranks cannot form 4 equal groups"):
        Rank(0, 6, 4)


@given(ranks=st.sampled_from([1, 2, 3, 6]), groups=st.sampled_from([1, 2, 3]))
def test_ranks_of_a_group_slice_a_micro_batch_without_loss_or_repeat(ranks, groups):
    windows = tuple(range(6))
    for group in range(groups):
        members = [Rank(group * ranks + rank, groups * ranks, groups) for rank in range(ranks)]
        assert tuple(w for place in members for w in place.slice(windows, "flow")) == windows


def test_an_uneven_slice_is_refused_with_the_cure():
    with pytest.raises(MismatchError, match="flow: a micro-batch of 3 windows cannot be shared by 2 ranks"):
        Rank(0, 4, 2).slice((1, 2, 3), "flow")


@given(
    costs=st.lists(st.floats(1, 50), min_size=12, max_size=12), groups=st.sampled_from([1, 2, 3, 4, 6, 12])
)
def test_groups_take_as_many_items_each_and_every_item_once(costs, groups):
    shares = shared_evenly(costs, groups)
    assert [len(share) for share in shares] == [12 // groups] * groups
    assert sorted(item for share in shares for item in share) == list(range(12))


def test_the_costliest_items_are_spread_over_the_groups():
    shares = shared_evenly([8, 1, 1, 8, 1, 1, 8, 4], 2)
    assert sorted(sum([8, 1, 1, 8, 1, 1, 8, 4][item] for item in share) for share in shares) == [14, 18]
    assert shared_evenly([1, 9, 1, 9], 2) == ((0, 1), (2, 3))


def test_groups_that_cannot_have_as_many_each_are_refused_with_the_cure():
    with pytest.raises(MismatchError, match=r"6 micro-batches, which 4 groups cannot .* multiple of 4"):
        shared_evenly([1.0] * 6, 4)


def test_groups_follow_from_the_engine_or_from_what_is_asked_for():
    assert count_groups(8, 1, 0, None) == 1
    assert count_groups(8, 1, 0, 4) == 4
    assert count_groups(8, 3, 2, None) == 4
    assert count_groups(8, 3, 2, 4) == 4
    assert count_groups(8, 3, 0, 1) == 1
    with pytest.raises(MismatchError, match=r"zero_stage 2: .* 4 groups need"):
        count_groups(8, 2, 0, 4)
    with pytest.raises(MismatchError, match=r"they are one group, not 4; set engine.mics_shard_size to 2"):
        count_groups(8, 3, 0, 4)
    with pytest.raises(MismatchError, match="mics_shard_size 2: makes 4 groups of 8 ranks, not 2"):
        count_groups(8, 3, 2, 2)
    with pytest.raises(MismatchError, match="found 8 ranks; expected a multiple of 3"):
        count_groups(8, 3, 3, None)
