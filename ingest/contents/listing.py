"""Lists the arrays of a file by their headers: path, shape, type, storage, and faults."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ingest.contents.axis_labels import with_labels
from ingest.contents.axis_names import unit_in_name, without_unit
from ingest.contents.channel_names import channel_names, lists_names
from ingest.contents.numbered_arrays import find_numbered_arrays
from ingest.contents.run_groups import groups_above, groups_of_runs, in_each_run
from ingest.contents.statistics import ArrayStatistics
from ingest.fields.reference_dates import OUR_CALENDARS
from ingest.formats import hdf5_storage as storage
from ingest.formats import hdf5_tree as tree
from ingest.formats.arrays import Array, ArrayFile, Arrays, Hdf5Arrays
from ingest.formats.dates import DateArray
from ingest.formats.npz import NpzMember
from ingest.formats.number_words import number_in_words
from ingest.formats.packing import Attribute
from ingest.formats.zarr_store import ZarrArray
from shards.errors import SourceError

# Filters of HDF5 by their registered numbers.
FILTERS = {
    1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scale-offset", 32000: "lzf",
    32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32013: "zfp", 32015: "zstd", 32026: "blosc2",
}  # fmt: skip
# The name of a type for which numpy has none.
RECORD = "record"
UNKNOWN = "?"
UNREAD = (RECORD, UNKNOWN)
# The attributes that describe an array; all others are ignored.
DESCRIBED_BY = (
    *("units", "unit", "axis", "standard_name", "positive", "long_name", "calendar"),
    *("bounds", "cell_methods", "MATLAB_class"),
)


@dataclass(frozen=True)
class ArrayStorage:
    """How an array is stored; None for what its kind of file does not state."""

    bytes: int | None = None
    chunks: tuple[int, ...] | None = None
    filters: tuple[str, ...] = ()


@dataclass(frozen=True)
class ArrayInfo:
    """An array by its header.

    `groups` counts the groups that hold arrays of the same names as its own, `run_group`, one for each run;
    `each_run` is what a recipe calls them, with a `*` for what differs;
    `steps` the arrays of `pattern`, one for each frame of a run. `dimensions` names its axes as the file
    does, `unlimited` numbers those that may grow.
    """

    path: str
    shape: tuple[int, ...] | None
    dtype: str
    storage: ArrayStorage
    fault: str | None = None
    groups: int = 1
    run_group: str = ""
    each_run: str = ""
    statistics: ArrayStatistics | None = None
    dimensions: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    unlimited: tuple[int, ...] = ()
    pattern: str = ""
    steps: int = 1
    # Whether it is a list of dates, in text or in numpy's datetime64.
    is_dates: bool = False
    # Names of the fields that it holds, one for each channel.
    channels: tuple[str, ...] = ()
    # Its path with `{split}`, if there is such an array for each of several splits.
    split_pattern: str = ""
    # Whether its first axis is that of trajectories for sure.
    has_runs_first: bool = False
    # Its place in a recipe, if it is a list in a file next to the data.
    place: str = ""

    @property
    def stored(self) -> str:
        """The name of the array in a recipe.

        >>> of_runs = {"groups": 3, "run_group": "a/run_1", "each_run": "a/*"}
        >>> ArrayInfo("a/run_1/u", (4, 9), "float32", ArrayStorage(), **of_runs).stored
        'a/*/u'
        >>> ArrayInfo("0/u", (4, 9), "float32", ArrayStorage(), pattern="{step}/u", steps=3).stored
        '{step}/u'
        """
        if self.place or self.pattern or self.split_pattern:
            return self.place or self.pattern or self.split_pattern
        if self.groups == 1:
            return self.path
        return self.each_run + self.path.removeprefix(self.run_group)

    @property
    def name(self) -> str:
        """The last word of the path that is not a number.

        >>> ArrayInfo("timeseries/b/50", (9,), "float32", ArrayStorage(), pattern="timeseries/b/{step}").name
        'b'
        """
        # Carpet: HYDROBASE::rho it={step} tl=0.
        plain = re.sub(r"\w+::| it={step}.*", "", self.pattern or self.split_pattern or self.path)
        plain = without_unit(plain)
        words = [re.sub(r"[-_.]?{(step|split)}[-_.]?", "", word) for word in plain.split("/")]
        words = [word for word in words if word and not re.fullmatch(r"\d+|[123]D", word)]
        # pyro and others keep each field in a group with one array `data`.
        if len(words) > 1 and words[-1] == "data":
            words.pop()
        # openPMD keeps the components of a field in its group, named as the axes.
        if len(words) > 1 and words[-1] in ("x", "y", "z", "r"):
            return "_".join(words[-2:])
        return words[-1] if words else "field"

    @property
    def unit(self) -> str:
        """The unit in the file, with the calendar if that is not ours; "1" is none. `x_mm` is in mm."""
        said = self.attributes.get("units", "") or self.attributes.get("unit", "")
        said = said or unit_in_name(self.path) or unit_in_name(self.name)
        calendar = self.attributes.get("calendar", "").lower()
        if " since " in said and calendar not in OUR_CALENDARS:
            return f"{said.strip()}, {calendar} calendar"
        return "" if said.strip() in ("1", "none", "dimensionless", "-", "") else said.strip()

    @property
    def lengths(self) -> tuple[int, ...]:
        """The shape, for a series with its number of states as first length."""
        shape = self.shape or ()
        return (self.steps, *shape) if self.pattern else shape

    @property
    def size(self) -> int:
        return math.prod(self.lengths)

    @property
    def values(self) -> tuple[int, ...]:
        """The lengths except those of 1 after the first, so that a column counts as a list."""
        first, *others = self.lengths or (1,)
        return (first, *(length for length in others if length != 1))


def list_arrays(arrays: ArrayFile, path: Path, *, of_one_state: bool = False) -> tuple[ArrayInfo, ...]:
    """The arrays by their headers; of series, and of equal groups that are runs, only the first.

    In a file that is one state of a run, groups alike are rather species: ions/n, electrons/n.
    """
    names = arrays.names()
    series = find_numbered_arrays(arrays, names)
    in_series = {name for each in series for name in each.members}
    alone = tuple(name for name in names if name not in in_series)

    firsts, others = groups_of_runs(alone, of_one_state=of_one_state)
    listed = []
    for name in alone:
        groups = groups_above(name)
        if others.isdisjoint(groups):
            of_runs = [group for group in groups if group in firsts]
            listed.append(_in_run(_listed(arrays, name, path), of_runs, firsts))
    for each in series:
        first = _listed(arrays, each.first, path)
        listed.append(replace(first, pattern=each.pattern, steps=len(each.members)))
    texts = _lists_of_names(arrays, alone)
    named = [with_channels(each, texts) for each in listed]
    return tuple(sorted(named, key=lambda each: each.path))


def _lists_of_names(arrays: ArrayFile, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The arrays of text that are called as lists of names, by the last word of their paths."""
    found = {}
    for name in names:
        last = name.rpartition("/")[2]
        words = arrays.texts(name) if lists_names(last) else ()
        if words:
            found[last] = words
    return found


