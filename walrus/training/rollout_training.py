"""Train on forecasts of forecasts, so that a network knows its own errors before it meets them in a rollout.

A history ends with frames that the network itself has forecast; the loss asks for the change from there to
the truth. No gradient flows through those forecasts: docs/decisions/0090-rollout-training.md.

Source: the pushforward trick, arXiv 2202.03376, section 3.1.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from shards.schema import AtLeastOne, checked
from walrus.randomness import below


@checked
class RolloutSettings:
    """Each optimiser step asks for a frame 1 to `steps` steps ahead, drawn anew; 1: from true frames only.

    The first `begin` of the schedule, a share between 0 and 1, asks for one step: who cannot forecast one
    step learns nothing from two.
    """

    steps: AtLeastOne = 1
    begin: Annotated[float, Field(ge=0, le=1)] = 0.5

    @property
    def identity(self) -> dict[str, JsonValue]:
        """The settings that the losses depend on: none where all histories are true."""
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
