"""Detects a periodic axis with its end stored twice, as linspace writes it (docs/decisions/0115).

Axes: T time, C channel, S space.
"""

from __future__ import annotations

import numpy as np

from shards.schema import Frames

# Values are equal if they differ by less than EQUAL times the range of the channel; they are clearly
# different from CLEARLY times as much on.
EQUAL = 1e-6
CLEARLY = 1e3


def repeats_its_first_cells(frames: Frames, axis: int) -> bool:
    """Whether the last cells of an axis of space repeat the first ones, in all `frames` [T, C, *S].

    Ends that do not vary may be walls at rest, and a symmetric field always has equal ends: both show nothing
    about a period.

    >>> x, y = np.linspace(0, 1, 9)[:, None], np.linspace(0, 1, 5)
    >>> field = np.sin(2 * np.pi * x + y) * np.sin(np.pi * y)
    >>> repeats_its_first_cells(field[None, None], 0), repeats_its_first_cells(field[None, None], 1)
    (True, False)
    """
    # [C, L, T, *S]: the axis comes after the channels.
    along = np.moveaxis(frames, (1, axis + 2), (0, 1))
    if not along.size or along.shape[1] < 3 or not np.isfinite(along).all():
        return False

    channels = along.reshape(*along.shape[:3], -1)
    small = EQUAL * np.ptp(channels, axis=(1, 2, 3))
    if (_largest(channels[:, -1] - channels[:, 0]) > small).any():
        return False

    row = channels[:, 0]
    # With a single axis of space the end is one cell, which varies only in time.
    spread = np.ptp(row, axis=2).max(axis=1) if row.shape[2] > 1 else np.ptp(row, axis=(1, 2))
    steps = _largest(channels[:, 1] - channels[:, 0])
    is_mirrored = _largest(channels - channels[:, ::-1]) <= small
    shows = (spread > CLEARLY * small) & (steps > CLEARLY * small) & ~is_mirrored
    return bool(shows.any())


def _largest(values: Frames) -> Frames:
    """The largest magnitude [C] of values [C, ...]."""
    largest: Frames = np.abs(values).reshape(len(values), -1).max(axis=1)
    return largest
