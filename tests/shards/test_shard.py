"""The shard object: chunks, then an index that is believed only as far as it is true."""

import numpy as np
import pytest

from shards.errors import ShardError
from shards.shard import (
    CHECKSUM_BYTES,
    LARGEST_CHUNK,
    MISSING,
    Shard,
    checksum_of_chunks,
    chunk_ranges,
    chunk_shape,
    cuts_the_frame,
    even_chunks,
    shard_stream,
    single_chunk_shard,
)

MIB = 2**20
FRAMES, CHANNELS, X, Y = 3, 2, 6, 5


@pytest.fixture
def frames() -> np.ndarray:
    """[T, C, X, Y], every value its own."""
    return np.arange(FRAMES * CHANNELS * X * Y, dtype="f4").reshape(FRAMES, CHANNELS, X, Y)


def make(frames: np.ndarray, slots: int, height: int) -> bytes:
    return b"".join(shard_stream(iter(frames), slots, (CHANNELS, height, Y), "lz4"))


def opened(data: bytes, slots: int) -> Shard:
    return Shard(memoryview(data), chunk_ranges(memoryview(data), slots), "lz4", True)


@pytest.mark.parametrize(
    ("frame", "itemsize", "expected"),
    [
        ((3, 256, 512), 4, (3, 256, 512)),
        ((4, 1024, 1024), 4, (4, 1024, 1024)),
        ((5, 1024, 1024), 4, (5, 512, 1024)),
        ((4, 1024, 1024), 8, (4, 512, 1024)),
        ((7, 128, 128, 128), 4, (7, 32, 128, 128)),
        ((1, 1021, 4096), 8, (1, 1, 4096)),
        ((2, 1, 3 * MIB), 4, (2, 1, 3 * MIB)),
        ((2, 9), 4, (2, 9)),
    ],
)
def test_a_frame_is_cut_evenly_along_its_first_axis_of_space_and_no_more_than_it_must(
    frame, itemsize, expected
):
    chunk = chunk_shape(frame, itemsize)
    assert chunk == expected
    assert cuts_the_frame(chunk, frame)
    assert np.prod(chunk) * itemsize <= LARGEST_CHUNK or chunk[1] == 1


@pytest.mark.parametrize(
    "chunk", [(2, 4, 5), (2, 0, 5), (2, -6, 5), (1, 6, 5), (2, 6, 4), (2, 6), (2, 12, 5)]
)
def test_what_is_no_cut_of_a_frame(chunk):
    assert cuts_the_frame((2, 3, 5), (2, 6, 5))
    assert not cuts_the_frame(chunk, (2, 6, 5))


