"""Draw a forecast without a truth: all its fields side by side, one picture per step.

Axes: T drawn steps, C channel, S space; V U the vertical and the horizontal axis of an image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from shards.drawing.canvas import WIDTH, Page, caption_words, style
from shards.drawing.colours import GREY
from shards.drawing.even_choice import evenly_chosen
from shards.drawing.gif import gif
from shards.drawing.plane import SIGNED, UNSIGNED, Picture, Scale, view_of
from shards.drawing.plane_image import bar, compass, draw
from shards.schema import Frames, Schema

# What is kept of a forecast, however long and large it is.
MOST_PICTURES = 120
MOST_CELLS = 160
# Inches: the room of a colour bar with its numbers, and between rows.
BAR, GAP = 0.62, 0.3
DPI = 100


@dataclass
class ForecastFilm:
    """Takes the frames of a forecast one after the other, and keeps the planes of evenly chosen steps."""

    title: str
    schema: Schema
    times: Sequence[float]
    images_TCVU: list[Picture] = field(default_factory=list)
    steps_T: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        whole = view_of(self.schema.grid, self.schema.boundaries)
        self.view = whole.thinned(MOST_CELLS)
        self.chosen = set(evenly_chosen(range(len(self.times)), MOST_PICTURES))

    def add(self, step: int, frame_CS: Frames) -> None:
        """The frame [C, *S] of a step, counted from 0, in physical units."""
        if step in self.chosen and np.isfinite(frame_CS).all():
            planes = [self.view.image(values_S) for values_S in frame_CS]
            self.images_TCVU.append(np.stack(planes).astype(np.float32))
            self.steps_T.append(step)

    def gif(self, frames_per_second: int = 8) -> bytes:
        """The film; colours of a field are the same in all its pictures. There must be a frame."""
        view, channels = self.view, self.schema.channels
        images_TCVU = np.stack(self.images_TCVU)
        units = self.schema.per_channel({each.name: each.unit for each in self.schema.variable_fields})
        scales = [Scale.of_field(list(images_TCVU[:, row])) for row in range(len(channels))]
        columns = min(len(channels), 4 if view.ratio > 1.2 else 3)
        left, top, bottom = 0.15, 0.95, 0.4
        width = min((WIDTH - left) / columns - BAR, 3.4 / view.ratio)
        height, rows = width * view.ratio, math.ceil(len(channels) / columns)
        pictures = []
        with style():
            page = Page(left + columns * (width + BAR), top + rows * (height + GAP) + bottom, DPI)
            page.text(left, 0.12, self.title, size=10, weight="bold")
            caption = page.text(left, 0.4, "", size=7.5, color=GREY)
            shown = []
            for row, name in enumerate(channels):
                across = left + row % columns * (width + BAR)
                down = top + row // columns * (height + GAP)
                axes = page.axes(across, down, width, height)
                axes.set_title(caption_words(name), size=8.5)
                shown.append(draw(axes, view, images_TCVU[0, row], scales[row]))
                saturation = scales[row].saturation(list(images_TCVU[:, row]))
                bar(
                    page.axes(across + width + 0.07, down, 0.09, height),
                    shown[-1],
                    units[row],
                    saturation,
                )
            compass(page, view)
            for step, images_CVU in zip(self.steps_T, images_TCVU, strict=True):
                parts = [f"step {step + 1} of {len(self.times)}", f"t = {self.times[step]:.4g}", view.cut]
                caption.set_text("   ".join(filter(None, parts)))
                for artist, image_VU in zip(shown, images_CVU, strict=True):
                    artist.set_data(image_VU)
                pictures.append(page.pixels())
        return gif(pictures, (UNSIGNED, SIGNED), frames_per_second)
