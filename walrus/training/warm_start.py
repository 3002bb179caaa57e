"""Starts a larger network from a trained one: with more channel names, and parts that the trained one lacks.

Old names keep their columns and their effect, new names get new columns. A new part has no effect before it
is trained.
"""

from __future__ import annotations

from math import sqrt

from torch import Tensor

from shards.errors import MismatchError
from walrus.vocabulary import SERVICE_CHANNELS, Vocabulary

# What a larger network may have that the trained one lacks.
FREQUENCIES, POSITION = "rotary.frequencies_3R", "position.weight_hwdE"
CLOSED_AND_OPEN = 2
COLUMN_AXIS = {"first": 1, "second": 1, "bias": 0}


def grow(
    weights: dict[str, Tensor], old: Vocabulary, fresh: dict[str, Tensor], new: Vocabulary
) -> dict[str, Tensor]:
    """The weights of a new network (`fresh`, vocabulary `new`), with trained `weights` wherever they exist.

    The encoder multiplies its field columns by sqrt(fields / channels), which grows with the vocabulary; the
    trained columns are divided by this growth. New rotary frequencies start as the fixed ones, a position
    embedding at zero. So no output for old names changes. Raises MismatchError if `new` does not begin
    with `old`, or where the networks differ in other ways.
    """
    if new.names[: len(old)] != old.names:
        raise MismatchError("vocabulary: the new one must begin with the old one; a name must keep its index")
    return {name: _grown(name, weights.get(name), value, old, new) for name, value in fresh.items()}


def _grown(name: str, trained: Tensor | None, fresh: Tensor, old: Vocabulary, new: Vocabulary) -> Tensor:
    """One tensor of the larger network: the trained values, with fresh columns for new names."""
    if trained is None and name.endswith(FREQUENCIES):
        return fresh
    if trained is None and name == POSITION:
        return fresh.new_zeros(fresh.shape)
    stem, _, leaf = name.rpartition(".")
    if trained is None or (trained.shape != fresh.shape and leaf not in COLUMN_AXIS):
        found = "nothing" if trained is None else tuple(trained.shape)
        raise MismatchError(
            f"base model: {name} is {found}; expected {tuple(fresh.shape)}; start from a model of this "
            "architecture, or without tuning.position for one tied to another grid"
        )
    if trained.shape == fresh.shape:
        return trained
    axis = COLUMN_AXIS[leaf]
    kept = trained.clone()
    if stem.startswith("encoders"):
        service = len(SERVICE_CHANNELS)
        kept[:, CLOSED_AND_OPEN:] *= sqrt((len(old) - service) / (len(new) - service))
    grown = fresh.clone()
    grown.narrow(axis, 0, len(old)).copy_(kept)
    return grown
