"""A stage for pipelines of webdataset: takes samples of our tars, yields windows of frames in physical units.

    webdataset.WebDataset(urls, shardshuffle=100).compose(windows(frames=5, stride=2)).shuffle(1000)

Nothing is ever unpickled: the stage decodes the bytes of the members, so the pipeline must not call
`.decode()` before it. Axes: T time, C channel, S space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shards.errors import SettingsError, ShardError
from shards.schema import Frames, Mask
from shards.webdataset_sample import TarSample, decode_sample

MEMBERS = ("json", "grid.json", "fields.shard", "boundary.shard")
# Receives an error: returns True to continue with the next sample, False to end, or raises the error.
Handler = Callable[[Exception], bool]


class WindowSample(NamedTuple):
    """One window in physical units, as arrays; `walrus.data.Sample` has tensors under the same names.

    `fields` [T, C, *S] are the variable channels, `static` [C, *S] the constant ones, `boundary` [*S] the
    bits of each cell (shards.schema.Cell), `time` [T] in the unit of the source, `scalars` the parameters of
    the simulation.
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
    """Raises the first error, as webdataset does by default."""
    raise error


@dataclass(frozen=True)
class windows:  # noqa: N801  a stage reads as a verb, as those of webdataset do
    """Windows of `frames` frames, `stride` frames apart; a window starts at every `every`-th frame.

    A trajectory may be cut into several samples. Windows across two samples are included if the samples come
    in the order of the tar, so shuffle the windows, after this stage. For a damaged or incomplete sample,
    `handler` receives a ShardError that names it. Raises SettingsError if a number is below 1.
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
        """Yields the windows of each sample, and those across two samples of a trajectory."""
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
        """The number of frames from the first to the last frame of a window."""
        return (self.frames - 1) * self.stride

    def _of(self, now: _Frames) -> Iterator[WindowSample]:
        """The windows that end in the new frames."""
        document = now.sample.document
        begin = max(now.first, now.first + now.known - self._reach)
        begin += -begin % self.every

        for first in range(begin, now.first + len(now.fields_TCS) - self._reach, self.every):
            chosen = slice(first - now.first, first - now.first + self._reach + 1, self.stride)
            times = document.trajectory.time[first : first + self._reach + 1 : self.stride]
            yield WindowSample(
                # A copy, because a view would keep the whole trajectory in a shuffle buffer.
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
    """Frames of a trajectory from `first` on; the windows that end in the first `known` ones were given."""

    sample: TarSample
    first: int
    fields_TCS: Frames
    known: int = 0

    @classmethod
    def joined(cls, before: _Frames | None, sample: TarSample) -> _Frames:
        """The frames of a sample, after the last ones of the sample before if it is the same trajectory."""
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
        """The last `frames` frames."""
        kept = min(frames, len(self.fields_TCS))
        cut = len(self.fields_TCS) - kept
        return _Frames(self.sample, self.first + cut, self.fields_TCS[cut:])


def _decoded(sample: Mapping[str, Any]) -> TarSample:
    """Decodes a sample; raises ShardError, with tar and key, if it is not one of ours or incomplete."""
    where = f"{sample.get('__url__', 'sample')}: {sample.get('__key__', '')}"
    missing = [name for name in MEMBERS if name not in sample]
    if missing:
        raise ShardError(
            f"{where}: has no {', '.join(missing)}; the tar was cut, or is not ours: copy it here again"
        )

    decoded = [name for name in MEMBERS if not isinstance(sample[name], bytes)]
    if decoded:
        raise ShardError(
            f"{where}: {decoded[0]} is decoded already; remove .decode(), or move it after windows"
        )

    try:
        return decode_sample(sample)
    except KeyError as error:
        raise ShardError(f"{where}: has no {error.args[0]}; the tar was cut") from error
    except ShardError as error:
        raise ShardError(f"{where}: {error}; copy the tar here again") from error
