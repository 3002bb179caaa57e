"""Fine-tuning: which weights of a trained network keep learning, and what is added to it.

Nothing that is added changes an output before the first step.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from shards.errors import SettingsError
from shards.schema import Natural, NotNegative, checked
from walrus.batch import Batch
from walrus.model.geometry import plan_axes
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.training.lora import adapt


@checked
class TuningSettings:
    """How a base model is prepared; the rates of its parts are settings of the engine (`blocks_factor`).

    Source: arXiv 2511.15684, appendix B.2, and the released fine-tuning script.
    """

    train: Literal["all", "encoder+decoder"] = "all"
    # Above 0, the matrices of the blocks rest and learn by adapters of this rank (walrus.training.lora).
    low_rank: Natural = 0
    # Rotary frequencies as parameters, a set for each axis, copied from the fixed ones.
    learned_rotary: bool = False
    # A learned vector for each token of the dataset's grid, from zero: for a domain whose frame matters.
    position: bool = False
    drop_path: NotNegative = 0.0


def tuned_settings(
    base: ModelSettings, tuning: TuningSettings, example: Batch, jitter: bool
) -> ModelSettings:
    """The network that goes on from `base` on data like the example.

    Raises SettingsError for learned frequencies where the base has harmonics, MismatchError where it cannot
    take the grid at all.
    """
    rotary = base.rotary
    if tuning.learned_rotary:
        if base.rotary == "harmonic":
            raise SettingsError(
                "tuning.learned_rotary: the base model's rotary is harmonic, whole numbers that cannot be "
                "learned; "
                "set it to false"
            )
        rotary = "learned"
    grid = token_grid(base, example, jitter) if tuning.position else base.position_grid
    return replace(base, rotary=rotary, position_grid=grid, drop_path=tuning.drop_path)


def token_grid(settings: ModelSettings, example: Batch, jitter: bool) -> tuple[int, int, int]:
    """Tokens along each axis of such data."""
    x, y, z = example.fields_BTCHWD.shape[3:]
    height, width, depth = plan_axes(settings, (x, y, z), example.boundaries, jitter)
    return height.tokens, width.tokens, depth.tokens


def prepare(network: Walrus, tuning: TuningSettings) -> None:
    """Sets what is to rest, and the adapters next to it."""
    if tuning.train == "encoder+decoder":
        network.blocks.requires_grad_(False)
    if tuning.low_rank:
        adapt(network.blocks, tuning.low_rank)
