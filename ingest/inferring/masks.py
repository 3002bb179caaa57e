"""Tells masks, which mark solid cells of other fields, from fields that are called alike."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from ingest.inferring.frames import FrameReader
from ingest.inferring.inferred_layout import InferredLayout, PlacedArray
from ingest.layout import CHANNEL

MASK_NAME = re.compile("mask|solid|obstacle|land_?sea|^lsm$|chi$", re.IGNORECASE)


def is_mask(each: PlacedArray) -> bool:
    """Whether its name suggests that it marks solid cells of other fields, and its values allow it."""
    return bool(MASK_NAME.search(each.array.name)) and CHANNEL not in each.words and not each.is_no_mask


def with_fields_called_as_masks(layout: InferredLayout, reader: FrameReader) -> InferredLayout:
    """The layout in which a field that changes in time and has more than two values is no mask, such as
    `solid_fraction`. A mask at rest may have more: parts of land, or a distance.
    """
    fields = [replace(each, is_no_mask=_is_no_mask(each, reader)) for each in layout.fields]
    return replace(layout, fields=tuple(fields))


def _is_no_mask(each: PlacedArray, reader: FrameReader) -> bool:
    if each.constant or not is_mask(each):
        return False
    frames = [reader.frame(each, number) for number in (0, reader.count - 1)]
    known = [frame for frame in frames if frame is not None]
    values = np.concatenate([np.unique(frame[np.isfinite(frame)]) for frame in known]) if known else ()
    return len(np.unique(values)) > 2 and not reader.rests(each)
