"""Finds the names of the axes of an array in its attributes, where its dimensions have none."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ingest.contents.axis_names import is_space, role
from ingest.formats.packing import Attribute

# The labels of HDF5; what TIFF, NeXus and scripts write.
_NAMES = (
    "DIMENSION_LABELS",
    "axes",
    "dims",
    "dimensions",
    "axis_names",
    "dim_names",
    "axis_order",
    "axes_order",
)
# Letters without a mark between them, as TIFF and napari write them: S are samples of a pixel, as R, G, B.
_LETTERS = re.compile("[tczyxns]+", re.IGNORECASE)


def with_labels(
    dimensions: tuple[str, ...], attributes: Mapping[str, Attribute], axes: int
) -> tuple[str, ...]:
    """The names of the dimensions of an array with so many axes; attributes name those that have none."""
    labels = axis_labels(attributes, axes)
    if not labels:
        return dimensions
    return tuple(scale or label for scale, label in zip(dimensions or labels, labels, strict=True))


def axis_labels(attributes: Mapping[str, Attribute], axes: int) -> tuple[str, ...]:
    """The names of all axes, from the first attribute that has one for each; empty if none has.

    >>> axis_labels({"axes": "(y, x, t)"}, 3), axis_labels({"axes": "TYX"}, 3), axis_labels({"axes": "yx"}, 3)
    (('y', 'x', 't'), ('t', 'y', 'x'), ())
    >>> axis_labels({"axes": "major minor"}, 2)
    ()
    """
    labels = attributes.get("DIMENSION_LABELS")
    if isinstance(labels, tuple) and len(labels) == axes:
        return tuple(map(str, labels))
    for name in _NAMES:
        words = _words(attributes.get(name), axes)
        if words:
            return words
    return ()


def _words(value: Attribute | None, axes: int) -> tuple[str, ...]:
    """The different names in an attribute, all with a known meaning; empty if it holds something else."""
    if isinstance(value, str) and _LETTERS.fullmatch(value.strip()) and len(value.strip()) > 1:
        words = ["c" if letter == "s" else letter for letter in value.strip().lower()]
    elif isinstance(value, str):
        words = re.findall(r"[^\s,:;()\[\]'\"]+", value)
    else:
        words = [str(word) for word in value] if isinstance(value, tuple) else []
    are_names = len(set(words)) == len(words) == axes and all(map(str.isidentifier, words))
    is_known = all(is_space(word, {}) or role(word, {}) in ("n", "t", "c") for word in words)
    return tuple(words) if are_names and is_known and any(is_space(word, {}) for word in words) else ()
