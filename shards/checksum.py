"""The CRC-32C of two runs of bytes together, from that of each: no byte is read twice."""

from __future__ import annotations

from functools import cache

# Castagnoli's polynomial, bits reversed (RFC 3720, section 12.1): bit 31 is the coefficient of x^0.
POLYNOMIAL = 0x82F63B78
ONE = 1 << 31


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
    """Of two polynomials over GF(2), modulo Castagnoli's."""
    result = 0
    while b:
        if b & ONE:
            result ^= a
        b = b << 1 & 0xFFFFFFFF
        a = a >> 1 ^ (POLYNOMIAL if a & 1 else 0)
    return result
