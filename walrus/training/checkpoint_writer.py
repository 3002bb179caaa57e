"""Writes the checkpoints of a run while it trains: a step waits for the copy of the state, not for the disk.

    begin     all ranks copy their state; a thread of each rank writes the copy
    finish    all ranks have written; rank 0 gives the folder of the step its name

The threads do not communicate with other ranks: ranks agree between two steps, when all of them are there.
The files are described in walrus/training/run_checkpoint.py, the reasons are in
docs/decisions/0135-checkpoints-during-training.md.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread

import google_crc32c
import torch
import torch.distributed as dist
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from shards.disk import TEMPORARY, settle, write_atomically
from shards.errors import MismatchError
from shards.json_text import dump_with_checksum
from shards.program.side_task import SideTask
from walrus.training.distributed import sum_over_ranks
from walrus.training.run_checkpoint import CHECKPOINT, Checkpoint, Fragment, remove_old
from walrus.weights_file import checksums, read_header

UNFINISHED = re.compile(rf"{re.escape(TEMPORARY)}step-\d+")


@dataclass(frozen=True)
class WrittenFile:
    """The file of a rank: its size in bytes, and the crc32c of its header; zeros if it has no file."""

    size: int = 0
    header: int = 0


@dataclass(frozen=True)
class _CheckpointInProgress:
    """A checkpoint that is being written, and what the thread of this rank will return."""

    checkpoint: Checkpoint
    written: Future[WrittenFile]


class CheckpointWriter:
    """Writes checkpoints below `folder`, one at a time. All ranks must call `begin` and `finish` together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._begun: _CheckpointInProgress | None = None
        # Pinned memory takes long to allocate: it is kept for the next checkpoint.
        self._copies: dict[str, Tensor] = {}

    def begin(self, checkpoint: Checkpoint, fragments: Iterable[Fragment]) -> None:
        """Copies the fragments of this rank, and starts to write them; waits for an earlier checkpoint."""
        self.finish()
        building = self._building(checkpoint)
        if dist.get_rank() == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            SideTask("removal of unfinished checkpoints").do(lambda: _remove_unfinished(self.folder))
            building.mkdir()
        copies = copies_of(fragments, self._copies)
        dist.barrier()
        path = building / _file_of(dist.get_rank())
        self._begun = _CheckpointInProgress(checkpoint, in_a_thread(lambda: _write(path, copies)))
        self._copies = copies

    @property
    def is_writing(self) -> bool:
        """Whether this rank is still writing its part; raises the error that ended its thread."""
        if self._begun is None:
            return False
        if not self._begun.written.done():
            return True
        self._begun.written.result()
        return False

    def finish(self) -> None:
        """Waits until all ranks have written; then the folder of the step gets its name.

        So a folder with such a name is complete. Does nothing if no checkpoint is being written. Raises the
        error that ended the thread of this rank: MismatchError or OSError.
        """
        if self._begun is None:
            return
        checkpoint, written = self._begun.checkpoint, self._begun.written.result()
        sizes, headers = _of_all_ranks(written.size), _of_all_ranks(written.header)
        if dist.get_rank() == 0:
            files = [rank for rank, size in enumerate(sizes) if size]
            whole = replace(
                checkpoint,
                sizes={_file_of(rank): sizes[rank] for rank in files},
                headers={_file_of(rank): headers[rank] for rank in files},
            )
            building, target = self._building(checkpoint), self.folder / _name_of(checkpoint)
            write_atomically(building / CHECKPOINT, dump_with_checksum(Checkpoint, whole))
            _set_aside(target)
            building.replace(target)
            settle(self.folder)
            SideTask("removal of old checkpoints").do(lambda: remove_old(self.folder))
        self._begun = None
        dist.barrier()

    def _building(self, checkpoint: Checkpoint) -> Path:
        return self.folder / f"{TEMPORARY}{_name_of(checkpoint)}"


def copies_of(fragments: Iterable[Fragment], before: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of the values of fragments, on the CPU, by name; in the memory of earlier copies if it fits.

    Those from a GPU are in pinned memory, and complete when this returns.
    """
    copies = {}
    for piece in fragments:
        key = f"{piece.kind}/{piece.name}@{piece.start}"
        values = piece.values.detach()
        copy = before.get(key)
        if copy is None or copy.shape != values.shape or copy.dtype != values.dtype:
            copy = torch.empty(values.shape, dtype=values.dtype, pin_memory=values.is_cuda)
        copies[key] = copy.copy_(values, non_blocking=True)
    if torch.cuda.is_available():
        torch.cuda.current_stream().synchronize()
    return copies


def in_a_thread(act: Callable[[], WrittenFile]) -> Future[WrittenFile]:
    """Calls `act` in a thread; its result, or its error, is in the future. The process may end earlier."""
    future: Future[WrittenFile] = Future()

    def run() -> None:
        try:
            future.set_result(act())
        # The main thread raises every error again.
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, name="checkpoint", daemon=True).start()
    return future


def _write(path: Path, tensors: dict[str, Tensor]) -> WrittenFile:
    """Writes one file and waits for the disk."""
    if not tensors:
        return WrittenFile()
    try:
        save_file(tensors, path, checksums(tensors))
    except SafetensorError as error:
        raise MismatchError(
            f"{path}: cannot be written ({error}); make room there, then the same command continues from the "
            "last checkpoint"
        ) from error
    # The library makes files that only their owner can read; the user may have chosen otherwise by umask.
    path.chmod(path.parent.stat().st_mode & 0o666)
    settle(path)
    return WrittenFile(path.stat().st_size, google_crc32c.value(read_header(path)))


def _name_of(checkpoint: Checkpoint) -> str:
    return f"step-{checkpoint.step:07d}"


def _file_of(rank: int) -> str:
    return f"rank-{rank:05d}.safetensors"


def _of_all_ranks(value: int) -> list[int]:
    """The value of each rank, by rank. When this returns, all ranks have called it."""
    own = dist.get_rank()
    mine = [float(value) if rank == own else 0.0 for rank in range(dist.get_world_size())]
    return [int(each) for each in sum_over_ranks(mine)]


def _remove_unfinished(folder: Path) -> None:
    """Removes what a killed run left: folders with all that is in them; of a link, only the link."""
    for leftover in folder.iterdir():
        if not UNFINISHED.fullmatch(leftover.name):
            continue
        if leftover.is_symlink() or not leftover.is_dir():
            leftover.unlink()
        else:
            shutil.rmtree(leftover)


def _set_aside(target: Path) -> None:
    """Renames an incomplete folder that has the name of the new checkpoint: we do not delete it."""
    number = 1
    while target.exists():
        aside = target.with_name(f"{target.name}-incomplete-{number}")
        if not aside.exists():
            target.rename(aside)
        number += 1
