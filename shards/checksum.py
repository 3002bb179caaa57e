"""CRC-32C of bytes, and of two runs of bytes together from the checksums of both."""

from __future__ import annotations

from functools import cache

import google_crc32c
import numpy as np

# Castagnoli's polynomial, bits reversed (RFC 3720, section 12.1): bit 31 is the coefficient of x^0.
POLYNOMIAL = 0x82F63B78
ONE = 1 << 31
COMMENT = b"<!-- crc32c "


def crc32c_of(data: bytes | memoryview) -> int:
    """The crc32c of bytes, of a view too, without a copy."""
    return int(google_crc32c.value(np.frombuffer(data, np.uint8)))


def with_comment(page: bytes) -> bytes:
    """A page of HTML that ends in a comment with the checksum of all before it."""
    return page + COMMENT + b"%08x -->\n" % crc32c_of(page)


def agrees_with_comment(page: bytes) -> bool:
    """Is every byte of a page as it was written? One without the comment is believed.

    >>> page = with_comment(b"<p>5</p>")
    >>> agrees_with_comment(page), agrees_with_comment(page.replace(b"5", b"6"))
    (True, False)
    """
    content, found, rest = page.rpartition(COMMENT)
    return not found or rest == b"%08x -->\n" % crc32c_of(content)


def joined(first: int, second: int, length: int) -> int:
    """The crc32c of two runs of bytes, from the crc32c of each and the `length` of the second.

    The first is followed by `length` bytes: it is multiplied by x^(8 length), and the second added.

    >>> import google_crc32c
    >>> first, second = google_crc32c.value(b"frame 0"), google_crc32c.value(b"frame 1")
    >>> joined(first, second, 7) == google_crc32c.value(b"frame 0frame 1")
    True
    """
    for power in range(length.bit_length()):
        if length >> power & 1:
            first = _product(first, _shift(power))
    return first ^ second


@cache
def _shift(power: int) -> int:
    """x^(8 * 2^power)"""
    if power == 0:
        return ONE >> 8
    half = _shift(power - 1)
    return _product(half, half)


def _product(a: int, b: int) -> int:
    """Product of two polynomials over GF(2), modulo Castagnoli's."""
    result = 0
    while b:
        if b & ONE:
            result ^= a
        b = b << 1 & 0xFFFFFFFF
        a = a >> 1 ^ (POLYNOMIAL if a & 1 else 0)
    return result
