"""What makes a trajectory unfit, and the exactness of stored values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ingest.building.checks import UnfitError, require_finite, time_fault
from ingest.building.frame_statistics import FrameStatistics
from ingest.building.part import checked_frames
from ingest.building.stored_units import StoredUnits
from shards.moments import of_frames
from shards.schema import Boundary, FieldSpec, Grid, Schema

PERIODIC = (Boundary.PERIODIC, Boundary.PERIODIC)


def schema(dtype: str = "float32") -> Schema:
    fields = (FieldSpec("p"), FieldSpec("v", 1), FieldSpec("solid", constant=True))
    return Schema(fields, Grid(("x", "y"), ((0.0, 1.0, 2.0), (0.0, 1.0))), (PERIODIC, PERIODIC), dtype)


CHANNELS = ("p", "v_x", "v_y")


def inspect(frames: np.ndarray, powers=(0, 0, 0)) -> tuple[FrameStatistics, list[np.ndarray]]:
    statistics = FrameStatistics(CHANNELS)
    units = StoredUnits(CHANNELS, powers, frames.dtype.name)
    return statistics, list(checked_frames((frames[:1], frames[1:]), units, statistics))


@pytest.fixture
def frames() -> np.ndarray:
    """[T, C, X, Y] = [4, 3, 3, 2]."""
    return np.random.default_rng(3).normal(size=(4, 3, 3, 2)).astype("f4")


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ((0.0, 0.5, 2.0), None),
        ((-3.0, -2.0), None),
        ((), "has 0 frame"),
        ((1.0,), "has 1 frame"),
        ((0.0, 1.0, 1.0), "frame 1 is at 1.0, frame 2 at 1.0"),
        ((0.0, 2.0, 1.0), "does not increase"),
        ((0.0, float("nan"), 1.0), "not a finite number"),
        ((0.0, float("inf")), "not a finite number"),
    ],
)
def test_time_must_increase(time, words):
    fault = time_fault(time)
    assert fault is None if words is None else words in fault


def test_stored_frames_are_divided_by_two_to_the_k_of_their_channel(frames):
    statistics, stored = inspect(frames, (3, -2, -2))
    np.testing.assert_array_equal(np.stack(stored) * np.array([8, 0.25, 0.25]).reshape(3, 1, 1), frames)
    assert statistics.moments[0].count == 24
    assert statistics.moments[0].mean == pytest.approx(frames[:, 0].mean(dtype="f8"), rel=1e-14)


@given(
    values=st.sampled_from(["f4", "f8"]).flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            (2, 3, 3, 2),
            elements=st.floats(-(2.0**40), 2.0**40, width=int(dtype[1]) * 8, allow_subnormal=True),
        )
    ),
    powers=st.tuples(*[st.integers(-60, 60)] * 3),
)
def test_a_frame_is_stored_exactly_or_not_at_all(values, powers):
    try:
        _, stored = inspect(values, powers)
    except UnfitError:
        return
    back = np.stack(stored) * np.array([2.0**k for k in powers], values.dtype).reshape(3, 1, 1)
    assert back.tobytes() == values.tobytes()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("dtype", "value", "power", "fits"),
    [
        ("f4", 1e-44, 0, True),
        ("f4", -0.0, 9, True),
        ("f4", 3.4e38, 127, True),
        ("f4", 2.0**-140, 9, True),
        ("f4", 3 * 2.0**-149, 1, False),
        ("f4", 2.0**-126 * 1.5, 30, False),
        ("f4", 1e30, -60, False),
        ("f4", 1.0, 128, False),
        ("f8", 5e-324, 0, True),
        ("f8", 1e-300, 300, False),
        ("f8", 1e150, 400, True),
    ],
)
def test_a_value_that_would_lose_bits_is_found_and_the_cure_told(frames, dtype, value, power, fits):
    values = frames.astype(dtype) * 0
    values[2, 1, 2, 1] = value
    if fits:
        _, stored = inspect(values, (0, power, 0))
        assert (stored[2][1, 2, 1] * values.dtype.type(2.0**power)).tobytes() == values[2, 1, 2, 1].tobytes()
    else:
        with pytest.raises(UnfitError, match=r"frame [02] would lose bits when divided by 2\^k; set power"):
            inspect(values, (0, power, 0))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channels", [[1], [0, 1, 2]])
def test_a_value_that_is_not_finite_is_found_with_its_channel_and_frame(frames, value, channels):
    frames[3, channels, 1, 0] = value
    with pytest.raises(UnfitError, match=rf"{('p', 'v_x')[channels[0]]} is not finite in frame 3"):
        inspect(frames)
    with pytest.raises(UnfitError, match="solid is not finite in a constant field"):
        require_finite(("solid",), of_frames(frames[None, 3, channels[:1]])[0], 6, "a constant field")


@pytest.mark.filterwarnings("error")
def test_a_value_whose_square_overflows_is_found(frames):
    values = frames.astype("f8")
    values[1, 2, 0, 0] = 1e200
    with pytest.raises(UnfitError, match="v_y in frame 1 is so large"):
        inspect(values)


def test_a_field_that_never_changes_is_named_a_component_that_does_not_is_no_fault(frames):
    frames[:, 0] = frames[0, 0]
    frames[:, 1] = frames[0, 1]
    statistics, _ = inspect(frames)
    assert statistics.still_fields(schema()) == ("p",)
    frames[:, 2] = frames[0, 2]
    statistics, _ = inspect(frames)
    assert statistics.still_fields(schema()) == ("p", "v")


def test_frames_that_repeat_the_one_before_are_counted(frames):
    frames[2] = frames[1]
    frames[3, 0] = frames[2, 0]
    assert inspect(frames)[0].repeated == 1


@pytest.fixture
def long() -> np.ndarray:
    """[T, C, X, Y] = [40, 3, 3, 2], a walk."""
    return np.cumsum(np.random.default_rng(3).normal(size=(40, 3, 3, 2)), axis=0).astype("f4")


@pytest.mark.parametrize(("written", "value"), [(17, 0.0), (39, 0.0), (17, -999.0)])
def test_frames_that_were_never_written_are_found(long, written, value):
    long[written:] = value
    assert inspect(long)[0].stopped_at() == written


def test_frames_that_repeat_the_last_one_are_found_but_not_a_last_one_written_twice(long):
    assert inspect(long)[0].stopped_at() is None
    long[39] = long[38]
    assert inspect(long)[0].stopped_at() is None
    long[30:] = long[30]
    assert inspect(long)[0].stopped_at() == 31
    long[35, 1, 2, 1] += 1
    assert inspect(long)[0].stopped_at() == 37


def test_a_state_that_settled_did_not_stop():
    decay = np.exp(-np.arange(60.0)).reshape(60, 1, 1, 1) * np.random.default_rng(0).normal(size=(1, 3, 3, 2))
    frames = (1 + decay).astype("f4")
    assert np.array_equal(frames[-1], frames[-5])
    assert inspect(frames)[0].stopped_at() is None


@pytest.mark.parametrize("value", [1.2e38, -1e9, 3e5])
def test_a_value_far_from_all_others_of_its_frame_is_noted(long, value):
    assert inspect(long)[0].outliers == {}
    long[7, 1, 2, 0] = value
    found = inspect(long)[0].outliers
    assert list(found) == ["v_x"]
    assert (found["v_x"].frame, found["v_x"].value) == (7, pytest.approx(abs(value)))
