"""Processor time of a 2D window in the process of the training loop and in its workers, and the page faults.

    python tests/bench/bench_workers.py

`walrus.data.Windows` in batches of 4, on the fields of bench_loader.py. A short and a long pass are measured,
and their difference counts, so that starting the workers does not. With c milliseconds in the loop and w in
the workers, n workers on as many cores give a window in (c + w) / n milliseconds at best.
"""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path

import numpy as np
import torch
from loader_data import CASES, HISTORY, LARGEST_STRIDE, NAME, OURS, waves, write_ours
from loader_readers import BATCH

from walrus.data import Windows

CODECS = ("zarr-raw", "zarr-lz4")
SHORT, LONG = 8, 48


def main() -> None:
    torch.set_num_threads(1)
    print("| codec | workers | loop | in workers | page faults |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        fields = waves(CASES[0])
        for name in CODECS:
            packaging, codec, _ = OURS[name]
            write_ours(fields, Path(folder) / name, packaging, codec)
        del fields
        for name in CODECS:
            for workers in (0, 1, 2):
                loop, others, faults = per_window(Path(folder) / name / NAME, workers)
                row = f"| {name} | {workers} | {loop:.2f} ms | {others:.2f} ms | {max(0, faults):.0f} |"
                print(row, flush=True)


def per_window(place: Path, workers: int) -> tuple[float, float, float]:
    """Milliseconds of processor time in this process and in the workers, and page faults of both."""
    windows = Windows(place, frames=HISTORY + 1, strides=range(1, LARGEST_STRIDE + 1), units="stored")
    short, long = (np.array(spent(windows, workers, batches)) for batches in (SHORT, LONG))
    loop, others, faults = (long - short) / ((LONG - SHORT) * BATCH)
    return 1e3 * loop, 1e3 * others, faults


def spent(windows: Windows, workers: int, batches: int) -> tuple[float, float, float]:
    """Seconds of a pass of so many batches, and of its workers, and page faults of both."""
    chance = torch.Generator().manual_seed(0)
    order = torch.randint(len(windows), (batches * BATCH,), generator=chance).tolist()
    began = used()
    for batch in torch.utils.data.DataLoader(windows, BATCH, sampler=order, num_workers=workers):
        # A training loop reads its batch.
        batch.fields[:, :, :, ::16, ::16].sum()
    del batch
    loop, others, faults = (now - before for now, before in zip(used(), began, strict=True))
    return loop, others, faults


def used() -> tuple[float, float, float]:
    """Seconds of this process, seconds of the workers that have ended, page faults of both."""
    own, ended = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = (each.ru_utime + each.ru_stime for each in (own, ended))
    return *seconds, own.ru_minflt + ended.ru_minflt


if __name__ == "__main__":
    main()
