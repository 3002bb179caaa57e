"""One chunk of field values to bytes and back, with the codec metadata that zarr readers need.

Lossless, unless values were rounded before: `lz4` (the default) and `zstd` are blosc with bitshuffle, `raw`
is the plain little-endian bytes.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import numpy as np
from numcodecs import blosc

from shards.errors import ShardError
from shards.schema import DType, Frames, Mask

CodecName = Literal["lz4", "zstd", "raw"]
BLOSC_HEADER_BYTES = 16
LEVEL = {"lz4": 5, "zstd": 3}


def encode(values: Frames | Mask, codec: CodecName) -> bytes:
    """The bytes of one chunk, any shape, C order; the same for any number of threads.

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
    """The nearest values whose mantissa has no more than `bits` bits, ties to even.

    The largest values may become infinite.

    >>> rounded(np.array([3.14159265, 100.0], "f4"), bits=4).tolist()
    [3.125, 100.0]
    """
    dropped = np.finfo(values.dtype).nmant - bits
    if dropped <= 0:
        return values
    whole = np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")
    one = whole.dtype.type(1)
    odd = (whole >> dropped) & one
    # Half of the last kept bit, less one where it is even, carries into it or is cut off.
    result: Frames = ((whole + ((one << (dropped - 1)) - one + odd)) >> dropped << dropped).view(values.dtype)
    return result


def decode_into(encoded: memoryview, codec: CodecName, out: Frames | Mask) -> None:
    """Decode one chunk into `out`, contiguous and of its dtype and shape.

    Raises ShardError where the chunk does not fit or is damaged.
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
    """The values of `raw` bytes without a copy; raises ShardError where they are more or fewer."""
    try:
        values: Frames | Mask = np.frombuffer(encoded, _little_endian(dtype)).reshape(shape)
    except ValueError as error:
        raise ShardError(f"a chunk cannot be decoded: {error}") from error
    return values


@cache
def _little_endian(dtype: DType | np.dtype[Any]) -> np.dtype[Any]:
    """Remembered, as it is asked for at every frame."""
    return np.dtype(dtype).newbyteorder("<")


def blosc_sizes(header: bytes | memoryview) -> tuple[int, int]:
    """How many bytes a chunk of blosc has, decoded and encoded, by its header."""
    return int.from_bytes(header[4:8], "little"), int.from_bytes(header[12:16], "little")


def _require_sizes(encoded: memoryview, expected: int) -> None:
    """Blosc trusts its header and would read beyond the end."""
    if len(encoded) < BLOSC_HEADER_BYTES:
        raise ShardError(f"a chunk holds {len(encoded)} bytes, too few for a blosc header")
    decoded, held = blosc_sizes(encoded)
    if decoded != expected or held != len(encoded):
        raise ShardError(
            f"a chunk declares {decoded} bytes in {held} where {expected} in {len(encoded)} were expected"
        )


def zarr_codecs(codec: CodecName, itemsize: int, checked_chunks: bool) -> list[dict[str, Any]]:
    """The zarr v3 codec chain of a chunk, with its checksum or, before format 2, without."""
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
