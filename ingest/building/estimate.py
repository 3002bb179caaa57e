"""Estimates size, files, memory and time of a build before anything is written."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ingest.building.checks import UnfitError
from ingest.building.frame_statistics import FrameStatistics
from ingest.building.memory import PROCESS_BYTES, SLAB_BYTES, Resources, process_bytes
from ingest.building.part import checked_frames, frame_units, read_slabs
from ingest.building.part_record import read_record
from ingest.building.plan import BuildPlan, Part
from ingest.source import find
from shards.card import Count, QuarantineEntry, count_by_split
from shards.counted import counted
from shards.errors import SourceError
from shards.program.byte_size import size_in_words
from shards.program.machine import keep_freed_memory
from shards.schema import Split, Trajectory
from shards.shard import shard_stream

SPEED_TEST_BYTES = 32 * 2**20


@dataclass(frozen=True)
class SpeedTest:
    """Time to read, check and encode a few frames; `fault` says why there are no frames."""

    file: str
    frames: int = 0
    bytes: int = 0
    encoded_bytes: int = 0
    seconds: float = 0.0
    fault: str = ""


@dataclass(frozen=True)
class BuildEstimate:
    """Estimated size, time and memory of a build; bytes are of the frames before they are encoded.

    `encoded_bytes` and `seconds` are computed from the trial and None if it failed; `seconds` count only the
    parts that are not done yet. `files` and `folders` together are the inodes that a quota counts.
    """

    folder: Path
    input_files: int
    input_bytes: int
    counts: dict[Split, Count]
    bytes: int
    parts: int
    done_parts: int
    shards: int
    files: int
    folders: int
    memory_bytes: int
    encoded_bytes: int | None
    seconds: float | None
    trial: SpeedTest
    left_out: tuple[QuarantineEntry, ...]
    caveats: tuple[str, ...]


def estimate_build(plan: BuildPlan, root: Path, resources: Resources) -> BuildEstimate:
    """Estimates the build of this plan below `root`; raises SettingsError if the memory is too small."""
    folder = root / plan.recipe.name
    trajectories = _trajectories(plan.parts)
    missing = [part for part in plan.parts if read_record(folder, part) is None]
    trial = run_speed_test(plan, (missing or plan.parts)[0].trajectories[0])
    total = _bytes(plan, trajectories)
    left = _bytes(plan, _trajectories(missing))
    rate = trial.seconds / trial.bytes if trial.bytes else None
    processes = max(1, min(resources.workers, len(missing)))
    memory = processes * process_bytes(plan.work, resources.slab_bytes(plan.work))
    if processes > 1:
        memory += PROCESS_BYTES
    files, folders = _inodes(plan, trajectories)
    return BuildEstimate(
        folder=folder,
        input_files=len(plan.inputs),
        input_bytes=sum(file.bytes for file in plan.inputs),
        counts=count_by_split((trajectory.split, trajectory.frames) for trajectory in trajectories),
        bytes=total,
        parts=len(plan.parts),
        done_parts=len(plan.parts) - len(missing),
        shards=sum(_segments(plan, t) for t in trajectories),
        files=files,
        folders=folders,
        memory_bytes=memory,
        encoded_bytes=total * trial.encoded_bytes // trial.bytes if trial.bytes else None,
        seconds=None if rate is None else left * rate / processes,
        trial=trial,
        left_out=plan.refused,
        caveats=plan.caveats,
    )


def run_speed_test(plan: BuildPlan, trajectory: Trajectory) -> SpeedTest:
    """Reads, checks and encodes the first frames of a trajectory, as a build does."""
    file, schema = plan.input(trajectory.origin.file), plan.schema
    frames = min(trajectory.frames, max(2, SPEED_TEST_BYTES // schema.frame_bytes))
    slots = frames * (schema.frame_shape[1] // plan.chunk[1])
    keep_freed_memory()
    began = time.perf_counter()
    try:
        with find(plan.recipe.source).open_file(file.place, plan.recipe) as opened:
            slabs = read_slabs(opened, trajectory.origin.row, frames, SLAB_BYTES // plan.read_frame_bytes)
            values = checked_frames(slabs, frame_units(plan), FrameStatistics(schema.channels))
            encoded = sum(map(len, shard_stream(values, slots, plan.chunk, plan.codec)))
    except (SourceError, UnfitError) as error:
        return SpeedTest(file.path, fault=str(error))
    return SpeedTest(file.path, frames, frames * schema.frame_bytes, encoded, time.perf_counter() - began)


def _trajectories(parts: Iterable[Part]) -> list[Trajectory]:
    return list(chain.from_iterable(part.trajectories for part in parts))


def _bytes(plan: BuildPlan, trajectories: list[Trajectory]) -> int:
    return sum(t.frames for t in trajectories) * plan.schema.frame_bytes


def _segments(plan: BuildPlan, trajectory: Trajectory) -> int:
    return -(-trajectory.frames // plan.shard_frames)


def _inodes(plan: BuildPlan, trajectories: list[Trajectory]) -> tuple[int, int]:
    """How many files and folders the finished dataset has, with card, index, recipe, lock and records."""
    splits = len({t.split for t in trajectories})
    files, folders = 4 + len(plan.parts), 2 + splits
    if plan.packaging == "webdataset":
        return files + len(plan.parts), folders

    # A zarr.json for the group of the dataset, and one for that of each split.
    files += 1 + splits
    space, static = len(plan.schema.grid.axes), bool(plan.schema.static_channels)
    arrays = 3 + space + static

    for trajectory in trajectories:
        segments = _segments(plan, trajectory)
        # One array is the fields, the others have one chunk each; every array and the group have a zarr.json.
        files += segments + (arrays - 1) + arrays + 1
        folders += 1 + 2 * arrays + segments * (space + 1) + (space - 1) + static * space

    return files, folders


def estimate_lines(found: BuildEstimate, workers: int) -> list[str]:
    """The estimate as lines of text."""
    counts = ", ".join(
        f"{c.trajectories} {split} ({counted(c.frames, 'frame')})" for split, c in found.counts.items()
    )
    done = f", {found.done_parts} done" if found.done_parts else ""
    encoded = "unknown" if found.encoded_bytes is None else f"about {size_in_words(found.encoded_bytes)}"
    seconds = "unknown" if found.seconds is None else f"about {found.seconds:.3g} s"
    shards = counted(found.shards, "shard")
    rows = [
        ("builds", str(found.folder)),
        ("from", f"{counted(found.input_files, 'file')}, {size_in_words(found.input_bytes)}"),
        ("trajectories", counts),
        ("frames", f"{size_in_words(found.bytes)}, encoded {encoded}"),
        ("parts", f"{found.parts}{done}"),
        ("writes", f"{shards} in {counted(found.files, 'file')} and {counted(found.folders, 'folder')}"),
        ("memory", f"at most {size_in_words(found.memory_bytes)}"),
        ("time", f"{seconds} on {counted(workers, 'process')}"),
        ("based on", _basis(found.trial)),
    ]
    return [f"{word:12}  {text}" for word, text in rows]


def _basis(trial: SpeedTest) -> str:
    if trial.fault:
        return f"nothing: {trial.fault}"
    took = f"read, checked and encoded in {trial.seconds:.3g} s by one process"
    return f"{trial.frames} frames of {trial.file} ({size_in_words(trial.bytes)}), {took}, without writing"
