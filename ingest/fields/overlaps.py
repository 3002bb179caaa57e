"""Chooses the frames to keep if files of a run overlap, and finds gaps between files
(docs/decisions/0118).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.fields.gaps import lie_apart, missing_steps
from ingest.layout import Overlap
from shards.counted import counted

Times = tuple[float, ...]
# Two times are equal if they differ by less than SAME_TIME of the usual step; two values, by less than
# ROUNDING of the largest value.
SAME_TIME = 1e-3
ROUNDING = 1e-6


@dataclass(frozen=True)
class SharedFrame:
    """A time in two files: the (file, frame) that is cut, and the one that is kept."""

    time: float
    cut: tuple[int, int]
    kept: tuple[int, int]


def kept_frames(times: Sequence[Times], overlap: Overlap) -> list[range]:
    """The frames to keep of each file, so that each time occurs once: a restart writes some times again.

    The later file counts, unless `overlap` is "earlier".

    >>> kept_frames([(0.0, 1.0, 2.0), (1.0, 2.0, 3.0)], "later")
    [range(0, 1), range(0, 3)]
    >>> kept_frames([(0.0, 1.0, 2.0), (1.0, 2.0, 3.0)], "earlier")
    [range(0, 3), range(2, 3)]
    """
    near = _same_time(times)
    kept = [range(len(each)) for each in times]
    if overlap == "earlier":
        end = -np.inf
        for number, own in enumerate(times):
            kept[number] = range(sum(time <= end + near for time in own), len(own))
            end = max((end, *own))
        return kept

    begin = np.inf
    for number in reversed(range(len(times))):
        own = times[number]
        kept[number] = range(sum(time < begin - near for time in own))
        begin = min((begin, *own))

    return kept


def shared_frames(times: Sequence[Times], kept: Sequence[range]) -> Iterator[SharedFrame]:
    """Yields the frames that are cut, each with the kept frame of the same time, if there is one."""
    near = _same_time(times)
    for number, own in enumerate(times):
        for frame in set(range(len(own))) - set(kept[number]):
            other = _holder(own[frame], times, kept, near)
            if other is not None:
                yield SharedFrame(own[frame], (number, frame), other)


def _holder(
    time: float, times: Sequence[Times], kept: Sequence[range], near: float
) -> tuple[int, int] | None:
    """The file and frame that are kept for a time; None if there is none."""
    for number, frames in enumerate(kept):
        for frame in frames:
            if abs(times[number][frame] - time) <= near:
                return number, frame
    return None


def _same_time(times: Sequence[Times]) -> float:
    """The largest difference of two times that count as equal."""
    steps = np.diff(np.unique(np.concatenate(times)))
    return SAME_TIME * float(np.median(steps)) if steps.size else 0.0


def differ(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float | None:
    """The largest difference of a frame in two files; None if it is only rounding.

    >>> differ(np.array([1.0, np.nan]), np.array([1.0, np.nan])), differ(np.array([1.0]), np.array([1.5]))
    (None, 0.5)
    """
    a, b = first.astype(np.float64), second.astype(np.float64)
    largest = float(np.max(np.abs(a), initial=0, where=np.isfinite(a)))
    if np.allclose(a, b, rtol=0, atol=ROUNDING * largest, equal_nan=True):
        return None
    apart = np.abs(a - b)
    return float(np.max(apart, initial=0, where=np.isfinite(apart)))


def cut_notes(
    times: Sequence[Times], kept: Sequence[range], shared: Sequence[SharedFrame], names: Sequence[str]
) -> Iterator[str]:
    """A note for each file that loses frames: how many, and from which file they are taken instead."""
    for number, (own, frames) in enumerate(zip(times, kept, strict=True)):
        cut = sorted(set(range(len(own))) - set(frames))
        if not cut:
            continue
        count = counted(len(cut), "frame")
        others = sorted({names[each.kept[0]] for each in shared if each.cut[0] == number})
        holder = (
            f"taken from {others[0]}, which has the same times" if others else "left out, another file begins"
        )
        yield f"{count} of {names[number]} from t = {own[cut[0]]:g} on: {holder}"


def gap_notes(times: Sequence[Times], names: Sequence[str]) -> Iterator[str]:
    """A note for each gap between files that is longer than a step, or for each missing state."""
    held = [(own, name) for own, name in zip(times, names, strict=True) if own]
    longest_step = max((float(np.diff(own).max()) for own, _ in held if len(own) > 1), default=None)
    if longest_step is None:
        yield from _missing_states(held)
        return
    for (before, name), (after, next_name) in pairwise(held):
        if after[0] - before[-1] > 1.5 * longest_step:
            yield f"no frames between t = {before[-1]:g} ({name}) and {after[0]:g} ({next_name})"


def _missing_states(held: Sequence[tuple[Times, str]]) -> Iterator[str]:
    """A note for the state that is missing among files of one state each, if their times are a series."""
    moments = [own[0] for own, _ in held]
    lost = missing_steps(moments)
    if lost is None or lie_apart(moments):
        return
    for (before, name), (after, next_name) in pairwise(held):
        if before[0] < lost < after[0]:
            yield (
                f"no state at t = {lost:g}, between {name} (t = {before[0]:g}) and {next_name} ({after[0]:g})"
            )
