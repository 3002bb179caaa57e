"""Computes CRC-32C checksums, and combines the checksums of two pieces."""

from __future__ import annotations

from functools import cache

import google_crc32c
import numpy as np

# Castagnoli's polynomial, bits reversed (RFC 3720, section 12.1): bit 31 is the coefficient of x^0.
POLYNOMIAL = 0x82F63B78
ONE = 1 << 31
COMMENT = b"<!-- crc32c "


def crc32c_of(data: bytes | memoryview) -> int:
    """The crc32c of bytes, or of a view of them without a copy.

    >>> crc32c_of(b"123456789") == 0xE3069283
    True
    """
    return int(google_crc32c.value(np.frombuffer(data, np.uint8)))


def with_comment(page: bytes) -> bytes:
    """A page of HTML with a last line, a comment that holds the checksum of everything before it."""
    return page + COMMENT + b"%08x -->\n" % crc32c_of(page)


def agrees_with_comment(page: bytes) -> bool:
    """Whether no byte of a page has changed; a page without the comment is accepted.

    >>> page = with_comment(b"<p>5</p>")
    >>> agrees_with_comment(page), agrees_with_comment(page.replace(b"5", b"6"))
    (True, False)
    """
    content, found, rest = page.rpartition(COMMENT)
    return not found or rest == b"%08x -->\n" % crc32c_of(content)


def crc32c_combine(first: int, second: int, length: int) -> int:
    """The crc32c of two pieces one after the other, from the crc32c of each and the `length` of the second.

    As polynomials over GF(2): the first times x^(8 length), plus the second.

    >>> import google_crc32c
    >>> first, second = google_crc32c.value(b"frame 0"), google_crc32c.value(b"frame 1")
    >>> crc32c_combine(first, second, 7) == google_crc32c.value(b"frame 0frame 1")
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
    """The product of two polynomials over GF(2), modulo Castagnoli's polynomial."""
    result = 0
    while b:
        if b & ONE:
            result ^= a
        b = b << 1 & 0xFFFFFFFF
        a = a >> 1 ^ (POLYNOMIAL if a & 1 else 0)
    return result
