"""A trained network given more channel names: old names keep their column and their effect, new ones start fresh."""

from __future__ import annotations

from math import sqrt

from torch import Tensor

from shards.errors import MismatchError
from walrus.vocabulary import SERVICE_CHANNELS, Vocabulary

CLOSED_AND_OPEN = 2
COLUMN_AXIS = {"first": 1, "second": 1, "bias": 0}


def grow(weights: dict[str, Tensor], old: Vocabulary, fresh: dict[str, Tensor], new: Vocabulary) -> dict[str, Tensor]:
    """`fresh`, the weights of a new network with the vocabulary `new`, with all that `weights` knows put in.

    The encoder multiplies its field columns by sqrt(fields / channels) at run time; the copied columns are divided
    by the growth of that factor, so that the outputs for old names do not change. Raises MismatchError unless `new`
    continues `old`.
    """
    if new.names[: len(old)] != old.names:
        raise MismatchError("vocabulary: the new one must begin with the old one; names keep their index for ever")
    return {name: _grown(name, weights[name], value, old, new) for name, value in fresh.items()}


def _grown(name: str, trained: Tensor, fresh: Tensor, old: Vocabulary, new: Vocabulary) -> Tensor:
    if trained.shape == fresh.shape:
        return trained
    stem, _, leaf = name.rpartition(".")
    axis = COLUMN_AXIS[leaf]
    kept = trained.clone()
    if stem.startswith("encoders"):
        service = len(SERVICE_CHANNELS)
        kept[:, CLOSED_AND_OPEN:] *= sqrt((len(old) - service) / (len(new) - service))
    grown = fresh.clone()
    grown.narrow(axis, 0, len(old)).copy_(kept)
    return grown
