"""Finds lists next to the data for a draft: times, cell centres, names of channels.

The reasons are in docs/decisions/0161-lists-next-to-the-data.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest.contents.axis_names import TIME_NAME, space_name
from ingest.contents.channel_names import lists_names
from ingest.contents.combined_files import CombinedFiles
from ingest.contents.listing import ArrayInfo, ArrayStorage, with_channels
from ingest.drafting.side_paths import MOST_FILES, spread
from ingest.fields.stored_times import list_in_attribute
from ingest.formats.arrays import ArrayFile
from ingest.formats.run_files import RunFiles
from ingest.formats.side_files import find_side_file, folders_of
from ingest.formats.side_lists import PLAIN_SUFFIXES, ListFile, numbers_of_list
from ingest.formats.side_tables import BYTES, SUFFIXES, Node, nodes_of, tables_in
from ingest.inferring.masks import MASK_NAME
from shards.errors import SourceError


@dataclass(frozen=True)
class SideList:
    """A list in a file next to the data: what it is called, its place in a recipe, its numbers."""

    name: str
    place: str
    values: npt.NDArray[np.float64]

    @property
    def role(self) -> str:
        """What it lists: `t`, the name of an axis, or `mask`; empty if it is none of them."""
        if self.place.endswith(".npy") and self.values.ndim > 1 and MASK_NAME.search(self.name):
            return "mask"
        return "t" if TIME_NAME.fullmatch(self.name) else space_name(self.name)

    @property
    def header(self) -> ArrayInfo:
        """The list as an array of the data."""
        return ArrayInfo(self.name, self.values.shape, "float64", ArrayStorage(), place=self.place)


@dataclass(frozen=True)
class ListsNextTo:
    """The files next to all runs, as lists and as names of channels."""

    runs: list[RunFiles]
    pattern: str

    def added_to(
        self, arrays: ArrayFile, listed: tuple[ArrayInfo, ...], states: int
    ) -> tuple[ArrayFile, tuple[ArrayInfo, ...]]:
        """The data with the lists next to them that are as long as an axis.

        Lists of the data come first, then times in their attributes.
        """
        texts = dict(self._names())
        listed = tuple(with_channels(each, texts) for each in listed)
        taken = {_role(each.path.rpartition("/")[2]) for each in listed if len(each.values) == 1}
        taken |= {"mask" for each in listed if MASK_NAME.search(each.name)}
        lengths = {states, *chain.from_iterable(each.lengths for each in listed)} - {1}
        found: dict[str, SideList] = {}
        in_attributes = _lists_in_attributes(arrays, listed) if states == 1 else ()
        for each in chain(in_attributes, self._lists()):
            if each.role and each.role not in taken and each.values.shape[-1] in lengths:
                found.setdefault(each.role, each)
        if not found:
            return arrays, listed
        files = (arrays, *(ListFile(each.name, each.place, each.values) for each in found.values()))
        return CombinedFiles(files, {}), (*listed, *(each.header for each in found.values()))

    def _lists(self) -> Iterator[SideList]:
        """Yields the lists that are called as times or cell centres, and masks."""
        for path in self._paths:
            is_mask = path.suffix == ".npy" and MASK_NAME.search(path.stem)
            if path.suffix.lower() in PLAIN_SUFFIXES and (is_mask or _role(path.stem)):
                yield from _list_at(path, "", path.stem)
        for path, key, held in self._nodes():
            name = key.rpartition(".")[2]
            if isinstance(held, list) and _role(name):
                yield from _list_at(path, key, name)
            elif isinstance(held, list) and not key and held and isinstance(held[0], dict):
                for column in filter(_role, map(str, held[0])):
                    yield from _list_at(path, column, column)

    def _names(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yields the lists of names of channels."""
        for path, key, held in self._nodes():
            name = key.rpartition(".")[2] or path.stem
            if isinstance(held, list) and lists_names(name) and all(isinstance(word, str) for word in held):
                yield name, tuple(held)

    def _nodes(self) -> Iterator[tuple[Path, str, Node]]:
        for path in self._paths:
            try:
                tables = tables_in(path) if path.suffix.lower() in SUFFIXES else None
            except SourceError:
                continue
            for key, held in nodes_of(tables):
                yield path, key, held

    @cached_property
    def _paths(self) -> list[Path]:
        """The small files next to the first run that all runs have, the nearest first."""
        first = self.runs[0]
        files = chain.from_iterable(run.files for run in self.runs)
        own = {file.path for file in files}
        found: dict[str, Path] = {}
        for folder in folders_of(first.first, self.pattern):
            for path in sorted(folder.iterdir())[:MOST_FILES]:
                fits = path.suffix.lower() in (*PLAIN_SUFFIXES, *SUFFIXES) and path not in own
                if fits and path.is_file() and path.stat().st_size <= BYTES:
                    found.setdefault(path.name, path)
        return [path for name, path in found.items() if self._is_next_to_all(name)]

    def _is_next_to_all(self, name: str) -> bool:
        places = (find_side_file(run.first, name, self.pattern) for run in spread(self.runs))
        return all(place is not None for place in places)


def _role(name: str) -> str:
    return SideList(name, "", np.empty(0)).role


def _lists_in_attributes(arrays: ArrayFile, listed: tuple[ArrayInfo, ...]) -> Iterator[SideList]:
    """Yields the times in attributes of a file and of its arrays: `Q@times`."""
    if isinstance(arrays, CombinedFiles):
        return
    alone = (each.path for each in listed if each.fault is None and each.stored == each.path)
    for path in ("", *alone):
        for name, value in sorted(arrays.attributes(path).items()):
            numbers = list_in_attribute(value)
            if TIME_NAME.fullmatch(name) and len(numbers):
                yield SideList(name, f"{path}@{name}", numbers)


def _list_at(path: Path, key: str, name: str) -> Iterator[SideList]:
    """Yields the list of a file, if it is one: [L], or [N, L] with a row per trajectory; or a mask [*S]."""
    try:
        values = numbers_of_list(path, key)
    except SourceError:
        return
    if values.size == max(values.shape, default=0) > 1:
        values = values.reshape(-1)
    found = SideList(name, f"{path.name}#{key}" if key else path.name, values)
    if (values.ndim in (1, 2) or found.role == "mask") and values.size > 1:
        yield found
