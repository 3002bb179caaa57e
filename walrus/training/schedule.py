"""The learning rate of each epoch: linear warm-up, inverse square root, cool-down to zero.

Source: the released schedule, arXiv 2511.15684 appendix B. As there, the rate drops at once at the start of
the cool-down.
"""

from __future__ import annotations

from math import sqrt

from shards.schema import AtLeastOne, NotNegative, Positive, checked


@checked
class ScheduleSettings:
    """Lengths are in epochs of `steps_an_epoch` optimiser steps.

    `rate` is the largest rate, at the end of the warm-up; `first_share` of it is the rate of the first epoch.
    A larger `offset` makes the rate fall more slowly after the warm-up.
    """

    rate: Positive = 2e-4
    epochs: AtLeastOne = 201
    steps_an_epoch: AtLeastOne = 500
    warm_up: AtLeastOne = 10
    cool_down: AtLeastOne = 10
    offset: NotNegative = 128
    first_share: NotNegative = 0.1

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole schedule."""
        return self.epochs * self.steps_an_epoch


def learning_rate(settings: ScheduleSettings, step: int) -> float:
    """The rate of an optimiser step, constant within an epoch."""
    return epoch_rate(settings, step // settings.steps_an_epoch)


def epoch_rate(s: ScheduleSettings, epoch: int) -> float:
    """The rate of epoch 0, 1, ...

    >>> settings = ScheduleSettings(rate=1e-3, epochs=40, steps_an_epoch=10, warm_up=10, cool_down=10)
    >>> [f"{epoch_rate(settings, epoch):.1e}" for epoch in (0, 5, 10, 39)]
    ['1.0e-04', '5.5e-04', '1.0e-03', '4.7e-05']
    """
    if epoch <= s.warm_up:
        return s.rate * (s.first_share + (1 - s.first_share) * epoch / s.warm_up)
    cooling = epoch - (s.epochs - s.cool_down)
    if cooling <= 0:
        return s.rate / (1 + sqrt(s.offset + epoch - s.warm_up) - sqrt(s.offset))
    lowest = s.rate / (1 + sqrt(s.offset + s.epochs - s.cool_down) - sqrt(s.offset))
    return lowest * max(0.0, 1 - sqrt((cooling - 1) / s.cool_down))
