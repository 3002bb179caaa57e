"""What a dataset is, in readable JSON: fields, grid, boundaries, moments, provenance, licence, quarantine."""

from __future__ import annotations

from dataclasses import field

from pydantic import model_validator

from shards.codec import CodecName
from shards.format_version import FORMAT, Format
from shards.moments import Moments
from shards.schema import FolderName, NotNegative, Schema, Split, checked
from shards.shard import cuts_the_frame


@checked
class Input:
    """One source file: its path below the source root, size, and a digest of evenly spaced blocks."""

    path: str
    bytes: int
    digest: str


@checked
class Quarantined:
    """A trajectory (or, with row None, a file) that was left out, and why."""

    path: str
    row: int | None
    reason: str


@checked
class ChannelMoments:
    """Train-split moments of one channel in physical units."""

    count: int
    mean: float
    std: float
    rms: float
    min: float
    max: float
    change_rms: float

    @classmethod
    def of(cls, moments: Moments) -> ChannelMoments:
        return cls(
            moments.count,
            moments.mean,
            moments.std,
            moments.rms,
            moments.lowest,
            moments.highest,
            moments.change_rms,
        )


@checked
class KeptError:
    """How far a stored value of one field may be, and is at most, from its source, in physical units."""

    allowed: NotNegative
    reached: NotNegative = 0.0


@checked
class Count:
    """How much a split holds."""

    trajectories: int = 0
    frames: int = 0


@checked
class Card:
    """A dataset: `powers` holds k of each field, whose values are stored divided by 2^k.

    `chunk` is the shape [C, *S] of a chunk.
    """

    name: FolderName
    title: str
    source: str
    schema: Schema
    powers: dict[str, int]
    codec: CodecName
    chunk: tuple[int, ...]
    moments: dict[str, ChannelMoments]
    counts: dict[Split, Count]
    licence: str
    citation: str
    home: str
    note: str
    correction: str
    differences: tuple[str, ...]
    repeated_frames: int
    quarantine: tuple[Quarantined, ...]
    inputs: tuple[Input, ...]
    recipe_digest: str
    format: Format = FORMAT
    # What decided the split of each trajectory, in words.
    split: tuple[str, ...] = ()
    # Of each variable field where values were rounded; empty where every bit is kept.
    errors: dict[str, KeptError] = field(default_factory=dict)
    # What its user should know of the input files: values rounded by a lossy filter, chunks that were absent.
    caveats: tuple[str, ...] = ()

    @property
    def checked_chunks(self) -> bool:
        """Does every chunk end in its checksum?"""
        return self.format >= 2

    @model_validator(mode="after")
    def _chunk_cuts_a_frame(self) -> Card:
        if not cuts_the_frame(self.chunk, self.schema.frame_shape):
            raise ValueError(f"chunk {list(self.chunk)} does not cut frames {list(self.schema.frame_shape)}")
        return self
