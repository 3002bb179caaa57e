"""Checksums of runs of bytes, joined without the bytes."""

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.checksum import joined


def test_a_checksum_that_everyone_knows():
    """The check value of CRC-32C: that of the digits 1 to 9."""
    first, second = (google_crc32c.value(digits) for digits in (b"1234", b"56789"))
    assert joined(first, second, 5) == 0xE3069283


@given(first=st.binary(max_size=300), second=st.binary(max_size=300))
def test_joined_is_the_checksum_of_both(first, second):
    parts = google_crc32c.value(first), google_crc32c.value(second)
    assert joined(*parts, len(second)) == google_crc32c.value(first + second)


@pytest.mark.parametrize("length", [2**20 - 1, 2**20, 3 * 2**20 + 17])
def test_long_runs_join_too(length):
    second = bytes(range(251)) * (length // 251) + bytes(length % 251)
    assert joined(google_crc32c.value(b"walrus"), google_crc32c.value(second), length) == google_crc32c.value(
        b"walrus" + second
    )
