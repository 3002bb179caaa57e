"""The cost of checking every chunk: reads of a dataset with and without, one thread, from the page cache.

python tests/bench/bench_checksums.py
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from shards.schema import Frames
from shards.shard import CHECKSUM_BYTES, Shard, chunk_ranges, shard_stream

REPEATS, FRAMES = 9, 24
SHAPES = {"2D": (4, 128, 384), "3D": (6, 64, 64, 64)}


def field(shape: tuple[int, ...]) -> Frames:
    """Frames [T, C, *S] that compress as those of a simulation do."""
    random = np.random.default_rng(0)
    noise = random.normal(size=(FRAMES, *shape)).astype("f4")
    for axis in range(2, noise.ndim):
        noise = sum(np.roll(noise, step, axis) for step in range(8)) / 8
    return noise


def seconds(shard: Shard, shape: tuple[int, ...], out: Frames) -> float:
    start = time.perf_counter()
    for frame in range(FRAMES):
        shard.frame_into(frame, shape, "float32", out)
    return time.perf_counter() - start


def main() -> None:
    print(f"{'frames':8}{'codec':7}{'stored':>8}{'unchecked':>12}{'checked':>12}{'cost':>8}")
    for name, shape in SHAPES.items():
        frames = field(shape)
        for codec in ("lz4", "zstd", "raw"):
            data = memoryview(b"".join(shard_stream(iter(frames), FRAMES, shape, codec)))
            checked = Shard(data, chunk_ranges(data, FRAMES), codec, checked_chunks=True)
            bare = checked.ranges.copy()
            bare[:, 1] -= CHECKSUM_BYTES
            unchecked = replace(checked, ranges=bare, checked_chunks=False)
            out = np.empty(shape, "f4")
            # In turns, so that a busy machine slows both.
            pairs = [(seconds(unchecked, shape, out), seconds(checked, shape, out)) for _ in range(REPEATS)]
            before, after = (min(column) for column in zip(*pairs, strict=True))
            rates = [f"{frames.nbytes / took / 1e9:.2f} GB/s" for took in (before, after)]
            share = f"{len(data) / frames.nbytes:.2f}"
            print(f"{name:8}{codec:7}{share:>8}{rates[0]:>12}{rates[1]:>12}{after / before - 1:>8.0%}")


if __name__ == "__main__":
    main()
