"""A run's state on disk, the same for any number of ranks and any ZeRO stage: no pickle, nothing gathered.

    RUN/checkpoints/step-0001000/rank-00003.safetensors   the fragments that rank 3 had
    RUN/checkpoints/step-0001000/checkpoint.json          what the state belongs to; written last

A fragment is a run of elements of one flattened tensor, called KIND/NAME@START: kind `weight`, `average`, or
what the optimiser calls its own. A rank that loads reads the elements that it is to hold, from whichever
files they lie in.

The reasons are in docs/decisions/0017-fragments.md.
"""

from __future__ import annotations

import shutil
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
import torch.distributed as dist
from pydantic import JsonValue
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from shards.disk import TEMPORARY, settle, write_atomically
from shards.errors import MismatchError
from shards.json_text import dump, parse
from shards.schema import AtLeastOne, Natural, checked

CHECKPOINT = "checkpoint.json"
WEIGHT, AVERAGE = "weight", "average"
KEPT = 2

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
    """What a saved state belongs to.

    `updates` counts the optimiser's own steps for each parameter; earlier versions had one count for all.
    """

    step: Natural
    ranks: AtLeastOne
    updates: dict[str, Natural] | float
    identity: dict[str, dict[str, JsonValue]]

    def updates_of(self, name: str) -> int:
        """In how many steps of the optimiser a parameter has taken part."""
        return self.updates.get(name, 0) if isinstance(self.updates, dict) else int(self.updates)


def save(folder: Path, checkpoint: Checkpoint, fragments: Iterable[Fragment]) -> None:
    """Writes a checkpoint below `folder`; all ranks must call this, those without fragments too.

    The folder of the step gets its name when everything is in it, so whatever has a name is whole.
    """
    target = folder / f"step-{checkpoint.step:07d}"
    building = target.with_name(f"{TEMPORARY}{target.name}")
    rank = dist.get_rank()
    if rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f"{TEMPORARY}*"):
            shutil.rmtree(leftover)
        building.mkdir()
    dist.barrier()
    tensors = {f"{piece.kind}/{piece.name}@{piece.start}": _copy(piece.values) for piece in fragments}
    if tensors:
        path = building / f"rank-{rank:05d}.safetensors"
        save_file(tensors, path)
        settle(path)
    dist.barrier()
    if rank == 0:
        write_atomically(building / CHECKPOINT, dump(Checkpoint, checkpoint).encode())
        building.replace(target)
        settle(folder)
        for old in _steps(folder)[:-KEPT]:
            shutil.rmtree(old)
    dist.barrier()


def _copy(values: Tensor) -> Tensor:
    """On the CPU, in memory of its own."""
    return torch.empty(values.shape, dtype=values.dtype).copy_(values.detach())


def _steps(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


class RunCheckpoint:
    """The last whole checkpoint of a run, to be read from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkpoint = parse(Checkpoint, (folder / CHECKPOINT).read_bytes(), str(folder / CHECKPOINT))

    @classmethod
    def last(cls, folder: Path) -> RunCheckpoint | None:
        """None where there is none yet."""
        steps = _steps(folder)
        return cls(steps[-1]) if steps else None

    @cached_property
    def _index(self) -> dict[str, list[tuple[int, int, Path]]]:
        """Where the elements of each tensor lie: (start, stop, file), in order."""
        index: dict[str, list[tuple[int, int, Path]]] = {}
        for path in sorted(self.folder.glob("rank-*.safetensors")):
            with self._open(path) as file:
                for key in file.keys():  # noqa: SIM118  not a dict
                    tensor, _, start = key.rpartition("@")
                    (count,) = file.get_slice(key).get_shape()
                    index.setdefault(tensor, []).append((int(start), int(start) + count, path))
        return {tensor: sorted(places) for tensor, places in index.items()}

    def _open(self, path: Path) -> safe_open:
        try:
            return safe_open(path, framework="pt")
        except (OSError, SafetensorError) as error:
            raise MismatchError(
                f"{path}: cannot be read ({error}); remove {self.folder.name} to go on from the checkpoint before"
            ) from error

    def holds(self, kind: str, name: str) -> bool:
        return f"{kind}/{name}" in self._index

    def read(self, kind: str, name: str, start: int, count: int) -> Tensor:
        """Elements start ... start + count of a flattened tensor, on the CPU; raises MismatchError where some lack."""
        result = torch.empty(count)
        places = self._index.get(f"{kind}/{name}", [])
        at = start
        while at < start + count:
            number = bisect_right(places, at, key=lambda stretch: stretch[0]) - 1
            if number < 0 or places[number][1] <= at:
                raise MismatchError(
                    f"{self.folder}: holds no {kind} of {name} at element {at}; it belongs to another model"
                )
            first, last, path = places[number]
            stop = min(last, start + count)
            with self._open(path) as file:
                piece = file.get_slice(f"{kind}/{name}@{first}")[at - first : stop - first]
            result[at - start : stop - start] = piece
            at = stop
        return result

    def tensors(self, kind: str, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
        """Whole tensors of these names and shapes."""
        return {name: self.read(kind, name, 0, shape.numel()).view(shape) for name, shape in shapes.items()}
