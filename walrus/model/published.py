"""Convert the published weights to ours and back, name by name.

Only names and a few shapes differ. The release has a trained scalar, `encoder_dummy`, by which it multiplies
the fields before the first convolution. Ours is `ModelSettings.field_scale`, so that weights that are
converted there and back are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from shards.errors import MismatchError
from shards.program.settings import make
from walrus.model.rotary import published_frequencies
from walrus.model.settings import STEMS, ModelSettings
from walrus.model.walrus import Walrus

# Tensors by name, as in a state dict.
State = Mapping[str, Tensor]

# Published name to ours, inside an encoder, a decoder and a block.
ENCODER_NAMES = {
    "proj1.weight": "first",
    "norm1.weight": "first_norm.weight",
    "proj2.weight": "second",
    "norm2.weight": "second_norm.weight",
}
DECODER_NAMES = {
    "proj1.weight": "first",
    "norm1.weight": "first_norm.weight",
    "proj2.weight": "second",
    "proj2.bias": "bias",
}
BLOCK_NAMES = {
    "space_mixing.norm1.weight": "space.norm.weight",
    "space_mixing.fused_ff_qkv.weight": "space.fused.weight",
    "space_mixing.fused_ff_qkv.bias": "space.fused.bias",
    "space_mixing.ff_out.weight": "space.mlp_out.weight",
    "space_mixing.ff_out.bias": "space.mlp_out.bias",
    "space_mixing.attn_out.weight": "space.attention_out.weight",
    "space_mixing.q_norm.weight": "space.query_norm.weight",
    "space_mixing.q_norm.bias": "space.query_norm.bias",
    "space_mixing.k_norm.weight": "space.key_norm.weight",
    "space_mixing.k_norm.bias": "space.key_norm.bias",
    "time_mixing.norm1.weight": "time.norm.weight",
    "time_mixing.input_head.weight": "time.query_key_value.weight",
    "time_mixing.input_head.bias": "time.query_key_value.bias",
    "time_mixing.output_head.weight": "time.out.weight",
    "time_mixing.output_head.bias": "time.out.bias",
    "time_mixing.qnorm.weight": "time.query_norm.weight",
    "time_mixing.qnorm.bias": "time.query_norm.bias",
    "time_mixing.knorm.weight": "time.key_norm.weight",
    "time_mixing.knorm.bias": "time.key_norm.bias",
    "time_mixing.rel_pos_bias.relative_attention_bias.weight": "time.bias.table",
}
# Linear layers here, convolutions with a kernel of one cell in the release.
POINTWISE = ("time_mixing.input_head.weight", "time_mixing.output_head.weight")
FIELD_SCALE = "encoder_dummy"
POSITION = "ape"


def published_names(settings: ModelSettings) -> dict[str, str]:
    """Published name to ours, for each tensor that the release has too."""
    table: dict[str, str] = {}
    for dimensions in settings.dimensions:
        stem = STEMS[dimensions]
        table |= {
            f"embed.{dimensions}.{theirs}": f"encoders.{stem}.{ours}"
            for theirs, ours in ENCODER_NAMES.items()
        }
        table |= {
            f"debed.{dimensions}.{theirs}": f"decoders.{stem}.{ours}"
            for theirs, ours in DECODER_NAMES.items()
        }
    for number in range(settings.blocks):
        table |= {
            f"blocks.{number}.{theirs}": f"blocks.{number}.{ours}" for theirs, ours in BLOCK_NAMES.items()
        }
    return table


def published_settings(state: State) -> ModelSettings:
    """The settings of a published model, from the shapes of its tensors.

    Raises MismatchError if these are not the weights of a Walrus, SettingsError if their sizes do not
    fit each other.
    """
    dimensions = tuple(count for count in STEMS if f"embed.{count}.proj1.weight" in state)
    if not dimensions or FIELD_SCALE not in state:
        raise MismatchError(
            f"published weights: {len(state)} tensors, without {FIELD_SCALE} or embed.2.proj1.weight; "
            "expected the model part of a Walrus checkpoint; give that"
        )
    hidden, inner, *_ = _shape(state, f"embed.{dimensions[0]}.proj2.weight", 5)
    _, heads = _shape(state, "blocks.0.time_mixing.rel_pos_bias.relative_attention_bias.weight", 2)
    sizes = {
        "hidden": hidden,
        "heads": heads,
        "inner": inner,
        "mlp": 2 * _shape(state, "blocks.0.space_mixing.ff_out.weight", 2)[1],
        "blocks": len({name.split(".")[1] for name in state if name.startswith("blocks.")}),
        "dimensions": dimensions,
        "rotary": "learned" if _axis_frequencies(0)[0] in state else "published",
        "position_grid": _shape(state, POSITION, 6)[3:] if POSITION in state else None,
        # A tensor on the meta device has a shape and no value.
        "field_scale": 1.0 if state[FIELD_SCALE].is_meta else float(state[FIELD_SCALE]),
    }
    return make(ModelSettings, sizes, "published weights")


def published_columns(state: State, settings: ModelSettings) -> int:
    """Number of names in the vocabulary of a published model, service channels included."""
    return _shape(state, f"embed.{settings.dimensions[0]}.proj1.weight", 5)[1]


def published_shapes(settings: ModelSettings, columns: int) -> dict[str, torch.Size]:
    """The name and shape of each tensor of a published model with these settings."""
    with torch.device("meta"):
        state = to_published(Walrus(settings, columns).state_dict(), settings)
    return {name: tensor.shape for name, tensor in state.items()}


def check_published(state: State, settings: ModelSettings) -> None:
    """Raises MismatchError if a name is missing or unknown, or a tensor has another shape."""
    expected = published_shapes(settings, published_columns(state, settings))
    if set(expected) != set(state):
        raise MismatchError(
            f"published weights: {_few(set(expected) - set(state))} missing, "
            f"{_few(set(state) - set(expected))} unknown; expected the names of these settings; "
            "take those of published_settings"
        )
    for name, shape in expected.items():
        if state[name].shape != shape:
            raise MismatchError(
                f"published weights: {name} has the shape {tuple(state[name].shape)}; "
                f"expected {tuple(shape)}; give the weights of one model"
            )


def from_published(state: State, settings: ModelSettings) -> dict[str, Tensor]:
    """Our weights from published ones; raises MismatchError if a name or a shape is not as expected."""
    check_published(state, settings)
    ours = {
        name: state[published].flatten(1) if published.endswith(POINTWISE) else state[published]
        for published, name in published_names(settings).items()
    }
    if settings.position_grid:
        ours["position.weight_hwdE"] = state[POSITION][0, 0].permute(1, 2, 3, 0)
    return ours | _frequencies_from(state, settings)


def to_published(state: State, settings: ModelSettings) -> dict[str, Tensor]:
    """Published weights from ours.

    Raises MismatchError if the model has an option that the release does not have.
    """
    if settings.rotary == "harmonic" or settings.cell_flags:
        raise MismatchError(
            f"published weights: rotary = {settings.rotary}, cell_flags = {settings.cell_flags}; "
            "expected rotary published or learned and no cell_flags; the release cannot run this model"
        )
    theirs: dict[str, Tensor] = {}
    for published, name in published_names(settings).items():
        theirs[published] = (
            state[name][..., None, None, None] if published.endswith(POINTWISE) else state[name]
        )
    device = next(iter(theirs.values())).device
    theirs[FIELD_SCALE] = torch.full((1,), settings.field_scale, device=device)
    if settings.position_grid:
        theirs[POSITION] = state["position.weight_hwdE"].permute(3, 0, 1, 2)[None, None]
    for number in range(settings.blocks):
        if settings.rotary == "learned":
            frequencies_3R = state[f"blocks.{number}.rotary.frequencies_3R"]
            theirs |= dict(zip(_axis_frequencies(number), frequencies_3R, strict=True))
        else:
            theirs[_shared_frequencies(number)] = published_frequencies(_pairs(settings), device)
    return theirs


def _frequencies_from(state: State, settings: ModelSettings) -> dict[str, Tensor]:
    """Our tensors of learned frequencies. Fixed ones are no weights of ours: they are only compared.

    Raises MismatchError if fixed frequencies are not the published ones.
    """
    if settings.rotary == "learned":
        learned = {}
        for number in range(settings.blocks):
            frequencies = [state[name] for name in _axis_frequencies(number)]
            learned[f"blocks.{number}.rotary.frequencies_3R"] = torch.stack(frequencies)
        return learned
    known = published_frequencies(_pairs(settings), torch.device("cpu"))
    for number in range(settings.blocks):
        found = state[_shared_frequencies(number)]
        if not torch.allclose(found.float().cpu(), known, rtol=1e-6):
            raise MismatchError(
                f"published weights: {_shared_frequencies(number)} has {found.tolist()}; "
                f"expected {known.tolist()}; such a checkpoint needs rotary = learned"
            )
    return {}


def _shared_frequencies(block: int) -> str:
    return f"blocks.{block}.space_mixing.rotary_emb.freqs"


def _axis_frequencies(block: int) -> list[str]:
    return [f"{_shared_frequencies(block)}.{axis}" for axis in range(3)]


def _pairs(settings: ModelSettings) -> int:
    return settings.head_width // 4 // 2


def _shape(state: State, name: str, axes: int) -> tuple[int, ...]:
    found = tuple(state[name].shape) if name in state else None
    if found is None or len(found) != axes:
        raise MismatchError(
            f"published weights: {name} has the shape {found}; expected {axes} axes; "
            "give the whole model part of a Walrus checkpoint"
        )
    return found


def _few(names: set[str]) -> str:
    """The first three of many names, in words."""
    if not names:
        return "nothing"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(sorted(names)[:3]) + more
