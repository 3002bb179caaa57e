"""Which forecasts an evaluation makes."""

from __future__ import annotations

from dataclasses import dataclass

from shards.schema import AtLeastOne, Split, checked


@dataclass(frozen=True)
class ForecastProtocol:
    """Which forecasts are made.

    A rollout begins at frame `start` (counted from 0) of a trajectory that reaches it, otherwise right after
    the `history`, and takes at most `longest` steps. A model with jitter is run once for each of `seeds`,
    and its errors are averaged. At most `at_once` windows are forecast together one step ahead; they share a
    draw of the jitter.
    """

    history: int
    start: int = 17
    longest: int = 60
    seeds: tuple[int, ...] = (0,)
    at_once: int = 8
    split: Split = "test"

    def rollout_frames(self, frames: int) -> range:
        """The frames that a rollout forecasts, of a trajectory with this many.

        >>> ForecastProtocol(history=3, start=5, longest=4).rollout_frames(20)
        range(5, 9)
        >>> ForecastProtocol(history=3, start=17).rollout_frames(12)
        range(3, 12)
        """
        first = self.start if self.history <= self.start < frames else self.history
        return range(first, min(frames, first + self.longest))


@checked
class EvaluationSettings:
    """Test forecasts: `start` is the first predicted frame of a rollout (the published choice is 17).

    A model with patch jitter is run with this many `seeds`, and its errors are averaged. At most `at_once`
    windows are forecast together.
    """

    start: AtLeastOne = 17
    longest: AtLeastOne = 60
    seeds: AtLeastOne = 1
    at_once: AtLeastOne = 8

    def protocol(self, history: int, split: Split = "test") -> ForecastProtocol:
        """The protocol of these settings for a model with this history."""
        return ForecastProtocol(
            history, self.start, self.longest, tuple(range(self.seeds)), self.at_once, split
        )
