"""Reads the split of a file from its name: train, valid or test.

Published benchmarks write exactly these words. Users also write val, validation, training, testing, and
capitals.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from shards.schema import SPLITS, Split, split_called


def split_in_published_path(path: str) -> Split | None:
    """The split that is a folder, or a word in the name of a file; None if there is none, or several.

    >>> split_in_published_path("data/train/a.hdf5"), split_in_published_path("flow_test_7.h5")
    ('train', 'test')
    """
    place = PurePosixPath(path)
    words = {*place.parts[:-1], *re.split(r"[_.]", place.name)}
    return _only([split for split in SPLITS if split in words])


def split_in_own_path(path: str) -> Split | None:
    """The split that any word of a path states; None if there is none, or several.

    >>> [split_in_own_path(path) for path in ("data_train/a.h5", "burgers_val.h5", "testbed.h5")]
    ['train', 'valid', None]
    """
    stated = map(split_called, re.split(r"[-_./ ]", path))
    return _only(list(dict.fromkeys(filter(None, stated))))


def _only(splits: list[Split]) -> Split | None:
    return splits[0] if len(splits) == 1 else None
