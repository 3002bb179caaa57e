"""Choose how many cells a token covers along each axis: from the table, or another number in each pass.

A network that was trained with several token sizes can use any of them. A rollout that uses them in turn does
not repeat its errors at the same places. Source: controllable patching (arXiv 2507.09264).
"""

from __future__ import annotations

import torch

from walrus.model.geometry import STRIDES, Patching, Strides, patching_of
from walrus.model.settings import ModelSettings

Choices = tuple[tuple[Strides, ...], tuple[Strides, ...], tuple[Strides, ...]]


def patching_choices(settings: ModelSettings, shape: tuple[int, int, int]) -> Choices:
    """For each axis the strides of the table; with `fewest_tokens`, then all coarser ones that fit the axis.

    A coarser pair fits if its product divides the size of the axis, and gives at least `fewest_tokens`.
    """
    height, width, depth = (
        (finest, *_coarser(size, finest, settings.fewest_tokens))
        for size, finest in zip(shape, patching_of(settings, shape), strict=True)
    )
    return height, width, depth


def _coarser(size: int, finest: Strides, fewest: int) -> tuple[Strides, ...]:
    """The pairs with more cells per token than `finest` that fit an axis of this size."""
    if fewest == 0:
        return ()
    least = finest[0] * finest[1]
    fitting = [
        product
        for product in STRIDES
        if product > least and size % product == 0 and size // product >= fewest
    ]
    return tuple(STRIDES[product] for product in fitting)


def draw_patching(
    settings: ModelSettings, shape: tuple[int, int, int], generator: torch.Generator
) -> Patching:
    """Draw strides for each axis, all choices equally likely; an axis with one choice draws no number."""
    height, width, depth = (_draw(choices, generator) for choices in patching_choices(settings, shape))
    return height, width, depth


def _draw(choices: tuple[Strides, ...], generator: torch.Generator) -> Strides:
    if len(choices) == 1:
        return choices[0]
    return choices[int(torch.randint(len(choices), (), generator=generator))]


def cycle_patching(settings: ModelSettings, shape: tuple[int, int, int], step: int) -> Patching:
    """The strides of step `step` of a rollout: the choices of each axis in turn, starting with the finest."""
    height, width, depth = (choices[step % len(choices)] for choices in patching_choices(settings, shape))
    return height, width, depth
