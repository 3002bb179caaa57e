"""A run's state on disk, the same for any number of ranks and any ZeRO stage: no pickle, nothing gathered.

    RUN/checkpoints/step-0001000/rank-00003.safetensors   the fragments that rank 3 had
    RUN/checkpoints/step-0001000/checkpoint.json          what the state belongs to; written last

Only a folder `step-DIGITS` with a complete checkpoint.json of that step is a checkpoint; everything else in
the folder is neither read nor removed. The header of each file has the checksums of its fragments, and
checkpoint.json the sizes and the checksums of the headers: a cut file is found before the run continues, and
a flipped bit when it is read.

A fragment is a range of elements of one flattened tensor, called KIND/NAME@START. The kind is `weight`,
`average`, or the name of a state of the optimiser. A rank that resumes reads the elements that it needs, from
the files that have them.

walrus/training/checkpoint_writer.py writes them. The reasons are in docs/decisions/0017-fragments.md.
"""

from __future__ import annotations

import re
import shutil
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import google_crc32c
import torch
from pydantic import JsonValue
from safetensors import SafetensorError, safe_open
from torch import Tensor

from shards.disk import TEMPORARY, read_regular, write_atomically
from shards.errors import MismatchError, ShardError
from shards.json_text import dump_with_checksum, parse_proven
from shards.schema import AtLeastOne, Natural, checked
from walrus.weights_file import checksum, read_header

CHECKPOINT = "checkpoint.json"
WEIGHT, AVERAGE = "weight", "average"
KEPT = 2
# The number of checkpoints on the disk at once: those that are kept, and the one being written.
AT_ONCE = KEPT + 1
STEP = re.compile(r"step-(\d+)")
FILE = re.compile(r"rank-\d+\.safetensors")

# What a run is, by part and key: its data, and the settings that its numbers depend on.
Identity = Mapping[str, Mapping[str, JsonValue]]


@dataclass(frozen=True)
class Fragment:
    """Elements `start` ... of the flattened tensor `name`: a view of what this rank holds."""

    kind: str
    name: str
    start: int
    values: Tensor


@checked
class Checkpoint:
    """The document of a checkpoint: what its state belongs to.

    `updates` counts the optimiser's own steps for each parameter; earlier versions had one count for all.
    `sizes` are the bytes of each file, `headers` the crc32c of its header; earlier versions did not have
    them. Without `has_state` only this document is left, of a run that came to its end.
    """

    step: Natural
    ranks: AtLeastOne
    updates: dict[str, Natural] | float
    identity: dict[str, dict[str, JsonValue]]
    sizes: dict[str, Natural] = field(default_factory=dict)
    headers: dict[str, Natural] = field(default_factory=dict)
    has_state: bool = True

    def updates_of(self, name: str) -> int:
        """The number of optimiser steps in which a parameter had a gradient."""
        return self.updates.get(name, 0) if isinstance(self.updates, dict) else int(self.updates)


def remove_old(folder: Path) -> None:
    """Removes the whole checkpoints before the last two."""
    for old in whole_steps(folder)[:-KEPT]:
        _remove_step(old)


def _remove_step(step: Path) -> None:
    """Removes a checkpoint, if it holds only our files."""
    if _is_ours(step):
        # A folder that is half removed must not have the name of a checkpoint.
        aside = step.with_name(f"{TEMPORARY}{step.name}")
        step.rename(aside)
        shutil.rmtree(aside)


def _is_ours(step: Path) -> bool:
    """Whether it is a folder with our files only: not a link, and no file of the user in it."""
    names = {path.name for path in step.iterdir()}
    return not step.is_symlink() and all(name == CHECKPOINT or FILE.fullmatch(name) for name in names)


def leave_identity(folder: Path) -> None:
    """Removes the state from all checkpoints that hold only our files; their documents stay.

    The last document then says that it has no state; the checkpoints before it count as incomplete.
    """
    steps = whole_steps(folder)
    if steps and _is_ours(steps[-1]):
        # First the document: a run that is killed here has a checkpoint without state, not a damaged one.
        document = replace(_read(steps[-1]), sizes={}, headers={}, has_state=False)
        write_atomically(steps[-1] / CHECKPOINT, dump_with_checksum(Checkpoint, document))
    for step in filter(_is_ours, steps):
        for path in step.glob("rank-*.safetensors"):
            path.unlink()


def steps_of(folder: Path) -> list[Path]:
    """The folders that are named as a checkpoint, in the order of their steps, whole or not."""
    found = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        number = _number(path)
        if number is not None and path.is_dir():
            found[path] = number
    return sorted(found, key=lambda path: found[path])


