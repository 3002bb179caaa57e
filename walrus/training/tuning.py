"""Fine-tuning: which weights of a trained network are trained, and what is added to it.

What is added does not change the output before the first step.
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
    # Above 0: train adapters of this rank instead of the matrices of the blocks (walrus.training.lora).
    low_rank: Natural = 0
    # Rotary frequencies as parameters, a set for each axis, copied from the fixed ones.
    learned_rotary: bool = False
    # A learned vector for each token of the grid, which starts at zero: helps if absolute position matters.
    position: bool = False
    drop_path: NotNegative = 0.0


def tuned_settings(
    base: ModelSettings, tuning: TuningSettings, example: Batch, *, jitter: bool
) -> ModelSettings:
    """The settings of the network that is fine-tuned from `base`, on data like the example.

    Raises SettingsError for learned frequencies if those of the base model are harmonic, MismatchError if
    the grid does not fit the model.
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
    grid = token_grid(base, example, jitter=jitter) if tuning.position else base.position_grid
    return replace(base, rotary=rotary, position_grid=grid, drop_path=tuning.drop_path)


def token_grid(settings: ModelSettings, example: Batch, *, jitter: bool) -> tuple[int, int, int]:
    """Tokens along each axis of data like the example."""
    x, y, z = example.fields_BTCHWD.shape[3:]
    height, width, depth = plan_axes(settings, (x, y, z), example.boundaries, jitter=jitter)
    return height.tokens, width.tokens, depth.tokens


def prepare(network: Walrus, tuning: TuningSettings) -> None:
    """Freezes the weights that are not trained, and adds the adapters."""
    if tuning.train == "encoder+decoder":
        network.blocks.requires_grad_(False)
    if tuning.low_rank:
        adapt(network.blocks, tuning.low_rank)
