"""Opens a dataset in xarray: physical values by name, read when they are needed.

    xarray.open_dataset("data/shear_flow", engine="walrus", chunks={})
    xarray.open_datatree("data/shear_flow", engine="walrus")

Both packagings work, in folders and behind URLs (docs/decisions/0061-xarray-engine.md).

Axes: N trajectory, T time, C channel, S space.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal

import numpy as np
from xarray import Dataset as XarrayDataset
from xarray import DataTree, Variable
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from shards.errors import SettingsError
from shards.index import Entry
from shards.read import Dataset
from shards.remote import is_remote, open_place
from shards.schema import Cell, FieldSpec, Schema, Split
from shards.trajectory_document import TrajectoryDocument

Kind = Literal["variable", "constant", "boundary"]
Key = tuple[int | slice, ...]
Values = np.ndarray[Any, np.dtype[Any]]
BITS = {f"bit_{bit.value}": name.lower() for name, bit in Cell.__members__.items()}


class WalrusBackendEntrypoint(BackendEntrypoint):
    """Opens a built dataset of Walrus-PDE: `engine="walrus"`."""

    description = "Datasets that walrus-ingest built, in physical units"
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "split")
    supports_groups = True

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether it is a folder with a card and an index."""
        if not isinstance(filename_or_obj, str | os.PathLike) or is_remote(str(filename_or_obj)):
            return False
        return all(
            os.path.isfile(os.path.join(filename_or_obj, name)) for name in ("card.json", "index.json")
        )

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        split: Split | None = None,
    ) -> XarrayDataset:
        """Opens all trajectories, or those of one split, padded to the longest one.

        Each component of each field is a variable (trajectory, time, *axes); constant ones have no `time`.
        Raises ShardError if the dataset is not built, SettingsError if the split is empty.
        """
        dataset = open_place(_place(filename_or_obj))
        entries = dataset.entries(split) if split else dataset.index.trajectories
        if not entries:
            raise SettingsError(f"{dataset.files.where()}: has no {split} trajectories; name another split")
        return _without(_described(dataset, entries), drop_variables)

    def open_groups_as_dict(
        self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None
    ) -> dict[str, XarrayDataset]:
        """Opens each trajectory as a group `/train/<key>` with its own times; nothing is padded."""
        dataset = open_place(_place(filename_or_obj))
        groups = {"/": XarrayDataset(attrs=_attributes(dataset))}
        for entry in dataset.index.trajectories:
            opened = _described(dataset, (entry,)).isel(trajectory=0)
            groups[f"/{entry.split}/{entry.key}"] = _without(opened, drop_variables)
        return groups

    def open_datatree(
        self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None
    ) -> DataTree:
        """Opens the same groups as a tree."""
        return DataTree.from_dict(self.open_groups_as_dict(filename_or_obj, drop_variables=drop_variables))


def _place(filename_or_obj: Any) -> str:
    if not isinstance(filename_or_obj, str | os.PathLike):
        raise SettingsError(
            f"engine walrus: found {type(filename_or_obj).__name__}; expected a folder or a URL"
        )
    return os.fspath(filename_or_obj)


def _without(opened: XarrayDataset, drop_variables: str | Iterable[str] | None) -> XarrayDataset:
    """The dataset without these variables; names that it does not have are ignored, as xarray does."""
    names = [drop_variables] if isinstance(drop_variables, str) else drop_variables or ()
    return opened.drop_vars([name for name in names if name in opened.variables])


def _described(dataset: Dataset, entries: Sequence[Entry]) -> XarrayDataset:
    """The xarray dataset of these trajectories: fields are read when needed, coordinates are in memory."""
    schema = dataset.card.schema
    axes = schema.grid.axes
    frames = max(entry.frames for entry in entries)
    documents = [dataset.document(entry) for entry in entries]
    constant_dims, dims = ("trajectory", *axes), ("trajectory", "time", *axes)
    everything = LazyArray(dataset, tuple(entries), frames)
    variables: dict[str, Variable] = {}
    for number, (name, field) in enumerate(_channels(schema.variable_fields, axes)):
        variables[name] = _field(dims, replace(everything, kind="variable", channel=number), field)

    for number, (name, field) in enumerate(_channels(schema.constant_fields, axes)):
        variables[name] = _field(constant_dims, replace(everything, kind="constant", channel=number), field)

    variables["boundary"] = _lazy(constant_dims, everything, BITS)
    attributes = _attributes(dataset)
    if min(entry.frames for entry in entries) < frames:
        attributes["padding"] = (
            "trajectories have unequal numbers of frames; beyond `frames` all values are NaN"
        )

    coordinates = _coordinates(schema, entries, documents, frames) | _scalars(documents, set(variables))
    return XarrayDataset(variables, coordinates, attributes)


def _channels(fields: Iterable[FieldSpec], axes: tuple[str, ...]) -> list[tuple[str, FieldSpec]]:
    """(name, field) of each component."""
    return [(name, field) for field in fields for name in field.components(axes)]


def _attributes(dataset: Dataset) -> dict[str, Any]:
    """The texts of the card, without empty ones."""
    card = dataset.card
    texts = {
        "title": card.title,
        "dataset": card.name,
        "source": card.source,
        "licence": card.licence,
        "citation": card.citation,
        "home": card.home,
        "note": card.note,
        "grid": card.schema.grid.kind,
    }
    return {name: text for name, text in texts.items() if text}


def _field(dims: tuple[str, ...], array: LazyArray, field: FieldSpec) -> Variable:
    scaled = replace(array, scale=2.0 ** array.dataset.card.powers[field.name])
    return _lazy(dims, scaled, _units(field.unit))


