"""Checksums of runs of bytes, crc32c_combine without the bytes."""

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.checksum import crc32c_combine


def test_a_checksum_that_everyone_knows():
    """The check value of CRC-32C: that of the digits 1 to 9."""
    first, second = (google_crc32c.value(digits) for digits in (b"1234", b"56789"))
    assert crc32c_combine(first, second, 5) == 0xE3069283


@given(first=st.binary(max_size=300), second=st.binary(max_size=300))
def test_the_combined_checksum_is_that_of_both(first, second):
    parts = google_crc32c.value(first), google_crc32c.value(second)
    assert crc32c_combine(*parts, len(second)) == google_crc32c.value(first + second)


@pytest.mark.parametrize("length", [2**20 - 1, 2**20, 3 * 2**20 + 17])
def test_long_pieces_combine_too(length):
    second = bytes(range(251)) * (length // 251) + bytes(length % 251)
    first, whole = google_crc32c.value(b"walrus"), google_crc32c.value(b"walrus" + second)
    assert crc32c_combine(first, google_crc32c.value(second), length) == whole