def _in_run(each: ArrayInfo, of_runs: list[str], firsts: dict[str, int]) -> ArrayInfo:
    """The array with the groups of runs around it, from the outermost; each stands for several."""
    if not of_runs:
        return each
    count = math.prod(firsts[group] for group in of_runs)
    return replace(each, groups=count, run_group=of_runs[-1], each_run=in_each_run(of_runs[-1], firsts))


def with_channels(each: ArrayInfo, texts: dict[str, tuple[str, ...]]) -> ArrayInfo:
    """The array with the names of its channels, if an array of text lists as many."""
    shape = each.shape or ()
    names = channel_names(texts, shape) if len(shape) > 2 and not each.channels else ()
    return replace(each, channels=names) if names else each


def _listed(arrays: ArrayFile, name: str, path: Path) -> ArrayInfo:
    """The header of one array, or its fault if it cannot be read."""
    try:
        array = arrays.array(name)
        found = ArrayInfo(
            path=name,
            shape=array.shape,
            dtype=str(array.dtype),
            storage=_storage(arrays, array, name, path),
            is_dates=isinstance(array, DateArray),
        )
    except SourceError as error:
        return _unreadable(arrays, name, without_place(error, path, name))
    try:
        dimensions, attributes = arrays.dimensions(name), arrays.attributes(name)
    except SourceError:
        # Names that cannot be read count as absent.
        return found
    channels = channel_names(attributes, array.shape) or channel_names(arrays.attributes(""), array.shape)
    return replace(
        found,
        dimensions=with_labels(dimensions, attributes, len(array.shape)),
        attributes=_describing(attributes),
        unlimited=_unlimited(arrays, name),
        channels=channels if len(array.shape) > 2 else (),
    )


