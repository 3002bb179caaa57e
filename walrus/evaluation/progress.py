"""Progress of an evaluation, for a caller who shows it."""

from __future__ import annotations

from collections.abc import Callable

# Takes the forecast frames that are done, and their number in all.
Progress = Callable[[int, int], None]


def counted(progress: Progress | None, total: int) -> Callable[[int], None]:
    """What to call with the frames of each piece of work; it reports their sum.

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
