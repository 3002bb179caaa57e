"""Sizes and options of the network, and presets of them."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import JsonValue, TypeAdapter, model_validator

from shards.schema import Natural, checked

# Far above all that was ever trained. A file with larger sizes would use up the memory before it fails.
LARGEST = {
    "hidden": 2**15,
    "heads": 2**10,
    "inner": 2**14,
    "mlp": 2**18,
    "blocks": 2**10,
    "plane_tokens": 2**12,
    "volume_tokens": 2**10,
}
# Names of the encoder and decoder for 1D and 2D data, and of those for 3D data.
STEMS: dict[Literal[2, 3], str] = {2: "plane", 3: "volume"}


@checked
class ModelSettings:
    """Sizes and options of the network; the defaults are the published choices.

    Source: arXiv 2511.15684, section 3 and table 2.
    """

    # Width of the tokens, E in the code.
    hidden: int
    heads: int
    # Channels between the two convolutions of the encoder, and of the decoder.
    inner: int
    # Width of the feed-forward layer: half of it gates the other half.
    mlp: int
    blocks: int
    drop_path: float = 0.05
    # Which data the model takes; there is an encoder and a decoder for each: see STEMS.
    dimensions: tuple[Literal[2, 3], ...] = (2, 3)
    # The most tokens of an axis of 2D and of 3D data; the stride follows from it.
    plane_tokens: int = 32
    volume_tokens: int = 16
    # If above 0, training draws the strides of each axis at random, among those that give at least this many
    # tokens, and a rollout uses them in turn.
    fewest_tokens: Natural = 0
    causal: bool = True
    rotary: Literal["published", "learned", "harmonic"] = "published"
    # Token grid (h, w, d) of an absolute position embedding, for a model that is fine-tuned on one grid.
    position_grid: tuple[int, int, int] | None = None
    # Whether the network sees the boundary of each cell: obstacles, and sides that are partly open.
    cell_flags: bool = False
    # The scalar `encoder_dummy` of the release, by which all fields are multiplied.
    field_scale: float = 1.0
    # Repeat the errors of the release at periodic seams, to compare with its numbers.
    released_seams: bool = False
    # Factor on the output layers of a new block, so that it starts as the identity.
    branch_scale: float = 1.1e-6
    # With k, the backward pass recomputes blocks 0, k, 2k, ..., encoder and decoder; with 0, nothing.
    checkpoint_every: int = 0

    @model_validator(mode="after")
    def _bounded(self) -> ModelSettings:
        """Raises ValueError for sizes that no model has: a hostile file may ask for terabytes."""
        for name, most in LARGEST.items():
            if getattr(self, name) > most:
                raise ValueError(f"{name} {getattr(self, name)} must be at most {most}")
        if min(self.plane_tokens, self.volume_tokens) < 1:
            raise ValueError("plane_tokens and volume_tokens must be at least 1")
        if not (math.isfinite(self.field_scale) and math.isfinite(self.branch_scale)):
            raise ValueError("field_scale and branch_scale must be finite")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> ModelSettings:
        """Raises ValueError, which names the fields, where sizes or options do not fit together."""
        if min(self.hidden, self.heads, self.inner, self.mlp, self.blocks) < 1:
            raise ValueError("hidden, heads, inner, mlp and blocks must be at least 1")
        if self.hidden % self.heads or self.head_width < 8:
            raise ValueError(
                f"hidden {self.hidden} with {self.heads} heads; expected a multiple, at least 8 per head"
            )
        if self.mlp % 2:
            raise ValueError(f"mlp {self.mlp} must be even, because half of it gates the other half")
        if self.position_grid and self.fewest_tokens:
            raise ValueError("position_grid is for one token grid; leave fewest_tokens at 0")
        if not 0 <= self.drop_path < 1:
            raise ValueError(f"drop_path {self.drop_path} must be in [0, 1)")
        if not self.dimensions or len(set(self.dimensions)) < len(self.dimensions):
            raise ValueError(f"dimensions {self.dimensions} must be 2, 3 or both, each once")
        return self

    @property
    def head_width(self) -> int:
        """Channels of each head."""
        return self.hidden // self.heads

    @property
    def identity(self) -> dict[str, JsonValue]:
        """The settings that results depend on: all except `checkpoint_every`."""
        every: dict[str, JsonValue] = TypeAdapter(ModelSettings).dump_python(self, mode="json")
        return {name: value for name, value in every.items() if name != "checkpoint_every"}


PRESETS = {
    "tiny": ModelSettings(hidden=96, heads=4, inner=16, mlp=384, blocks=3, drop_path=0.0),
    "small": ModelSettings(hidden=512, heads=8, inner=128, mlp=2048, blocks=12),
    "half": ModelSettings(hidden=1088, heads=16, inner=352, mlp=4352, blocks=30, checkpoint_every=2),
    "walrus": ModelSettings(hidden=1408, heads=16, inner=352, mlp=5632, blocks=40, checkpoint_every=2),
}
