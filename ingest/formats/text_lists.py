"""Reads short lists of text in a file, such as the names of channels."""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

# The largest list of names, in words and in bytes.
MOST_WORDS = 256
MOST_BYTES = 2**16


def is_list_of_text(shape: tuple[int, ...], dtype: np.dtype[Any], most: int) -> bool:
    """Whether an array is one text, texts [L], or letters [L, letters] as in NetCDF; L is at most `most`."""
    is_text = (dtype.kind in "SUT" and dtype.itemsize > 0) or h5py.check_string_dtype(dtype) is not None
    axes = 2 if dtype == np.dtype("S1") else 1
    if not is_text or len(shape) not in (axes - 1, axes):
        return False
    texts = shape[0] if len(shape) == axes else 1
    return texts <= most


def is_short(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether an array may be a list of words: text [L], or letters [L, letters] as NetCDF stores it.

    >>> is_short((3,), np.dtype("U5")), is_short((3, 8), np.dtype("S1")), is_short((3,), np.dtype("f4"))
    (True, True, False)
    """
    size = math.prod(shape) * dtype.itemsize
    axes = 2 if dtype == np.dtype("S1") else 1
    return is_list_of_text(shape, dtype, MOST_WORDS) and len(shape) == axes and size <= MOST_BYTES


def words_of(values: npt.NDArray[Any]) -> tuple[str, ...]:
    """The words of a list of text, or its single text.

    >>> words_of(np.array([[b"u", b"x"], [b"p", b" "]])), words_of(np.array(["rho"]))
    (('ux', 'p'), ('rho',))
    """
    if values.dtype == np.dtype("S1"):
        texts = [b"".join(letters.tolist()) for letters in np.atleast_2d(values)]
    else:
        texts = values.reshape(-1).tolist()
    return tuple(decoded(text).strip(" \0") for text in texts)


def decoded(text: str | bytes) -> str:
    """The text of a word, which a file may hold as bytes; those that are no UTF-8 become marks."""
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)


def hdf5_words(item: h5py.HLObject) -> tuple[str, ...]:
    """The words of a dataset; none if it is not a short list of text, or cannot be read."""
    if not isinstance(item, h5py.Dataset):
        return ()
    try:
        return words_of(item[...]) if is_short(item.shape, item.dtype) else ()
    except (OSError, RuntimeError, TypeError, ValueError):
        # Damage is reported by the list of arrays.
        return ()
