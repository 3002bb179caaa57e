"""Films of a few trajectories for the viewer of the report: every field in several planes, at many times.

Axes: T shown frames, C channel, S space; U and V are the horizontal and the vertical axis of an image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ingest.reporting.survey import images_of, sample_size
from shards.drawing.even_choice import evenly_chosen
from shards.drawing.plane import Picture, Scale, View, labelled_view, slices_of
from shards.drawing.viewer import Film, FilmedField, Strip, viewer
from shards.index import Entry
from shards.read import Dataset
from shards.schema import Split

# Bytes of the films before compression; a third of it remains.
MOST_BYTES = 6 * 2**20
MOST_FILMS, MOST_FRAMES, FEWEST_FRAMES = 3, 60, 4
# The most cells along an axis of a picture; the page has no room for more.
MOST_CELLS, MOST_CELLS_OF_A_VOLUME = 192, 64


def dataset_viewer(dataset: Dataset, split: Split) -> str:
    """The HTML of a viewer of a few trajectories of a split, with a bounded number of frames."""
    schema = dataset.card.schema
    slices = slices_of(schema.grid, schema.boundaries)
    most = MOST_CELLS if len(slices) == 1 else MOST_CELLS_OF_A_VOLUME
    views = tuple(labelled_view(view.thinned(most), schema) for view in slices)
    trajectories, steps = sample_size(len(schema.channels) * int(np.prod(schema.grid.shape)))
    entries = evenly_chosen(dataset.entries(split), min(MOST_FILMS, trajectories))
    cells = sum(len(view.cells_U) * len(view.cells_V) for view in views)
    room = MOST_BYTES // (cells * len(schema.channels) * len(entries))
    frames = max(FEWEST_FRAMES, min(MOST_FRAMES, 2 * steps, room))
    films = [_film(dataset, entry, views, frames) for entry in entries]
    return viewer(films, views, f"{dataset.card.name.replace('_', ' ')}: fields")


def _film(dataset: Dataset, entry: Entry, views: Sequence[View], most: int) -> Film:
    """The film of one trajectory, with at most `most` of its frames."""
    document, schema = dataset.document(entry), dataset.card.schema
    frames = evenly_chosen(range(entry.frames), most)
    images = images_of(dataset, entry, frames, views)
    units = schema.per_channel({field.name: field.unit for field in schema.fields})
    fields = []
    for row, (channel, unit) in enumerate(zip(schema.channels, units, strict=True)):
        strips_of = [images_TCVU[:, row] for images_TCVU in images]
        fields.append(FilmedField(channel, unit, ("",) * len(frames), _strips(strips_of, views)))
    unit = schema.units.get("time", "")
    times = [f"{document.trajectory.time[frame]:.4g} {unit}".rstrip() for frame in frames]
    steps = tuple(f"frame {frame}, t = {time}" for frame, time in zip(frames, times, strict=True))
    return Film(entry.key, steps, tuple(fields))


def _strips(images: Sequence[Picture], views: Sequence[View]) -> tuple[Strip, ...]:
    """A strip for each view: the planes of a volume share one scale, a projection has its own."""
    flat = [images_TVU.ravel() for images_TVU, view in zip(images, views, strict=True) if not view.projects]
    shared = Scale.of_field(flat)
    return tuple(
        Strip(images_TVU, Scale.of_field([images_TVU]) if view.projects else shared)
        for images_TVU, view in zip(images, views, strict=True)
    )