def _number(path: Path) -> int | None:
    """The step in the name of a folder; None if it has another name."""
    named = STEP.fullmatch(path.name)
    return int(named[1]) if named else None


def _read(step: Path) -> Checkpoint:
    path = step / CHECKPOINT
    return parse_proven(Checkpoint, read_regular(path), str(path), "go on from an earlier checkpoint")


def fault_of(step: Path) -> str | None:
    """Why the folder of a step is not a complete checkpoint; None if it is one.

    Complete means that every file is there, none is cut, and all headers are as they were written.
    """
    try:
        checkpoint = _read(step)
        if _number(step) != checkpoint.step:
            return f"{CHECKPOINT} is of step {checkpoint.step}, as in a copy of it"
        for name, size in checkpoint.sizes.items():
            found = (step / name).stat().st_size
            if found != size:
                return f"{name} has {found} bytes instead of {size}"
        for name, crc32c in checkpoint.headers.items():
            if google_crc32c.value(read_header(step / name)) != crc32c:
                return f"the header of {name} has changed"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except ShardError as error:
        return str(error)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return None


def whole_steps(folder: Path) -> list[Path]:
    """The whole checkpoints of a run, in the order of their steps."""
    return [step for step in steps_of(folder) if fault_of(step) is None]


@dataclass(frozen=True, order=True)
class _StoredRange:
    """Elements `start` to `stop` of a flattened tensor, and the file that has them."""

    start: int
    stop: int
    path: Path


class RunCheckpoint:
    """A whole checkpoint of a run, to be read from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkpoint = _read(folder)
        self._checked: set[tuple[Path, str]] = set()

    @classmethod
    def last(cls, folder: Path) -> Self | None:
        """The last complete checkpoint; None if there is none yet."""
        steps = whole_steps(folder)
        return cls(steps[-1]) if steps else None

    @cached_property
    def _index(self) -> dict[str, list[_StoredRange]]:
        """Where the elements of each tensor are, in order."""
        index: dict[str, list[_StoredRange]] = {}
        for path in sorted(self.folder.glob("rank-*.safetensors")):
            with self._open(path) as file:
                for key in file.keys():  # noqa: SIM118  not a dict
                    tensor, _, start = key.rpartition("@")
                    (count,) = file.get_slice(key).get_shape()
                    stored = _StoredRange(int(start), int(start) + count, path)
                    index.setdefault(tensor, []).append(stored)
        return {tensor: sorted(places) for tensor, places in index.items()}

    def _open(self, path: Path) -> safe_open:
        try:
            read_header(path)
            return safe_open(path, framework="pt")
        except (OSError, SafetensorError) as error:
            raise MismatchError(f"{path}: cannot be read ({error}); {self._cure}") from error

    @property
    def _cure(self) -> str:
        return f"remove {self.folder.name} to go on from the checkpoint before"

    def _check(self, file: Any, path: Path, key: str) -> None:
        """Compares a fragment with its checksum, once; earlier versions wrote none."""
        wanted = (file.metadata() or {}).get(key)
        if wanted is None or (path, key) in self._checked:
            return
        if checksum(file.get_tensor(key)) != wanted:
            raise MismatchError(f"{path}: {key} differs from its checksum; {self._cure}")
        self._checked.add((path, key))

    def holds(self, kind: str, name: str) -> bool:
        return f"{kind}/{name}" in self._index

    def read(self, kind: str, name: str, start: int, count: int) -> Tensor:
        """Elements start ... start + count of a flattened tensor, on the CPU.

        Raises MismatchError if some are missing or damaged.
        """
        result = torch.empty(count)
        places = self._index.get(f"{kind}/{name}", [])
        at = start
        while at < start + count:
            number = bisect_right(places, at, key=lambda place: place.start) - 1
            if number < 0 or places[number].stop <= at:
                raise MismatchError(
                    f"{self.folder}: holds no {kind} of {name} at element {at}; it belongs to another model"
                )
            place = places[number]
            key, stop = f"{kind}/{name}@{place.start}", min(place.stop, start + count)
            with self._open(place.path) as file:
                self._check(file, place.path, key)
                piece = file.get_slice(key)[at - place.start : stop - place.start]
            result[at - start : stop - start] = piece
            at = stop
        return result

    def tensors(self, kind: str, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
        """The whole tensors with these names and shapes, on the CPU."""
        return {name: self.read(kind, name, 0, shape.numel()).view(shape) for name, shape in shapes.items()}
