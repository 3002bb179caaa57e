"""Processor time of one chunk in each decoder of lz4: the same chunks, one thread, the best of many turns.

    python tests/bench/bench_decoder.py         numcodecs, and those of blosc and blosc2 that are installed

The chunks are frames of bench_loader.py (4 x 128 x 384 values).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import version

import numpy as np
from loader_data import CASES, Case, waves
from numcodecs import blosc

from shards.codec import decode_into, encode
from shards.schema import Frames

FRAMES, TURNS = 24, 31
# Takes the encoded bytes and the memory for the values.
Decode = Callable[[bytes, Frames], None]


def ours(encoded: bytes, out: Frames) -> None:
    decode_into(memoryview(encoded), "lz4", out)


def by_blosc(encoded: bytes, out: Frames) -> None:
    import_module("blosc").decompress_ptr(encoded, out.ctypes.data)


def by_blosc2(encoded: bytes, out: Frames) -> None:
    import_module("blosc2").decompress(encoded, dst=out)


def decoders() -> dict[str, Decode]:
    """Name and version to decoder, of those that are installed; each with one thread."""
    blosc.set_nthreads(1)
    found: dict[str, Decode] = {f"numcodecs {version('numcodecs')}": ours}
    for name, decode in (("blosc", by_blosc), ("blosc2", by_blosc2)):
        try:
            import_module(name).set_nthreads(1)
        except ModuleNotFoundError:
            print(f"{name}: not installed, left out")
        else:
            found[f"{name} {version(name)}"] = decode
    return found


def spent(decode: Callable[[int], object]) -> float:
    """Microseconds of processor time per chunk."""
    began = time.process_time()
    for number in range(FRAMES):
        decode(number)
    return 1e6 * (time.process_time() - began) / FRAMES


def main() -> None:
    frames = waves(Case("2D", 1, FRAMES, CASES[0].frame_shape, 1))[0]
    chunks = [encode(frame, "lz4") for frame in frames]
    out, megabytes = np.empty_like(frames[0]), frames[0].nbytes / 1e6
    smaller = frames.nbytes / sum(map(len, chunks))
    print(f"{megabytes:.3f} MB per chunk, {smaller:.2f} times smaller when encoded")
    tried: dict[str, Callable[[int], object]] = {}
    for name, decode in decoders().items():
        for chunk, frame in zip(chunks, frames, strict=True):
            out[:] = 0
            decode(chunk, out)
            assert np.array_equal(out, frame), name
        tried[name] = partial(lambda decode, number: decode(chunks[number], out), decode)
    tried["a copy of the decoded values"] = lambda number: np.copyto(out, frames[number])
    turns = [[spent(decode) for decode in tried.values()] for _ in range(TURNS)]
    print("| decoder | us per chunk | GB/s |\n|---|---|---|")
    for name, times in zip(tried, zip(*turns, strict=True), strict=True):
        print(f"| {name} | {min(times):.0f} | {1e3 * megabytes / min(times):.1f} |")


if __name__ == "__main__":
    main()
