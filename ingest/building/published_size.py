"""Estimates a build from the sizes in a recipe, before its files are fetched."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ingest.building.plan import SHARD_BYTES
from ingest.recipe import Recipe
from shards.counted import counted
from shards.errors import SettingsError
from shards.program.byte_size import size_in_words

FLOAT32_BYTES = 4


@dataclass(frozen=True)
class PublishedSize:
    """What the published release holds; bytes are of the frames as float32, before they are encoded."""

    dataset: str
    grid: tuple[int, ...]
    trajectories: int
    frames: int
    channels: int
    bytes: int
    shards: int


def published_size(recipe: Recipe) -> PublishedSize:
    """The size of a dataset by its recipe; raises SettingsError if `[expected]` does not state it."""
    grid, frames, trajectories = recipe.expected.grid, recipe.expected.frames, recipe.expected.trajectories
    if not grid or frames is None or trajectories is None:
        raise SettingsError(
            f"{recipe.name}: the recipe states no grid, frames and trajectories in [expected]; name the "
            "files with --from PATH"
        )
    changing = [each.spec for each in recipe.fields if not each.constant]
    channels = sum(len(spec.components(recipe.axes)) for spec in changing)
    frame_bytes = channels * math.prod(grid) * FLOAT32_BYTES
    shards_each = math.ceil(frames / max(1, SHARD_BYTES // frame_bytes))
    return PublishedSize(
        dataset=recipe.name,
        grid=grid,
        trajectories=trajectories,
        frames=trajectories * frames,
        channels=channels,
        bytes=trajectories * frames * frame_bytes,
        shards=trajectories * shards_each,
    )


def published_size_lines(found: PublishedSize) -> list[str]:
    """The size as a person reads it."""
    cells = " x ".join(map(str, found.grid))
    rows = [
        ("published", f"{counted(found.trajectories, 'trajectory')}, {counted(found.frames, 'frame')}"),
        ("a frame", f"{found.channels} channels on {cells} cells"),
        ("frames", f"{size_in_words(found.bytes)} as float32, before they are encoded"),
        ("writes", f"about {found.shards:,} shards"),
    ]
    return [f"{word:12}  {text}" for word, text in rows]
