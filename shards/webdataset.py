"""Stages for a pipeline of webdataset: its tars in, windows of frames in physical units out.

    webdataset.WebDataset(urls, shardshuffle=100).compose(windows(frames=5, stride=2)).shuffle(1000)

Nothing is ever unpickled: the stage takes the members as bytes, so no `.decode()` stands before it.
Axes: T time, C channel, S space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shards.errors import SettingsError, ShardError
from shards.schema import Frames, Mask
from shards.webdataset_sample import Sample, decode_sample

MEMBERS = ("json", "grid.json", "fields.shard", "boundary.shard")
# Told of an error: True goes on with the next sample, False ends; it may raise the error itself.
Handler = Callable[[Exception], bool]


class WindowSample(NamedTuple):
    """One window in physical units, as arrays; `walrus.data.Sample` has the same names, as tensors.

    `fields` [T, C, *S] are the variable channels, `static` [C, *S] the constant ones, `boundary` [*S] the
    bits of each cell (shards.schema.Cell), `time` [T] is in the unit of the source, `scalars` are the
    parameters of the simulation.
    """

    fields: Frames
    static: Frames
    boundary: Mask
    time: npt.NDArray[np.float64]
    scalars: dict[str, float]
    dataset: str
    channels: tuple[str, ...]
    static_channels: tuple[str, ...]


def reraise(error: Exception) -> bool:
    """The handler that ends at the first error, as webdataset's own by default."""
    raise error


@dataclass(frozen=True)
class windows:  # noqa: N801  a stage reads as a verb, as those of webdataset do
    """Windows of `frames` frames, `stride` apart, one from every `every`-th frame of its trajectory on.

    A trajectory may be cut into several samples: windows that reach from one into the next are there too, as
    long as the samples come in the order of the tar (shuffle the windows, after this stage). A sample that is
    damaged or incomplete is a ShardError that names it, given to `handler` as everywhere in webdataset.
    Raises SettingsError where a number is below 1.
    """

    frames: int
    stride: int = 1
    every: int = 1
    handler: Handler = reraise

    def __post_init__(self) -> None:
        if min(self.frames, self.stride, self.every) < 1:
            raise SettingsError(
                f"windows: frames {self.frames}, stride {self.stride}, every {self.every}; "
                "expected 1 or more of each"
            )

    def __call__(self, samples: Iterable[Mapping[str, Any]]) -> Iterator[WindowSample]:
        """The windows of each sample, and those that reach from one segment of a trajectory into the next."""
        before: _Frames | None = None
        for sample in samples:
            try:
                now = _Frames.joined(before, _decoded(sample))
            except ShardError as error:
                before = None
                if self.handler(error):
                    continue
                return
            yield from self._of(now)
            before = now.last(self._reach)

    @property
    def _reach(self) -> int:
        """How far the last frame of a window is from its first."""
        return (self.frames - 1) * self.stride

    def _of(self, now: _Frames) -> Iterator[WindowSample]:
        """The windows that end in the frames that are new."""
        document = now.sample.document
        begin = max(now.first, now.first + now.known - self._reach)
        begin += -begin % self.every
        for first in range(begin, now.first + len(now.fields_TCS) - self._reach, self.every):
            chosen = slice(first - now.first, first - now.first + self._reach + 1, self.stride)
            times = document.trajectory.time[first : first + self._reach + 1 : self.stride]
            yield WindowSample(
                # A copy: a buffer that shuffles would keep the whole trajectory of each of its windows.
                now.fields_TCS[chosen].copy(),
                now.sample.static_CS,
                now.sample.boundary_S,
                np.array(times),
                dict(document.trajectory.scalars),
                document.dataset,
                document.channels,
                document.static_channels,
            )


@dataclass(frozen=True, eq=False)
class _Frames:
    """Frames `first`, ... of a trajectory; of the first `known` ones the windows are given already."""

    sample: Sample
    first: int
    fields_TCS: Frames
    known: int = 0

    @classmethod
    def joined(cls, before: _Frames | None, sample: Sample) -> _Frames:
        """Frames of a sample, behind the last ones of the sample before if both are of one trajectory."""
        document = sample.document
        own = cls(sample, document.first, sample.fields_TCS)
        if before is None or document.first == 0:
            return own
        known = before.sample.document
        follows = before.first + len(before.fields_TCS) == document.first
        if not follows or (known.dataset, known.trajectory) != (document.dataset, document.trajectory):
            return own
        joined = np.concatenate([before.fields_TCS, sample.fields_TCS])
        return cls(sample, before.first, joined, len(before.fields_TCS))

    def last(self, frames: int) -> _Frames:
        """The last so many frames."""
        kept = min(frames, len(self.fields_TCS))
        cut = len(self.fields_TCS) - kept
        return _Frames(self.sample, self.first + cut, self.fields_TCS[cut:])


def _decoded(sample: Mapping[str, Any]) -> Sample:
    """Raises ShardError, with sample and tar, where it is not one of ours or not whole."""
    where = f"{sample.get('__url__', 'sample')}: {sample.get('__key__', '')}"
    missing = [name for name in MEMBERS if name not in sample]
    if missing:
        raise ShardError(f"{where}: has no {', '.join(missing)}; the tar was cut, or is not of walrus-ingest")
    decoded = [name for name in MEMBERS if not isinstance(sample[name], bytes)]
    if decoded:
        raise ShardError(
            f"{where}: {decoded[0]} is decoded already; leave .decode() out, or put windows before it"
        )
    try:
        return decode_sample(sample)
    except KeyError as error:
        raise ShardError(f"{where}: has no {error.args[0]}; the tar was cut") from error
    except ShardError as error:
        raise ShardError(f"{where}: {error}; copy the tar here again") from error
