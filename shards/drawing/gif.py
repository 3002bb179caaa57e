"""Writes animations as GIF, with one palette for all pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from PIL import Image


def gif(pictures: Sequence[Image.Image], maps: Sequence[str], frames_per_second: int) -> bytes:
    """A GIF that repeats these pictures, in greys and the colours of two colour maps."""
    palette = _palette(maps)
    first, *rest = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    stream = io.BytesIO()
    first.save(
        stream, format="GIF", save_all=True, append_images=rest, duration=1000 // frames_per_second, loop=0
    )
    return stream.getvalue()


def _palette(maps: Sequence[str]) -> Image.Image:
    """One palette for all pictures of an animation, so that no colour flickers: greys and both maps."""
    greys = np.linspace(0, 255, 24)[:, None].repeat(3, 1)
    colours = [colormaps[name](np.linspace(0, 1, 116))[:, :3] * 255 for name in maps]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([greys, *colours]).astype(np.uint8).tobytes())
    return palette
