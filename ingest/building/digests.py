"""Digests of a recipe: of all its keys, and of those that decide the bytes of shards."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from typing import Any

from ingest.recipe import Recipe
from ingest.release import ExpectedSize
from shards.json_text import to_text


def recipe_digest(recipe: Recipe) -> str:
    """Digest of all keys of a recipe."""
    return digest_of(asdict(recipe))


def shard_digest(recipe: Recipe) -> str:
    """Digest of the keys that decide the bytes of shards; keys that only the card shows are left out."""
    correction = recipe.correction
    deciding = replace(
        recipe,
        title="",
        licence="",
        citation="",
        home="",
        note="",
        expected=ExpectedSize(),
        correction=None if correction is None else replace(correction, reason="it decides nothing"),
        exclude=tuple(replace(each, reason="") for each in recipe.exclude),
        fields=tuple(replace(field, unit="") for field in recipe.fields),
        time=None if recipe.time is None else replace(recipe.time, unit=_deciding_unit(recipe.time.unit)),
        coordinates={axis: replace(rule, unit="") for axis, rule in recipe.coordinates.items()},
    )
    return digest_of(asdict(deciding))


def _deciding_unit(unit: str) -> str:
    """A unit that counts from a date: times that count from another date are converted to it."""
    return unit if " since " in unit else ""


def digest_of(value: Any) -> str:
    """Digest of a value that JSON can write."""
    return hashlib.sha256(to_text(value).encode()).hexdigest()
