"""A cache of decoded frames that several windows share; it drops the least recently used frame first.

Axes: C channel, S space.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from shards.schema import Frames

Key = tuple[int, int]


@dataclass(eq=False)
class _FrameSlot:
    """The memory of one frame.

    The lock is held while the frame is decoded; `users` counts the threads that read it now.
    """

    frame_CS: Frames
    lock: Lock = field(default_factory=Lock)
    decoded: bool = False
    users: int = 0


class FrameStore:
    """Keeps up to `frames` decoded frames of one shape; several threads may use it.

    Memory is allocated when it is first needed, and then reused: to write into new memory takes twenty times
    as long as the copy. `frames` must be larger than the number of threads that read.
    """

    def __init__(self, frames: int, frame_shape: tuple[int, ...]) -> None:
        self.frames = frames
        self.frame_shape = frame_shape
        self._slots: OrderedDict[Key, _FrameSlot] = OrderedDict()
        self._lock = Lock()

    @contextmanager
    def frame(self, key: Key, decode: Callable[[Key, Frames], None]) -> Iterator[Frames]:
        """The frame [C, *S] of a key, valid inside the `with` block; `decode` fills it if it is not there."""
        slot = self._take(key)
        try:
            # Other threads that need this frame wait here; if `decode` fails, the next one tries again.
            with slot.lock:
                if not slot.decoded:
                    decode(key, slot.frame_CS)
                    slot.decoded = True
            yield slot.frame_CS
        finally:
            with self._lock:
                slot.users -= 1

    def _take(self, key: Key) -> _FrameSlot:
        """The slot of a key, new if need be, with one more user."""
        with self._lock:
            slot = self._slots.get(key)
            if slot is None:
                slot = self._slots[key] = _FrameSlot(self._memory())
            self._slots.move_to_end(key)
            slot.users += 1
            return slot

    def _memory(self) -> Frames:
        """Memory for one more frame: new, or that of the least recently used frame that nobody reads."""
        if len(self._slots) < self.frames:
            return np.empty(self.frame_shape, np.float32)
        oldest = next(key for key, slot in self._slots.items() if slot.users == 0)
        return self._slots.pop(oldest).frame_CS
