"""Groups trajectories into parts: one process builds a part, and a part is rebuilt as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shards.index import Packaging
from shards.schema import SPLITS, Schema, Trajectory

PART_BYTES: dict[Packaging, int] = {"zarr": 64 * 2**20, "webdataset": 2**30}
# A part of the zarr packaging normally holds trajectories of one file. If a split has more than MANY_FILES,
# small files share a part up to this size, because each part waits for the disk
# (docs/decisions/0075-waiting-once-for-many-files.md).
MANY_FILES, SMALL_FILES_BYTES = 256, 2**20


def groups_of_parts(
    schema: Schema, packaging: Packaging, trajectories: Sequence[Trajectory]
) -> list[tuple[Trajectory, ...]]:
    """The trajectories of each part, one split after the other."""
    groups: list[tuple[Trajectory, ...]] = []
    for split in SPLITS:
        groups += _groups_of_split(schema, packaging, [each for each in trajectories if each.split == split])
    return groups


def _groups_of_split(
    schema: Schema, packaging: Packaging, chosen: Sequence[Trajectory]
) -> Iterator[tuple[Trajectory, ...]]:
    """Ends a part before it grows too large; for zarr also at the next file, unless many files are small."""
    files = len({trajectory.origin.file for trajectory in chosen})
    together = SMALL_FILES_BYTES if files > MANY_FILES else 0
    group: list[Trajectory] = []
    size = 0
    for trajectory in chosen:
        length = trajectory.frames * schema.frame_bytes
        other_file = bool(group) and group[-1].origin.file != trajectory.origin.file
        apart = packaging == "zarr" and other_file and size + length > together
        if group and (apart or size + length > PART_BYTES[packaging]):
            yield tuple(group)
            group, size = [], 0
        group.append(trajectory)
        size += length

    if group:
        yield tuple(group)
