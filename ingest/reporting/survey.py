"""Measures a fixed sample of bounded size of a dataset, in physical units, for its report.

Axes: N trajectory, T time, C channel, S space, B bin of a histogram, K wavenumber; U and V are the axes of an
image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from shards.card import Card
from shards.drawing.even_choice import evenly_chosen
from shards.drawing.plane import Picture, View, views_of
from shards.index import Entry
from shards.read import Dataset
from shards.schema import SPLITS, Cell, Frames, Split
from shards.spectrum import Float64, FourierModes, modes_of, power

# The most trajectories of a sample, frames of each (each with its next frame), and values in total.
TRAJECTORIES, STEPS, VALUES = 8, 32, 2**28
PICTURES, MASKS, PARAMETERS, BINS = 6, 6, 512, 120
# The ends of a histogram in standard deviations: one extreme cell must not leave one bin for all others.
REACH = 8.0
# A positive field with a larger ratio of highest to lowest value has a log axis.
DECADES = 1e3


@dataclass(frozen=True, eq=False)
class Snapshots:
    """A view of one trajectory: fields [T, C, V, U] at several times, constant fields [C, V, U]."""

    view: View
    key: str
    time_T: tuple[float, ...]
    images_TCVU: Float64
    static_CVU: Float64


@dataclass(frozen=True, eq=False)
class ChangeOverTime:
    """The RMS [T] of the one-step change of a trajectory, in standard deviations, at its times [T]."""

    time_T: Float64
    change_T: Float64


@dataclass(frozen=True, eq=False)
class FieldSummary:
    """One field over the sample.

    `density_CB` is the share of values per unit in each bin between `edges_B`; `spectrum_TK` is the share of
    the variance at the first, the middle and the last step; `changes` has one entry per trajectory.
    """

    name: str
    components: tuple[str, ...]
    edges_B: Float64
    logarithmic: bool
    density_CB: Float64
    spectrum_TK: Float64
    changes: tuple[ChangeOverTime, ...]


@dataclass(frozen=True, eq=False)
class Survey:
    """The sample: its size, snapshots, a summary of each field, obstacles [V, U], parameters with their
    split.

    A volume has two sets of snapshots: of its middle plane, and of its projection.
    """

    split: Split
    trajectories: int
    steps: int
    snapshots: tuple[Snapshots, ...]
    obstacles: tuple[Picture, ...]
    summaries: tuple[FieldSummary, ...]
    parameters: tuple[tuple[Split, dict[str, float]], ...]

    @property
    def view(self) -> View:
        """The view that represents the grid."""
        return self.snapshots[0].view


def survey(dataset: Dataset) -> Survey:
    """Reads and measures the sample; raises ShardError if the dataset is damaged."""
    card = dataset.card
    split = next(split for split in SPLITS if dataset.entries(split))
    trajectories, steps = sample_size(int(np.prod(card.schema.frame_shape)))
    entries = evenly_chosen(dataset.entries(split), trajectories)
    views = views_of(card.schema.grid, card.schema.boundaries)
    shown = (views[0], *(view for view in views if view.projects))
    modes = modes_of(card.schema.grid, card.schema.boundaries)
    sums_of_fields = _empty_sums(card, modes)

    for entry in entries:
        _add_trajectory(dataset, entry, steps, sums_of_fields)

    parameters = [
        (entry.split, dataset.document(entry))
        for entry in evenly_chosen(dataset.index.trajectories, PARAMETERS)
    ]
    return Survey(
        split,
        len(entries),
        steps,
        _snapshots(dataset, entries[0], shown),
        _obstacles(dataset, entries[:MASKS], views[0]),
        tuple(sums.summary() for sums in sums_of_fields),
        tuple((split, document.trajectory.scalars) for split, document in parameters),
    )


def sample_size(values: int) -> tuple[int, int]:
    """The number of trajectories (at least 1) and of steps of each (at least 4), for frames of this size.

    >>> sample_size(64 * 64), sample_size(512**3)
    ((8, 32), (1, 4))
    """
    steps = max(4, min(STEPS, VALUES // (2 * TRAJECTORIES * values)))
    return max(1, min(TRAJECTORIES, VALUES // (2 * steps * values))), steps


class _FieldSums:
    """Sums over one field: its histogram, spectrum and changes; its first channel is number `first`."""

    def __init__(
        self, card: Card, name: str, components: Sequence[str], first: int, modes: FourierModes
    ) -> None:
        # The bins follow from the moments in the card, before a frame is read.
        self.name, self.components, self.modes = name, tuple(components), modes
        self.channels = slice(first, first + len(components))
        moments = [card.moments[channel] for channel in components]
        self.std = float(np.sqrt(np.mean([each.std**2 for each in moments])))
        low, high = min(each.min for each in moments), max(each.max for each in moments)
        self.logarithmic = low > 0 and high > DECADES * low
        if not self.logarithmic:
            low = max(low, min(each.mean - REACH * each.std for each in moments))
            high = min(high, max(each.mean + REACH * each.std for each in moments))
        self.edges_B = _edges(low, high, logarithmic=self.logarithmic)
        self.count_CB = np.zeros((len(components), BINS), np.int64)
        self.power_TK = np.zeros((3, modes.rings))
        self.changes: list[ChangeOverTime] = []

    def count(self, frame_CS: Frames) -> None:
        """Counts the values in the bins; values beyond the edges go to the last bin, not finite ones to
        none.
        """
        for counts_B, values_S in zip(self.count_CB, frame_CS[self.channels], strict=True):
            finite = values_S[np.isfinite(values_S)]
            counts_B += np.histogram(finite.clip(self.edges_B[0], self.edges_B[-1]), self.edges_B)[0]

    def add_power(self, number: int, frame_CS: Frames) -> None:
        for values_S in frame_CS[self.channels]:
            self.power_TK[number] += power(values_S, self.modes)

    def change(self, before_CS: Frames, after_CS: Frames) -> float:
        """The RMS of the change over all components, in standard deviations; NaN if the field is constant."""
        pairs = zip(before_CS[self.channels], after_CS[self.channels], strict=True)
        squares = [np.nanmean((after.astype(np.float64) - before) ** 2) for before, after in pairs]
        return float(np.sqrt(np.mean(squares))) / self.std if self.std else float("nan")

    def summary(self) -> FieldSummary:
        """The sums as shares of all values, and of the variance."""
        widths = np.diff(self.edges_B)
        density_CB = self.count_CB / np.maximum(self.count_CB.sum(1, keepdims=True), 1) / widths
        total = self.power_TK.sum(1).mean()
        spectrum_TK = self.power_TK / total if total else self.power_TK
        return FieldSummary(
            self.name,
            self.components,
            self.edges_B,
            self.logarithmic,
            density_CB,
            spectrum_TK,
            tuple(self.changes),
        )


def _edges(low: float, high: float, *, logarithmic: bool) -> Float64:
    if logarithmic:
        return np.geomspace(low, high, BINS + 1)
    if not high > low:
        low, high = low - max(abs(low), 1) / 2, low + max(abs(low), 1) / 2
    return np.linspace(low, high, BINS + 1)


def _empty_sums(card: Card, modes: FourierModes) -> list[_FieldSums]:
    """Empty sums for each field that changes in time."""
    sums_of_fields, first = [], 0
    for field in card.schema.fields:
        if not field.constant:
            components = field.components(card.schema.grid.axes)
            sums_of_fields.append(_FieldSums(card, field.name, components, first, modes))
            first += len(components)
    return sums_of_fields


def _add_trajectory(dataset: Dataset, entry: Entry, steps: int, sums_of_fields: Sequence[_FieldSums]) -> None:
    """Adds the sampled steps of one trajectory; ingest ensures that it has at least one step."""
    starts = evenly_chosen(range(entry.frames - 1), steps)
    marks = (starts[0], starts[len(starts) // 2], starts[-1])
    changes: list[list[float]] = [[] for _ in sums_of_fields]
    for start, (before_CS, after_CS) in zip(starts, _pairs(dataset, entry, starts), strict=True):
        for sums, change in zip(sums_of_fields, changes, strict=True):
            sums.count(before_CS)
            change.append(sums.change(before_CS, after_CS))
            for number, mark in enumerate(marks):
                if mark == start:
                    sums.add_power(number, before_CS)
    time_T = np.asarray(dataset.document(entry).trajectory.time)[starts]
    for sums, change in zip(sums_of_fields, changes, strict=True):
        sums.changes.append(ChangeOverTime(time_T, np.asarray(change)))


def _pairs(dataset: Dataset, entry: Entry, starts: Sequence[int]) -> Iterator[Frames]:
    """Yields each frame and the next [2, C, *S] in physical units, always in the same memory."""
    schema = dataset.card.schema
    pair_TCS = np.empty((2, *schema.frame_shape), schema.dtype)
    scale = np.asarray(dataset.document(entry).scale, schema.dtype).reshape(-1, *[1] * len(schema.grid.axes))
    for start in starts:
        dataset.read_frames(entry, (start, start + 1), pair_TCS)
        pair_TCS *= scale
        yield pair_TCS


def _snapshots(dataset: Dataset, entry: Entry, views: Sequence[View]) -> tuple[Snapshots, ...]:
    document = dataset.document(entry)
    frames = evenly_chosen(range(entry.frames), PICTURES)
    static_CS = dataset.static(entry)
    time_T = tuple(document.trajectory.time[frame] for frame in frames)
    return tuple(
        Snapshots(view, entry.key, time_T, images_TCVU, _planes(static_CS, document.static_scale, view))
        for view, images_TCVU in zip(views, images_of(dataset, entry, frames, views), strict=True)
    )


def images_of(dataset: Dataset, entry: Entry, frames: Sequence[int], views: Sequence[View]) -> list[Float64]:
    """The images [T, C, V, U] of each view, in physical units; solid cells are NaN; reads frame by frame."""
    scale, schema = dataset.document(entry).scale, dataset.card.schema
    solid_S = dataset.boundary(entry) & np.uint8(Cell.OBSTACLE) > 0
    frame_TCS = np.empty((1, *schema.frame_shape), schema.dtype)
    images: list[list[Float64]] = [[] for _ in views]
    for frame in frames:
        dataset.read_frames(entry, [frame], frame_TCS)
        # Before the projection: an obstacle must not hide the values in front of it or behind it.
        frame_TCS[:, :, solid_S] = np.nan
        for seen, view in zip(images, views, strict=True):
            seen.append(_planes(frame_TCS[0], scale, view))
    return [np.stack(seen) for seen in images]


def _planes(values_CS: Frames, scale: Sequence[float], view: View) -> Float64:
    """The planes [C, V, U] of a view, in physical units."""
    planes = [view.image(values_S) * factor for values_S, factor in zip(values_CS, scale, strict=True)]
    return np.stack(planes) if planes else np.empty((0, len(view.cells_V), len(view.cells_U)))


def _obstacles(dataset: Dataset, entries: Sequence[Entry], view: View) -> tuple[Picture, ...]:
    """The solid cells [V, U] of the sample's trajectories, each shape once."""
    shapes: dict[bytes, Picture] = {}
    for entry in entries:
        picture = view.image(dataset.boundary(entry) & np.uint8(Cell.OBSTACLE))
        shapes.setdefault(picture.tobytes(), picture)
    return tuple(shapes.values())
