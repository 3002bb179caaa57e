"""The card of a dataset, readable JSON: schema, moments, inputs, licence, and what was left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

from pydantic import model_validator

from shards.codec import CodecName
from shards.format_version import FORMAT, Format
from shards.moments import Moments
from shards.schema import SPLITS, FolderName, NotNegative, Schema, Split, checked
from shards.shard import cuts_the_frame


@checked
class Input:
    """A source file: its path below the source root, its size, and a digest of evenly spaced blocks."""

    path: str
    bytes: int
    digest: str


@checked
class QuarantineEntry:
    """A trajectory that was left out, or a whole file (row None), with the reason."""

    path: str
    row: int | None
    reason: str


@checked
class ChannelMoments:
    """Moments of one channel over the train split, in physical units."""

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
    """The allowed and the largest error of the stored values of a field, in physical units."""

    allowed: NotNegative
    reached: NotNegative = 0.0


@checked
class Count:
    """The number of trajectories and frames of a split."""

    trajectories: int = 0
    frames: int = 0


def count_by_split(frames: Iterable[tuple[Split, int]]) -> dict[Split, Count]:
    """The count of every split, from the split and the number of frames of each trajectory.

    >>> count_by_split([("train", 5), ("test", 3), ("train", 4)])["train"]
    Count(trajectories=2, frames=9)
    """
    held = list(frames)
    counts = {}
    for split in SPLITS:
        own = [number for name, number in held if name == split]
        counts[split] = Count(len(own), sum(own))
    return counts


@checked
class Card:
    """The description of a dataset.

    `powers` holds k for each field: stored value = physical value / 2^k. `chunk` is the shape [C, *S] of a
    chunk. `quarantine` lists what was left out, `differences` how the files differ from the published
    release.
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
    quarantine: tuple[QuarantineEntry, ...]
    inputs: tuple[Input, ...]
    recipe_digest: str
    format: Format = FORMAT
    # The rules that decided the split of each trajectory, in words.
    split: tuple[str, ...] = ()
    # The errors of each variable field, if values were rounded; empty if every bit is kept.
    errors: dict[str, KeptError] = field(default_factory=dict)
    # Notes on the input files: values rounded by a lossy filter, chunks that are absent.
    caveats: tuple[str, ...] = ()

    @property
    def checked_chunks(self) -> bool:
        """Whether every chunk ends in its checksum."""
        return self.format >= 2

    @model_validator(mode="after")
    def _chunk_cuts_a_frame(self) -> Card:
        if not cuts_the_frame(self.chunk, self.schema.frame_shape):
            raise ValueError(f"chunk {list(self.chunk)} does not cut frames {list(self.schema.frame_shape)}")
        return self
