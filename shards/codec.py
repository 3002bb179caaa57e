"""Encodes a chunk of field values to bytes and decodes it, and writes the codec metadata for zarr readers.

All codecs are lossless: `lz4` (the default) and `zstd` are blosc with bitshuffle, `raw` is the little-endian
bytes. Why numcodecs decodes: docs/decisions/0157-the-lz4-decoder.md.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numcodecs import blosc

from shards.errors import ShardError
from shards.schema import DType, Frames, Mask

CodecName = Literal["lz4", "zstd", "raw"]
BLOSC_HEADER_BYTES = 16
LEVEL = {"lz4": 5, "zstd": 3}


def encode(values: Frames | Mask, codec: CodecName) -> bytes:
    """Encodes one chunk of any shape, in C order; the bytes do not depend on the number of threads.

    >>> frame = np.zeros((2, 64, 48), "f4")
    >>> encoded = encode(frame, "lz4")
    >>> frame.nbytes, len(encoded)
    (24576, 172)
    >>> found = np.ones_like(frame)
    >>> decode_into(memoryview(encoded), "lz4", found)
    >>> bool((found == frame).all())
    True
    """
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    if codec == "raw":
        return little.tobytes()
    encoded: bytes = blosc.compress(little, codec.encode(), LEVEL[codec], blosc.BITSHUFFLE, 0)
    return encoded


def rounded(values: Frames, bits: int) -> Frames:
    """Rounds to the nearest values with at most `bits` mantissa bits, ties to even.

    The largest values of the type may become infinite.

    >>> rounded(np.array([3.14159265, 100.0], "f4"), bits=4).tolist()
    [3.125, 100.0]
    """
    dropped = np.finfo(values.dtype).nmant - bits
    if dropped <= 0:
        return values
    whole = np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")
    one = whole.dtype.type(1)
    odd = (whole >> dropped) & one
    # Add half of the last kept bit (minus one if that bit is 0, so that ties go to even), then cut the rest.
    result: Frames = ((whole + ((one << (dropped - 1)) - one + odd)) >> dropped << dropped).view(values.dtype)
    return result


def decode_into(encoded: memoryview, codec: CodecName, out: Frames | Mask) -> None:
    """Decodes one chunk into `out`, contiguous memory of its dtype and shape.

    Raises ShardError if the chunk does not fit or is damaged.
    """
    if codec == "raw":
        np.copyto(out, raw_values(encoded, out.shape, out.dtype))
        return
    try:
        _require_sizes(encoded, out.nbytes)
        blosc.decompress(encoded, out)
    except (ValueError, RuntimeError) as error:
        raise ShardError(f"a chunk cannot be decoded: {error}") from error


def raw_values(encoded: memoryview, shape: tuple[int, ...], dtype: DType | np.dtype[Any]) -> Frames | Mask:
    """The values of `raw` bytes without a copy; raises ShardError if the number of bytes is wrong."""
    try:
        values: Frames | Mask = np.frombuffer(encoded, _little_endian(dtype)).reshape(shape)
    except ValueError as error:
        raise ShardError(f"a chunk cannot be decoded: {error}") from error
    return values


def raw_frames(
    encoded_TN: npt.NDArray[np.uint8], shape: tuple[int, ...], dtype: DType | np.dtype[Any]
) -> Frames:
    """The values [T, *shape] of `raw` chunks, a row each, without a copy; a row may have more bytes."""
    little = _little_endian(dtype)
    values: Frames = encoded_TN[:, : prod(shape) * little.itemsize].view(little).reshape(-1, *shape)
    return values


@cache
def _little_endian(dtype: DType | np.dtype[Any]) -> np.dtype[Any]:
    """The type in little-endian order; cached, because every frame needs it."""
    return np.dtype(dtype).newbyteorder("<")


def blosc_sizes(header: bytes | memoryview) -> tuple[int, int]:
    """The decoded and the encoded bytes of a blosc chunk, as its header states."""
    return int.from_bytes(header[4:8], "little"), int.from_bytes(header[12:16], "little")


def _require_sizes(encoded: memoryview, expected: int) -> None:
    """Raises ShardError if the header is wrong: blosc trusts it and would read beyond the end."""
    if len(encoded) < BLOSC_HEADER_BYTES:
        raise ShardError(f"a chunk holds {len(encoded)} bytes, too few for a blosc header")
    decoded, held = blosc_sizes(encoded)
    if decoded != expected or held != len(encoded):
        raise ShardError(
            f"a chunk declares {decoded} bytes in {held} where {expected} in {len(encoded)} were expected"
        )


def zarr_codecs(codec: CodecName, itemsize: int, *, checked_chunks: bool) -> list[dict[str, Any]]:
    """The zarr v3 codec chain of a chunk, with a checksum, or without it before format 2."""
    bytes_codec: dict[str, Any] = {"name": "bytes"}
    if itemsize > 1:
        bytes_codec["configuration"] = {"endian": "little"}
    checksum = [{"name": "crc32c"}] if checked_chunks else []
    if codec == "raw":
        return [bytes_codec, *checksum]

    configuration = {
        "typesize": itemsize,
        "cname": codec,
        "clevel": LEVEL[codec],
        "shuffle": "bitshuffle",
        "blocksize": 0,
    }
    return [bytes_codec, {"name": "blosc", "configuration": configuration}, *checksum]