@pytest.mark.parametrize("height", [6, 3, 2, 1])
def test_every_frame_is_found_whole_or_cut(frames, height):
    shard = opened(make(frames, FRAMES * X // height, height), FRAMES * X // height)
    for number in (2, 0, 1):
        out = np.empty((CHANNELS, X, Y), "f4")
        shard.frame_into(number, (CHANNELS, height, Y), "float32", out)
        np.testing.assert_array_equal(out, frames[number])


@pytest.mark.parametrize("height", [6, 2])
def test_a_frame_is_decoded_into_memory_of_any_layout_and_type(frames, height):
    shard, chunk = opened(make(frames, 3 * X // height, height), 3 * X // height), (CHANNELS, height, Y)
    padded = np.zeros((CHANNELS, X, Y + 2), "f4")
    fortran, double = np.zeros((CHANNELS, X, Y), "f4", order="F"), np.zeros((CHANNELS, X, Y), "f8")
    for out in (padded[..., 1:-1], fortran, double):
        shard.frame_into(1, chunk, "float32", out)
        np.testing.assert_array_equal(out, frames[1])
    assert not padded[..., [0, -1]].any()


def test_a_shard_with_fewer_frames_than_slots_has_no_chunk_there(frames):
    shard = opened(make(frames[:2], 3, X), 3)
    assert (shard.ranges[2] == MISSING).all()
    with pytest.raises(ShardError, match="missing"):
        shard.chunk_into(2, np.empty((CHANNELS, X, Y), "f4"))


def test_a_single_chunk_is_a_shard_too():
    mask = np.arange(30, dtype="u1").reshape(6, 5)
    out = np.empty_like(mask)
    opened(single_chunk_shard(mask, "lz4"), 1).chunk_into(0, out)
    np.testing.assert_array_equal(out, mask)


def test_each_bit_of_the_index_is_guarded(frames):
    data = make(frames, FRAMES, X)
    for position in range(len(data) - FRAMES * 16 - 4, len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 0x10
        with pytest.raises(ShardError, match="checksum"):
            chunk_ranges(memoryview(bytes(flipped)), FRAMES)


@pytest.mark.parametrize(
    "pair",
    [(0, 10**6), (10**6, 1), (2**64 - 2, 2), (1, 2**64 - 1), (2**63, 2**63)],
    ids=lambda pair: f"{pair}",
)
def test_an_index_that_points_outside_is_refused(pair):
    import google_crc32c

    index = np.array([pair], "<u8").tobytes()
    data = b"payload" + index + google_crc32c.value(index).to_bytes(4, "little")
    with pytest.raises(ShardError, match="outside"):
        chunk_ranges(memoryview(data), 1)


@pytest.mark.parametrize("length", [0, 3, 51])
def test_a_shard_too_short_for_its_index_is_refused(length):
    with pytest.raises(ShardError, match="too few"):
        chunk_ranges(memoryview(bytes(length)), 3)


@pytest.mark.parametrize("codec", ["raw", "lz4"])
@pytest.mark.parametrize("height", [6, 3])
def test_channels_go_to_the_runs_that_are_named_and_nowhere_else(frames, codec, height):
    slots = FRAMES * X // height
    chunk, channels = (CHANNELS, height, Y), (slice(1, 2), slice(3, 4))
    data = memoryview(b"".join(shard_stream(iter(frames), slots, chunk, codec)))
    shard = Shard(data, chunk_ranges(data, slots), codec, True)
    out = np.full((FRAMES, 5, X, Y), -1, "f4")
    for number in range(FRAMES):
        shard.frame_into(number, chunk, "float32", out[number], channels)
    np.testing.assert_array_equal(out[:, [1, 3]], frames)
    assert (out[:, [0, 2, 4]] == -1).all()


def test_raw_frames_are_viewed_at_once_as_far_as_they_are_checked_and_without_gaps(frames):
    chunk = (CHANNELS, X, Y)
    data = memoryview(b"".join(shard_stream(iter(frames), FRAMES + 1, chunk, "raw")))
    ranges = chunk_ranges(data, FRAMES + 1)
    even = even_chunks(ranges, frames[0].nbytes + CHECKSUM_BYTES)
    assert even == FRAMES == 3
    shard = Shard(data, ranges, "raw", True, bytearray(FRAMES + 1), even)
    out = np.empty((3, *chunk), "f4")
    for number in (0, 2):
        shard.frame_into(number, chunk, "float32", out[number])
    assert shard.view_frames(range(0, 2), chunk, "float32") is None, "frame 1 is not checked"
    assert shard.view_frames(range(2, 4), chunk, "float32") is None, "frame 3 is missing"
    assert shard.view_frames(range(0, -1, -1), chunk, "float32") is None
    np.testing.assert_array_equal(shard.view_frames(range(0, 3, 2), chunk, "float32"), frames[[0, 2]])
    swapped = ranges[[0, 2, 1, 3]]
    assert even_chunks(swapped, frames[0].nbytes + CHECKSUM_BYTES) == 1
    assert even_chunks(ranges, frames[0].nbytes) == 0


@pytest.mark.parametrize("codec", ["raw", "lz4"])
def test_every_flipped_bit_of_a_chunk_is_noticed_when_it_is_read(frames, codec):
    data = bytearray(b"".join(shard_stream(iter(frames), FRAMES, (CHANNELS, X, Y), codec)))
    ranges = chunk_ranges(memoryview(bytes(data)), FRAMES)
    offset, length = ranges[1].tolist()
    out = np.empty((CHANNELS, X, Y), "f4")
    for bit in range(8 * length):
        data[offset + bit // 8] ^= 1 << bit % 8
        with pytest.raises(ShardError, match="its checksum does not match"):
            Shard(memoryview(data), ranges, codec, True).chunk_into(1, out)
        data[offset + bit // 8] ^= 1 << bit % 8
    Shard(memoryview(data), ranges, codec, True).chunk_into(1, out)
    np.testing.assert_array_equal(out, frames[1])


def test_another_shard_of_the_same_length_has_another_checksum_of_its_chunks(frames):
    found = set()
    for values in (frames, frames + 1):
        data = memoryview(b"".join(shard_stream(iter(values), FRAMES, (CHANNELS, X, Y), "raw")))
        found.add(checksum_of_chunks(data, chunk_ranges(data, FRAMES)))
    assert len(found) == 2
