"""What a recipe states about the published release: files that are left out, and its size."""

from __future__ import annotations

from shards.schema import AtLeastOne, checked


@checked
class Exclusion:
    """Files that are left out, by a pattern of their names, with the reason."""

    files: str
    reason: str


@checked
class ExpectedSize:
    """The size of the published release; differences are reported, not refused, because releases differ."""

    grid: tuple[AtLeastOne, ...] = ()
    frames: AtLeastOne | None = None
    trajectories: AtLeastOne | None = None
