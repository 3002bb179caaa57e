"""Counts the frames of an evaluation, for a caller that shows its progress."""

from __future__ import annotations

from collections.abc import Callable

# Called with the number of frames forecast so far, and with that of all frames.
Progress = Callable[[int, int], None]


def counted(progress: Progress | None, total: int) -> Callable[[int], None]:
    """A function to call with the number of frames of each piece of work; it reports their sum.

    >>> count = counted(lambda done, total: print(f"{done} of {total}"), 5)
    >>> count(2), count(3)
    2 of 5
    5 of 5
    (None, None)
    """
    done = 0

    def count(frames: int) -> None:
        nonlocal done
        done += frames
        if progress is not None:
            progress(min(done, total), total)

    return count