def _units(unit: str) -> dict[str, str]:
    return {"units": unit} if unit else {}


def _lazy(dims: tuple[str, ...], array: LazyArray, attributes: dict[str, Any]) -> Variable:
    # With `chunks={}` dask reads one shard at a time: a trajectory, or a part of its frames.
    chunks = dict(zip(dims, array.preferred_chunks, strict=True))
    lazy = indexing.LazilyIndexedArray(array)
    return Variable(dims, lazy, attributes, encoding={"preferred_chunks": chunks})


def _coordinates(
    schema: Schema, entries: Sequence[Entry], documents: Sequence[TrajectoryDocument], frames: int
) -> dict[str, Variable]:
    """Trajectories, times and cells; a coordinate with the name of a dimension labels it."""
    coordinates = {
        # With the split, because a key may be in several splits.
        "trajectory": Variable("trajectory", [f"{entry.split}/{entry.key}" for entry in entries]),
        "split": Variable("trajectory", [entry.split for entry in entries]),
        "frames": Variable(
            "trajectory", [entry.frames for entry in entries], {"long_name": "number of frames"}
        ),
    }
    times = np.full((len(entries), frames), np.nan)
    for row, document in zip(times, documents, strict=True):
        row[: document.trajectory.frames] = document.trajectory.time

    of_time = _units(schema.units.get("time", ""))
    if (times == times[0]).all():
        coordinates["time"] = Variable("time", times[0], of_time)
    else:
        meaning = {"long_name": "time of each frame; trajectories have different times"}
        coordinates["trajectory_time"] = Variable(("trajectory", "time"), times, meaning | of_time)

    grid = schema.grid
    for axis, centres, widths, sides in zip(
        grid.axes, grid.coordinates, grid.widths, schema.boundaries, strict=True
    ):
        boundary = ", ".join(side.name.lower() for side in sides)
        units = _units(schema.units.get(axis, ""))
        coordinates[axis] = Variable(axis, list(centres), {"boundary": boundary} | units)
        coordinates[f"{axis}_width"] = Variable(
            axis, list(widths), {"long_name": f"cell widths along {axis}"} | units
        )

    return coordinates


def _scalars(documents: Sequence[TrajectoryDocument], taken: set[str]) -> dict[str, Variable]:
    """The parameters of each trajectory; NaN if it does not have this parameter."""
    taken = taken | {"time", "frames", "split", "trajectory"}
    scalars = [document.trajectory.scalars for document in documents]
    found = {}
    for name in dict.fromkeys(chain.from_iterable(scalars)):
        values = [each.get(name, np.nan) for each in scalars]
        found[f"parameter_{name}" if name in taken else name] = Variable("trajectory", values)
    return found


@dataclass(frozen=True, eq=False)
class LazyArray(BackendArray):
    """One channel in physical units, or the boundary bits, for xarray.

    The shape is [N, T, *S] for a variable field, [N, *S] for a constant field and for the bits; T is
    `frames`, the length of the longest trajectory. Frames are decoded one at a time, so little more memory is
    needed than for the result.
    """

    dataset: Dataset
    entries: tuple[Entry, ...]
    frames: int
    kind: Kind = "boundary"
    channel: int = 0
    scale: float = 1.0

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype("uint8" if self.kind == "boundary" else self.dataset.card.schema.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        time = (self.frames,) if self.kind == "variable" else ()
        return (len(self.entries), *time, *self.dataset.card.schema.grid.shape)

    @property
    def preferred_chunks(self) -> tuple[int, ...]:
        time = (self.entries[0].segments[0].frames,) if self.kind == "variable" else ()
        return (1, *time, *self.dataset.card.schema.grid.shape)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: Key) -> Values:
        """The values at these integers and slices; an integer removes its axis, as in numpy."""
        outer = 2 if self.kind == "variable" else 1
        numbers = [_numbers(part, size) for part, size in zip(key[:outer], self.shape, strict=False)]
        space = key[outer:]
        # An array without memory of its own tells the shape of what the key selects.
        cells = np.broadcast_to(np.uint8(0), self.dataset.card.schema.grid.shape)[space].shape
        found = np.empty((*map(len, numbers), *cells), self.dtype)
        for place, row in enumerate(numbers[0]):
            if self.kind == "variable":
                self._read_frames(self.entries[row], numbers[1], space, found[place])
            else:
                found[place] = self._constant(self.entries[row])[space]
        chosen: Values = found[tuple(slice(None) if isinstance(part, slice) else 0 for part in key[:outer])]
        return chosen

    def _constant(self, entry: Entry) -> Values:
        if self.kind == "boundary":
            return self.dataset.boundary(entry)
        scaled: Values = self.dataset.static(entry)[self.channel] * self.dtype.type(self.scale)
        return scaled

    def _read_frames(self, entry: Entry, numbers: range, space: Key, out: Values) -> None:
        """Reads frames of a trajectory into `out` [T, *S]; frames after its end are NaN."""
        frame_1CS = np.empty((1, *self.dataset.card.schema.frame_shape), self.dtype)
        for place, number in enumerate(numbers):
            if number >= entry.frames:
                out[place] = np.nan
                continue
            self.dataset.read_frames(entry, [number], frame_1CS)
            out[place] = frame_1CS[0, self.channel][space] * self.dtype.type(self.scale)


def _numbers(key: int | slice, size: int) -> range:
    """The indices of a key; an integer becomes a range of one."""
    if isinstance(key, slice):
        return range(size)[key]
    number = range(size)[key]
    return range(number, number + 1)
