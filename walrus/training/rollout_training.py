"""Settings to train on forecasts that start from forecasts, so that the network learns to correct its errors.

The last frames of a history are then forecasts of the network itself; the loss compares the change from there
with the truth. No gradient flows through those forecasts: docs/decisions/0090-rollout-training.md.

Source: the pushforward trick, arXiv 2202.03376, section 3.1.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from shards.schema import AtLeastOne, checked
from walrus.randomness import below


@checked
class RolloutSettings:
    """Each optimiser step draws how many steps ahead it forecasts, from 1 to `steps`; 1: from true frames.

    During the first part of the schedule, a share `begin` from 0 to 1, it is always one step, because a
    network must forecast one step well before it can learn from two.
    """

    steps: AtLeastOne = 1
    begin: Annotated[float, Field(ge=0, le=1)] = 0.5

    @property
    def identity(self) -> dict[str, JsonValue]:
        """The settings that the losses depend on: none if all frames of the histories are true."""
        return {"rollout": [self.steps, self.begin]} if self.steps > 1 else {}


ONE_STEP = RolloutSettings()


def steps_ahead(settings: RolloutSettings, progress: float, seed: int, step: int) -> int:
    """How many steps ahead optimiser step `step` forecasts; the same for all its micro-batches and ranks.

    `progress` is the share of the schedule that is done.

    >>> settings = RolloutSettings(steps=3, begin=0.5)
    >>> [steps_ahead(settings, step / 10, 0, step) for step in range(10)]
    [1, 1, 1, 1, 1, 2, 2, 1, 3, 1]
    """
    if progress < settings.begin:
        return 1
    return 1 + below(settings.steps, seed, "rollout", step)
