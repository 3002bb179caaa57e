"""Chunks to bytes and back, and bytes that are not what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shards.codec import decode_into, encode
from shards.errors import ShardError

CODECS = ["lz4", "zstd", "raw"]
ARRAYS = st.sampled_from(["float32", "float64", "uint8", ">f4", ">f8"]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=4, max_side=9))
)


@pytest.fixture
def waves() -> np.ndarray:
    """[2, 12, 7]; long enough that blosc compresses it."""
    x, y = np.meshgrid(np.arange(12), np.arange(7), indexing="ij")
    return np.stack([np.sin(x + 0.5 * y), np.cos(x * y)]).astype("f4")


@given(values=ARRAYS, codec=st.sampled_from(CODECS))
def test_what_is_decoded_has_the_bits_that_were_encoded(values, codec):
    native = values.astype(values.dtype.newbyteorder("="))
    out = np.full_like(native, 7)
    decode_into(memoryview(encode(values, codec)), codec, out)
    assert out.tobytes() == native.tobytes()


@pytest.mark.parametrize("codec", CODECS)
def test_a_view_with_strides_is_encoded_by_its_values(waves, codec):
    out = np.empty((2, 7, 6), "f4")
    decode_into(memoryview(encode(waves[:, ::2].swapaxes(1, 2), codec)), codec, out)
    np.testing.assert_array_equal(out, waves[:, ::2].swapaxes(1, 2))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("left", [0, 3, 15, 16, 40, -1])
def test_a_chunk_that_was_cut_is_refused(waves, codec, left):
    encoded = encode(waves, codec)[:left]
    with pytest.raises(ShardError, match="a chunk"):
        decode_into(memoryview(encoded), codec, np.empty_like(waves))


@pytest.mark.parametrize("codec", CODECS)
def test_a_chunk_with_a_tail_is_refused(waves, codec):
    with pytest.raises(ShardError, match="a chunk"):
        decode_into(memoryview(encode(waves, codec) + b"tail"), codec, np.empty_like(waves))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("shape", [(2, 12, 6), (2, 12, 8)])
def test_a_chunk_of_another_size_is_refused_and_nothing_is_written(waves, codec, shape):
    out = np.full(shape, 5, "f4")
    with pytest.raises(ShardError):
        decode_into(memoryview(encode(waves, codec)), codec, out)
    assert (out == 5).all()


def test_a_chunk_that_declares_two_gigabytes_costs_no_memory(waves):
    hostile = bytearray(encode(waves, "lz4"))
    hostile[4:8] = (2**31 - 1).to_bytes(4, "little")
    with pytest.raises(ShardError, match="declares 2147483647 bytes"):
        decode_into(memoryview(bytes(hostile)), "lz4", np.empty_like(waves))
