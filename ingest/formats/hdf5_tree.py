"""Lists the groups and datasets of an untrusted HDF5 file, and finds those that are outside the file.

Each group is visited once, and no link is followed out of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h5py

from ingest.formats.hdf5_errors import reading, where
from ingest.formats.hdf5_virtual import virtual_fault
from shards.errors import SourceError


def outside_data(file: h5py.File) -> dict[str, str]:
    """Path to fault of everything that is not in the file itself."""
    with reading(file):
        root = file["/"]
    faults = ((path, _outside(link, item)) for path, link, item in _members(root))
    return {path: fault for path, fault in faults if fault is not None}


def _outside(link: Any, item: Any) -> str | None:
    if isinstance(link, h5py.ExternalLink):
        return (
            f"an external link to {link.path} in {link.filename}; expected data in the file itself; copy it "
            "in with h5repack or h5copy"
        )
    return _outside_storage(item) if isinstance(item, h5py.Dataset) else None


def _members(top: h5py.Group) -> Iterator[tuple[str, Any, Any]]:
    """Yields (path, link, item) of everything below; item is None unless the link is a hard link."""
    seen: set[h5py.Group] = set()
    waiting = [("", top)]
    while waiting:
        prefix, group = waiting.pop()
        if group in seen:
            continue
        seen.add(group)
        for name in child_names(group):
            with reading(group):
                link = group.get(name, getlink=True)
                item = group[name] if isinstance(link, h5py.HardLink) else None
            if isinstance(item, h5py.Group):
                waiting.append((f"{prefix}{name}/", item))
            yield prefix + name, link, item


def _outside_storage(dataset: h5py.Dataset) -> str | None:
    """The fault of a dataset with values in other files; None if all are in this file.

    Virtual datasets of files in the same folder are allowed: they are read as if they were in this file.
    """
    with reading(dataset):
        elsewhere = [str(name) for name, *_ in dataset.external or ()]
        virtual = dataset.is_virtual
    if virtual:
        return virtual_fault(dataset)
    if not elsewhere:
        return None
    places = ", ".join(elsewhere[:3])
    return f"raw storage outside the file, of {places}; expected data in the file; copy it in with h5repack"


def child_names(group: h5py.Group) -> tuple[str, ...]:
    """The names of all members of a group, in alphabetical order."""
    with reading(group):
        names = list(group)
    strange = next((name for name in names if isinstance(name, bytes)), None)
    if strange is not None:
        raise SourceError(
            f"{where(group)}: holds {strange!r}, a name that is not UTF-8; rename it, or leave it out"
        )
    return tuple(sorted(names))


def child_group(parent: h5py.Group, name: str) -> h5py.Group | None:
    """The group with this name, None if absent; raises SourceError if a dataset has this name."""
    with reading(parent):
        item = parent.get(name)
    if item is not None and not isinstance(item, h5py.Group):
        raise SourceError(f"{where(parent)}: {name} is a dataset; expected a group")
    return item


def dataset_names(group: h5py.Group) -> tuple[str, ...]:
    """The paths of all datasets below, such as `group/name`, sorted; soft links to datasets count too."""
    names = []
    for path, link, item in _members(group):
        with reading(group):
            target = group.get(path) if isinstance(link, h5py.SoftLink) else item
        if isinstance(target, h5py.Dataset):
            names.append(path)
    return tuple(sorted(names))


def own_dataset_names(group: h5py.Group) -> tuple[str, ...]:
    """The paths of all datasets below that are reached by hard links only, sorted."""
    return tuple(path for path, _ in own_datasets(group))


def own_datasets(group: h5py.Group) -> list[tuple[str, h5py.Dataset]]:
    """The same paths with their datasets, which may have any type."""
    found = [(path, item) for path, _, item in _members(group) if isinstance(item, h5py.Dataset)]
    return sorted(found, key=lambda named: named[0])


def item(group: h5py.Group, path: str) -> h5py.HLObject:
    """The group or dataset at `path` (empty: the group itself); raises SourceError if there is none."""
    with reading(group):
        found = group.get(path) if path else group
    if found is None:
        raise SourceError(
            f"{where(group)}: no dataset or group {path}; found "
            f"{', '.join(child_names(group)[:12]) or 'nothing'}"
        )
    return found


def dimension_names(dataset: h5py.Dataset) -> tuple[str, ...]:
    """The name of each axis: that of its dimension scale, otherwise its label, otherwise empty."""
    names = []
    with reading(dataset):
        if dataset.is_scale and len(dataset.shape) == 1:
            return ((dataset.name or "").rpartition("/")[2],)
        for dimension in dataset.dims:
            scales = [scale.name for scale in dimension.values()]
            names.append(scales[0].lstrip("/") if scales and scales[0] else dimension.label)
    return tuple(names)
