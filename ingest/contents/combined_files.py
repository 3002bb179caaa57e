"""Reads files of one run that hold different arrays as one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from itertools import chain
from pathlib import Path

import numpy as np

from ingest.contents.axis_names import space_name
from ingest.contents.listing import ArrayInfo, list_arrays
from ingest.formats.arrays import Array, ArrayFile, holds, no_array, whole
from ingest.formats.open_any import located, open_arrays
from ingest.formats.packing import Attribute
from shards.errors import SourceError


@dataclass(frozen=True)
class CombinedFiles:
    """Arrays of several files by their paths; of lists that several hold, those of the first.

    `named` are the arrays that a recipe calls by the variable of their file, since each file calls its own
    the same: by that name, the file and the path there.
    """

    files: tuple[ArrayFile, ...]
    named: dict[str, tuple[ArrayFile, str]]

    @property
    def where(self) -> str:
        return self.files[0].where

    def names(self) -> tuple[str, ...]:
        held = set(self.named)
        for file in self.files:
            held.update(name for name in file.names() if (id(file), name) not in self._hidden)
        return tuple(sorted(held))

    @cached_property
    def _hidden(self) -> set[tuple[int, str]]:
        """The files, and the paths there, that are called by the variable of the file."""
        return {(id(file), path) for file, path in self.named.values()}

    def array(self, path: str) -> Array:
        holder, inner = self._holder(path)
        return holder.array(inner)

    def attribute(self, path: str, name: str) -> float | None:
        holder, inner = self._holder(path)
        return holder.attribute(inner, name)

    def attributes(self, path: str) -> dict[str, Attribute]:
        holder, inner = self._holder(path)
        return holder.attributes(inner)

    def dimensions(self, path: str) -> tuple[str, ...]:
        holder, inner = self._holder(path)
        return holder.dimensions(inner)

    def texts(self, path: str) -> tuple[str, ...]:
        holder, inner = self._holder(path)
        return holder.texts(inner)

    def caveats(self) -> dict[str, tuple[str, ...]]:
        if self.named:
            return {}
        found: dict[str, tuple[str, ...]] = {}
        for file in reversed(self.files):
            found |= file.caveats()
        return found

    def _holder(self, path: str) -> tuple[ArrayFile, str]:
        """The file that has the array or group of this path, and its path there."""
        if path in self.named:
            return self.named[path]
        for name, (file, inner) in self.named.items():
            if name.startswith(f"{path}/"):
                # The group of a variable is its file, or a group there.
                variable = name.removesuffix(f"/{inner}")
                return file, path.removeprefix(variable).removeprefix("/")
        for file in self.files:
            if holds(file.names(), path) and (id(file), path) not in self._hidden:
                return file, path
        raise no_array(self.where, path, self.names())


@contextmanager
def open_combined(paths: Sequence[Path], variables: Sequence[str]) -> Iterator[ArrayFile]:
    """Opens one file, or the files of several variables as one."""
    with ExitStack() as stack:
        files = tuple(stack.enter_context(open_arrays(located(path))) for path in paths)
        yield files[0] if len(files) == 1 else _combined(files, variables)


def _combined(files: tuple[ArrayFile, ...], variables: Sequence[str]) -> CombinedFiles:
    """The files as one, fields that several call the same by the variables of their files; so are meshgrids
    of coordinates that differ.
    """
    named: dict[str, tuple[ArrayFile, str]] = {}
    holders = Counter(chain.from_iterable(file.names() for file in files))
    # What is true of a path in all files is found once.
    differ, usual_shape = cache(partial(_differ, files)), cache(partial(_usual_shape, files))
    for file, variable in zip(files, variables, strict=True):
        for path in file.names():
            if holders[path] == 1:
                continue
            if len(file.names()) == 1:
                named[variable] = (file, path)
                continue
            is_own = _is_field(file, path) or differ(path)
            if is_own or _is_of_another_length(file, path, usual_shape(path)):
                named[f"{variable}/{path}"] = (file, path)
    return CombinedFiles(files, named)


def _is_of_another_length(file: ArrayFile, path: str, usual: tuple[int, ...]) -> bool:
    """Whether a list has another length than in most files: the times of a mean next to states."""
    return len(usual) == 1 and file.array(path).shape != usual


def _usual_shape(files: tuple[ArrayFile, ...], path: str) -> tuple[int, ...]:
    """The shape that an array has in most files; empty if one of them cannot be read."""
    try:
        shapes = Counter(file.array(path).shape for file in files if path in file.names())
    except SourceError:
        return ()
    return max(shapes, key=lambda shape: (shapes[shape], shape))


def _differ(files: tuple[ArrayFile, ...], path: str) -> bool:
    """Whether files hold different values in a meshgrid: each may have its own faces or centres of cells."""
    try:
        found = [file.array(path) for file in files if path in file.names()]
        if any(len(array.shape) < 2 for array in found):
            return False
        first, *others = map(whole, found)
    except SourceError:
        return False
    return not all(np.array_equal(first, other, equal_nan=True) for other in others)


def _is_field(file: ArrayFile, path: str) -> bool:
    """Whether an array is a field, and neither a list nor a meshgrid of coordinates."""
    try:
        lengths = [length for length in file.array(path).shape if length > 1]
    except SourceError:
        return False
    return len(lengths) > 1 and not space_name(path.rpartition("/")[2])


@contextmanager
def open_and_list(
    paths: Sequence[Path], variables: Sequence[str] = (), *, of_one_state: bool = False
) -> Iterator[tuple[ArrayFile, tuple[ArrayInfo, ...]]]:
    """Opens one file, or several as one, with their arrays by header."""
    with open_combined(paths, variables) as arrays:
        if not isinstance(arrays, CombinedFiles):
            yield arrays, list_arrays(arrays, located(paths[0]), of_one_state=of_one_state)
            return
        names = {(id(file), path): name for name, (file, path) in arrays.named.items()}
        listed: dict[str, ArrayInfo] = {}
        # Lists that differ: a recipe must say of which variable one is.
        apart = {path for _, path in arrays.named.values()} if len(variables) == len(paths) else set()
        for number, (file, path) in enumerate(zip(arrays.files, paths, strict=True)):
            for each in list_arrays(file, located(path), of_one_state=of_one_state):
                name = names.get((id(file), each.path), each.path)
                is_apart = name in apart and len(each.values) == 1
                place = f"{variables[number]}/{name}" if is_apart else each.place
                listed.setdefault(name, replace(each, path=name, place=place))
        yield arrays, tuple(listed.values())
