"""Films of a few rollouts for the viewer of the report: which trajectories, steps and cells they show.

Axes: I image (truth, forecast, error), T recorded steps, C channel, S space; U V the horizontal and the
vertical axis of an image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shards.drawing.even_choice import evenly_chosen
from shards.drawing.plane import Scale, labelled_view, slices_of
from shards.drawing.viewer import Film, FilmedField, Strip
from shards.schema import Schema
from walrus.evaluation.recording import Recording, RecordingRequest, error_words

# Bytes of the films of one dataset before they are compressed, which leaves about a third.
MOST_BYTES = 12 * 2**20
MOST_STEPS, FEWEST_STEPS = 60, 4
# Cells along an axis of a picture: more than these the page does not show.
MOST_CELLS, MOST_CELLS_OF_A_VOLUME = 192, 64
MOST_FILMS = 5
MEDIAN, LEAST, LARGEST = "median error", "least error", "largest error"


def filmed(errors: Sequence[float]) -> dict[int, str]:
    """The trajectories to film, of median, least and largest error first, and the words for each.

    `errors` has one number per trajectory. Of two, none has the median error; one alone needs no words.

    >>> filmed([0.3, 0.1, 0.2])
    {2: 'median error', 1: 'least error', 0: 'largest error'}
    >>> filmed([0.3, 0.1])
    {0: 'largest error', 1: 'least error'}
    """
    order = sorted(range(len(errors)), key=lambda index: errors[index])
    if len(order) == 1:
        return {0: ""}
    named = {order[len(order) // 2]: MEDIAN if len(order) > 2 else LARGEST}
    named.setdefault(order[0], LEAST)
    named.setdefault(order[-1], LARGEST)
    others = [index for index in evenly_chosen(order, MOST_FILMS) if index not in named]
    return named | dict.fromkeys(others[: MOST_FILMS - len(named)], "")


def wanted(schema: Schema, steps: int, films: int) -> RecordingRequest:
    """All channels in all slices, thinned, at as many of the `steps` as the page has room for."""
    views = slices_of(schema.grid, schema.boundaries)
    most = MOST_CELLS if len(views) == 1 else MOST_CELLS_OF_A_VOLUME
    thinned = tuple(labelled_view(view.thinned(most), schema) for view in views)
    cells = sum(len(view.cells_U) * len(view.cells_V) for view in thinned)
    # Truth and error; the viewer adds them.
    each = 2 * cells * len(schema.channels) * films
    count = min(MOST_STEPS, max(FEWEST_STEPS, MOST_BYTES // each))
    return RecordingRequest(evenly_chosen(range(1, steps + 1), count), schema.channels, thinned)


def film_of(recording: Recording, name: str) -> Film:
    """A recording as the viewer takes it."""
    fields = tuple(_field(recording, channel) for channel in recording.channels)
    return Film(name, tuple(_when(recording, index) for index in range(len(recording.steps))), fields)


def _field(recording: Recording, channel: str) -> FilmedField:
    """One channel in all views; the planes of a volume share their colours, a look through it has its own."""
    row = recording.row(channel)
    planes = [
        images_ITCVU[:, :, row]
        for view, images_ITCVU in zip(recording.views, recording.images_ITCVU, strict=True)
        if not view.projects
    ]
    flat_I = [np.concatenate([images[i].ravel() for images in planes]) for i in range(3)]
    shared = Scale.of_field([flat_I[0]])
    shared_error = Scale.of_error([flat_I[2]], shared)
    strips = []
    for view, images_ITCVU in zip(recording.views, recording.images_ITCVU, strict=True):
        truth_TVU, _, error_TVU = images_ITCVU[:, :, row]
        scale, error_scale = shared, shared_error
        if view.projects:
            scale = Scale.of_field([truth_TVU])
            error_scale = Scale.of_error([error_TVU], shared)
        strips.append(Strip(truth_TVU, scale, error_TVU, error_scale))
    notes = tuple(error_words(recording, index, row) for index in range(len(recording.steps)))
    return FilmedField(channel, recording.facts.unit(channel), notes, tuple(strips))


def _when(recording: Recording, index: int) -> str:
    time = f"{recording.time_T[index]:.4g} {recording.facts.time_unit}".rstrip()
    return f"step {recording.steps[index]}, t = {time}"