def _describing(attributes: Mapping[str, Attribute]) -> dict[str, str]:
    """The attributes that describe an array, as far as they are text that can be shown."""
    found = {}
    for key in DESCRIBED_BY:
        value = attributes.get(key)
        if isinstance(value, str) and value.isprintable():
            found[key] = value
    return found


def _unlimited(arrays: ArrayFile, name: str) -> tuple[int, ...]:
    """The numbers of the unlimited axes, if the format states them."""
    if not isinstance(arrays, Hdf5Arrays):
        return ()
    longest = tree.item(arrays.file, name).maxshape or ()
    return tuple(axis for axis, length in enumerate(longest) if length is None)


def without_place(error: Exception, path: Path | str, name: str) -> str:
    """The message of an error without the words that name the array."""
    words = str(error)
    for start in (f"{path}:", "/", f"{name}:"):
        words = words.removeprefix(start)
    return words.removeprefix(":").strip()


def _unreadable(arrays: Arrays, name: str, fault: str) -> ArrayInfo:
    """What is known about an array that cannot be read: it is damaged, or has a type unknown to h5py."""
    nothing = ArrayInfo(name, None, UNKNOWN, ArrayStorage(), fault)
    if not isinstance(arrays, Hdf5Arrays) or name in arrays.refused:
        return nothing
    dataset = tree.item(arrays.file, name)
    try:
        dtype = RECORD if dataset.dtype.names else str(dataset.dtype)
        return ArrayInfo(name, dataset.shape, dtype, _hdf5_storage(dataset), fault)
    except (OSError, RuntimeError, TypeError, ValueError, SourceError):
        return nothing


def _storage(arrays: Arrays, array: Array, name: str, path: Path) -> ArrayStorage:
    """How an array is stored: bytes, chunks and filters, if its format states them."""
    if isinstance(arrays, Hdf5Arrays):
        return _hdf5_storage(tree.item(arrays.file, name))
    if isinstance(array, ZarrArray):
        codecs = tuple(type(each).__name__.lower().removesuffix("codec") for each in array.array.compressors)
        return ArrayStorage(None, tuple(array.array.shards or array.array.chunks), codecs)
    if not isinstance(array, NpzMember):
        return ArrayStorage()
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{name}.npy")
    filters = () if member.compress_type == zipfile.ZIP_STORED else ("deflate",)
    return ArrayStorage(member.compress_size, None, filters)


def _hdf5_storage(dataset: Any) -> ArrayStorage:
    filters = tuple(FILTERS.get(code, f"filter {code}") for code, _ in storage.filters(dataset))
    return ArrayStorage(dataset.id.get_storage_size(), dataset.chunks, filters)


def root_numbers(arrays: ArrayFile, group: str = "") -> dict[str, float]:
    """The attributes of the file or of a group that are single numbers; raises SourceError if damaged."""
    found = {}
    for name, value in sorted(arrays.attributes(group).items()):
        # Names that begin so are the libraries' own.
        if name.startswith("_"):
            continue
        number = _single_number(value, name)
        if number is not None and math.isfinite(number):
            found[name] = number
    return found


def _single_number(value: Attribute, name: str) -> float | None:
    """The number that an attribute is, or holds as text; None if it is none or several."""
    if isinstance(value, str | tuple):
        return number_in_words(value, name)
    number = np.asarray(value)
    return float(number.item()) if number.size == 1 and number.dtype.kind in "biuf" else None
