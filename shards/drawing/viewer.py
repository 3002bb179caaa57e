"""The viewer of a report: shows a field, trajectory, plane and step, chosen by mouse or keyboard.

The page contains the pictures as one byte per cell, compressed with zlib; `viewer.js` colours them
(docs/decisions/0085-viewer.md).

Axes: T steps; U and V are the horizontal and the vertical axis of an image.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps

from shards.drawing.plane import ERROR, SIGNED, UNSIGNED, Scale, View
from shards.schema import Boundary

# What the script of the page reads, as JSON.
Document = dict[str, Any]
LEVELS = 255
_MAPS = (UNSIGNED, SIGNED, ERROR)
_SIDES = {Boundary.WALL: "wall", Boundary.OPEN: "open", Boundary.PERIODIC: "periodic"}


@dataclass(frozen=True, eq=False)
class Strip:
    """One view of a field at all steps [T, V, U], in the colours of `scale`; not finite values are grey.

    With `error_TVU`, in the colours of `error_scale`, the viewer also shows forecast = picture + error.
    """

    images_TVU: npt.NDArray[np.floating]
    scale: Scale
    error_TVU: npt.NDArray[np.floating] | None = None
    error_scale: Scale | None = None


@dataclass(frozen=True, eq=False)
class FilmedField:
    """A field of a film: name, unit, a note for each step, and a strip for each view."""

    name: str
    unit: str
    notes: tuple[str, ...]
    strips: tuple[Strip, ...]


@dataclass(frozen=True, eq=False)
class Film:
    """One trajectory: its name, a text for each step, its fields."""

    name: str
    steps: tuple[str, ...]
    fields: tuple[FilmedField, ...]


def viewer(films: Sequence[Film], views: Sequence[View], words: str) -> str:
    """The HTML of a viewer. Strip i of a field belongs to view i; `words` describe the viewer."""
    document = {
        "words": words,
        "views": [_view(view) for view in views],
        "films": [_film(film) for film in films],
        "maps": {name: _encoded(_colours(name)) for name in _MAPS},
    }
    # No `<` in the text, so that no name can end the script element.
    text = json.dumps(document, separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<div class="viewer"><script type="application/json">{text}</script>'
        "<noscript><p>The pictures of this page need JavaScript.</p></noscript></div>"
    )


@cache
def script() -> str:
    """The script of the viewer, for `html_page.page`."""
    return (files("shards.drawing") / "viewer.js").read_text(encoding="utf-8")


def levels(images: npt.NDArray[np.floating], scale: Scale) -> npt.NDArray[np.uint8]:
    """Each value as a level from 1 (low) to 255 (high); 0 for NaN.

    >>> levels(np.array([0.0, 1.0, 9.0, np.nan]), Scale(0, 1, "viridis")).tolist()
    [1, 255, 255, 0]
    """
    share = (np.clip(images, scale.low, scale.high) - scale.low) / (scale.high - scale.low)
    known = ~np.isnan(share)
    return np.where(known, 1 + np.round(np.where(known, share, 0) * (LEVELS - 1)), 0).astype(np.uint8)


def _film(film: Film) -> Document:
    """A film as the script of the page reads it."""
    fields = [
        {
            "name": field.name,
            "unit": field.unit,
            "notes": field.notes,
            "strips": [_strip(strip) for strip in field.strips],
        }
        for field in film.fields
    ]
    return {"name": film.name, "steps": film.steps, "fields": fields}


def _strip(strip: Strip) -> Document:
    document = {"size": strip.images_TVU.shape, "field": _pictures(strip.images_TVU, strip.scale)}
    if strip.error_TVU is not None and strip.error_scale is not None:
        document["error"] = _pictures(strip.error_TVU, strip.error_scale)
    return document


def _pictures(images_TVU: npt.NDArray[np.floating], scale: Scale) -> Document:
    """The levels of all steps, stored as differences between neighbouring cells and compressed."""
    levels_TVU = levels(images_TVU, scale)
    # Neighbours are similar, so their differences are small numbers, which zlib compresses well.
    change = np.diff(levels_TVU.ravel(), prepend=np.uint8(0))
    saturation = scale.saturation([images_TVU])
    return {
        "low": scale.low,
        "high": scale.high,
        "map": scale.colours,
        "under": saturation.below,
        "over": saturation.above,
        "data": _encoded(zlib.compress(change.tobytes(), 9)),
    }


def _view(view: View) -> Document:
    left, right, bottom, top = view.extent
    return {
        "name": view.cut or "the whole grid",
        "across": {"name": view.names[0], "from": left, "to": right},
        "up": {"name": view.names[1], "from": bottom, "to": top},
        "ratio": view.ratio,
        "sides": [_SIDES[side] for side in view.sides],
    }


def _colours(name: str) -> bytes:
    """The bytes red, green, blue of each level from 1 on."""
    table = colormaps[name](np.linspace(0, 1, LEVELS))[:, :3]
    return bytes(np.round(255 * table).astype(np.uint8).tobytes())


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
