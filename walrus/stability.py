"""Warn when a forecast leaves the range of its data, or stops changing.

Axes: T time, C channel, S space, X cells that count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from shards.card import ChannelMoments

# A field has left its range if it is this many times as far from its mean as in the window and the dataset.
GROWTH = 10.0
# A field has stopped if it changes less than this share of its change in the window and the dataset.
STILLNESS = 0.01

Kind = Literal["grew", "stopped"]
WORDS: dict[Kind, str] = {
    "grew": f"is more than {GROWTH:g} times as far from its mean as in the data",
    "stopped": f"changes less than {STILLNESS:g} of what it does in the data",
}


@dataclass(frozen=True)
class ForecastWarning:
    """What happened to a channel of a forecast, and the first step (from 1) at which it happened."""

    channel: str
    step: int
    kind: Kind

    @property
    def text(self) -> str:
        """The warning as a sentence for the user."""
        return f"{self.channel} {WORDS[self.kind]} from step {self.step} on; do not trust the forecast there"


class StabilityCheck:
    """Compares each frame of a forecast with the window that it started from, and with the dataset.

    `window_TCS` [T, C, *S] are the known frames in physical units, `moments` those of the dataset by channel,
    if known. Cells where `fluid_S` [*S] is False do not count.

    >>> import torch
    >>> window = torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]]])
    >>> check = StabilityCheck(["height"], window)
    >>> check.next(torch.tensor([[0.0, 30.0]]))
    (ForecastWarning(channel='height', step=1, kind='grew'),)
    >>> check.next(torch.tensor([[0.0, 30.0]]))
    (ForecastWarning(channel='height', step=2, kind='stopped'),)
    """

    def __init__(
        self,
        channels: Sequence[str],
        window_TCS: Tensor,
        moments: Mapping[str, ChannelMoments] | None = None,
        fluid_S: Tensor | None = None,
    ) -> None:
        self.channels = tuple(channels)
        self._fluid_S = fluid_S
        self._step = 0
        self._seen: set[tuple[str, Kind]] = set()
        self._dimensions = window_TCS.ndim - 2
        window_TCX = self._cells(window_TCS)
        self._last_CX = window_TCX[-1]
        self._mean_C = window_TCX.mean((0, 2))
        self._spread_C = _rms(window_TCX - self._mean_C[:, None], (0, 2))
        self._change_C = _rms(window_TCX.diff(dim=0), (0, 2))
        for c, name in enumerate(self.channels):
            known = (moments or {}).get(name)
            if known is not None:
                # The dataset varies around its own mean, which may be far from that of this window.
                allowed = known.std + abs(known.mean - float(self._mean_C[c]))
                self._spread_C[c] = max(float(self._spread_C[c]), allowed)
                self._change_C[c] = min(float(self._change_C[c]), known.change_rms)

    def next(self, frame_CS: Tensor) -> tuple[ForecastWarning, ...]:
        """New warnings about the next frame [C, *S] in physical units; of each kind one per channel."""
        self._step += 1
        frame_CX = self._cells(frame_CS)
        spread_C = _rms(frame_CX - self._mean_C[:, None], (1,))
        change_C = _rms(frame_CX - self._last_CX, (1,))
        self._last_CX = frame_CX
        # "Not below" instead of "above", so that not-a-number counts as grown.
        grew_C = ~(spread_C <= GROWTH * self._spread_C)
        stopped_C = change_C < STILLNESS * self._change_C
        return (*self._new("grew", grew_C), *self._new("stopped", stopped_C))

    def _new(self, kind: Kind, holds_C: Tensor) -> list[ForecastWarning]:
        names = [name for name, holds in zip(self.channels, holds_C.tolist(), strict=True) if holds]
        new = [name for name in names if (name, kind) not in self._seen]
        self._seen |= {(name, kind) for name in new}
        return [ForecastWarning(name, self._step, kind) for name in new]

    def _cells(self, values: Tensor) -> Tensor:
        """[..., C, X] where X are the cells that count, float64."""
        flat = values.double().flatten(-self._dimensions)
        return flat if self._fluid_S is None else flat[..., self._fluid_S.flatten()]


def _rms(values: Tensor, axes: tuple[int, ...]) -> Tensor:
    return values.square().mean(axes).sqrt()
