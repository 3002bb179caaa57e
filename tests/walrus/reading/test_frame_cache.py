"""Decoded frames that windows share: decoded once, within a bound, whoever asks."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock
from time import sleep

import numpy as np
import pytest

from walrus.reading.frame_cache import FrameStore

SHAPE = (2, 3, 5)


class Decoder:
    """Fills a frame with a number of its own, and counts how often it did."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[int, int]] = Counter()
        self._lock = Lock()

    def __call__(self, key: tuple[int, int], frame_CS: np.ndarray) -> None:
        with self._lock:
            self.calls[key] += 1
        frame_CS.fill(-1)
        sleep(0.0005)
        frame_CS.fill(1000 * key[0] + key[1])


def read(store: FrameStore, decode: Decoder, key: tuple[int, int]) -> float:
    with store.frame(key, decode) as frame_CS:
        sleep(0.0002)
        assert frame_CS.min() == frame_CS.max()
        return float(frame_CS[0, 0, 0])


def test_the_least_recently_used_frame_makes_room():
    store, decode = FrameStore(2, SHAPE), Decoder()
    for key in ((0, 1), (0, 2), (0, 1), (0, 3), (0, 1), (0, 2)):
        assert read(store, decode, key) == key[1]
    assert decode.calls == {(0, 1): 1, (0, 2): 2, (0, 3): 1}


def test_threads_that_want_one_frame_have_it_decoded_once():
    store, decode, together = FrameStore(8, SHAPE), Decoder(), Barrier(6)

    def ask(_: int) -> float:
        together.wait()
        return read(store, decode, (1, 7))

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(ask, range(6))) == [1007.0] * 6
    assert decode.calls == {(1, 7): 1}


def test_a_frame_that_is_read_is_never_overwritten():
    store, decode = FrameStore(5, SHAPE), Decoder()
    keys = [(0, int(frame)) for frame in np.random.default_rng(0).integers(12, size=300)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda key: read(store, decode, key), keys)) == [
            float(frame) for _, frame in keys
        ]


def test_memory_is_that_of_the_frames_that_fit():
    store, decode, places = FrameStore(3, SHAPE), Decoder(), set()
    for frame in range(20):
        with store.frame((0, frame), decode) as frame_CS:
            places.add(frame_CS.ctypes.data)
    assert len(places) == 3


def test_a_frame_that_cannot_be_decoded_is_tried_again_by_the_next():
    store, decode = FrameStore(2, SHAPE), Decoder()

    def damaged(key: tuple[int, int], frame_CS: np.ndarray) -> None:
        raise OSError("damaged")

    for _ in range(4):
        with pytest.raises(OSError, match="damaged"), store.frame((0, 5), damaged):
            pass
    assert read(store, decode, (0, 5)) == 5
