"""Converts a published checkpoint to the folder of a model, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor

from pipelines.job import RECIPE
from pipelines.model_card import CARD
from pipelines.preflight import require_writable
from shards.disk import write_atomically
from shards.errors import MismatchError
from shards.program.settings import make, override
from shards.read import Dataset
from walrus.checkpoint import DESCRIPTION, WEIGHTS, ModelDescription, load_model, save_model
from walrus.model.published import from_published, published_columns, published_settings, to_published
from walrus.model.published_files import read_release, write_release
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.normalize import ChannelScale, card_scales
from walrus.vocabulary import PUBLISHED

RELEASE = "walrus.safetensors"
ROUNDED = """
The weights are rounded to half precision (float16), so that they take half the space. The scores below are
those of single precision.
"""


@dataclass(frozen=True)
class Conversion:
    """What was converted, and the files that were written."""

    description: ModelDescription
    written: tuple[Path, ...]

    @property
    def document(self) -> dict[str, Any]:
        """For --json."""
        return {
            "model": asdict(self.description.model),
            "written": [str(path) for path in self.written],
        }

    @property
    def text(self) -> str:
        """For people."""
        model = self.description.model
        names = len(self.description.vocabulary)
        head = f"a model of {model.blocks} blocks, {model.hidden} wide, {names} channel names"
        return "\n".join([head, *(f"written: {path}" for path in self.written)])


def convert(
    checkpoint: Path,
    to: Path,
    channels: Sequence[str] = (),
    assignments: Sequence[str] = (),
    normalised_by: Path | None = None,
) -> Conversion:
    """Converts published weights to the folder of a model, or the folder of a model to published weights.

    `channels`, `assignments` and `normalised_by` (a built dataset) are for published weights: see
    `import_release`.
    """
    # Checked before the weights are read: many take minutes.
    require_writable(to, option="--to")
    if checkpoint.is_dir():
        return Conversion(export_release(checkpoint, to), (to / RELEASE,))
    dataset = Dataset(normalised_by) if normalised_by else None
    description = import_release(checkpoint, to, channels, assignments, dataset)
    return Conversion(description, (to / WEIGHTS, to / DESCRIPTION))


def halve(folder: Path, to: Path) -> Conversion:
    """Writes a copy of a model in half precision, with its recipe and its card, to share it.

    All our commands accept the copy, and compute in single precision: see
    docs/decisions/0108-a-model-to-show.md. Raises MismatchError if a weight is too large for half
    precision.
    """
    require_writable(to, option="--to")
    description, model = load_model(folder)
    weights = {name: value.half() for name, value in model.network.state_dict().items()}
    for name, value in weights.items():
        if not value.isfinite().all():
            raise MismatchError(
                f"{folder}: {name} has values beyond those of half precision; share the model as it is"
            )
    save_model(to, description, weights)
    written = [to / WEIGHTS, to / DESCRIPTION]
    for name in (RECIPE, CARD):
        if (folder / name).is_file():
            text = (folder / name).read_text(encoding="utf-8")
            if name == CARD:
                text = text.replace("\n## Data\n", f"{ROUNDED}\n## Data\n", 1)
            write_atomically(to / name, text.encode())
            written.append(to / name)
    return Conversion(description, tuple(written))


def import_release(
    path: Path,
    folder: Path,
    channels: Sequence[str],
    assignments: Sequence[str],
    dataset: Dataset | None = None,
) -> ModelDescription:
    """Writes the model of a published checkpoint into a folder; returns its description.

    `channels` names the columns after those of the published vocabulary, in their order. `assignments`
    override keys of the description. A fine-tuned checkpoint needs the `dataset` by whose RMS its input is
    divided. Raises MismatchError if a name, a shape or the number of columns is wrong.
    """
    state = read_release(path)
    settings = published_settings(state)
    vocabulary = (*PUBLISHED.names, *channels)
    columns = published_columns(state, settings)
    if columns != len(vocabulary):
        raise MismatchError(
            f"{path}: has columns for {columns} channels; expected the {len(PUBLISHED)} published ones "
            f"and the {len(channels)} named by --channel; name those beyond the published ones, in their "
            f"order"
        )
    weights = from_published(state, settings)
    description = make(
        ModelDescription, override(_published(settings, vocabulary, path, dataset), assignments), "--set"
    )
    _check_fit(description, weights)
    save_model(folder, description, {name: tensor.contiguous() for name, tensor in weights.items()})
    return description


def _published(
    settings: ModelSettings, vocabulary: tuple[str, ...], path: Path, dataset: Dataset | None
) -> dict[str, Any]:
    """The description of a published model (arXiv 2511.15684, table 2, appendices A.1 and B.2)."""
    of_any_dataset = {
        "model": asdict(settings),
        "vocabulary": vocabulary,
        "history_2d": 6,
        "history_3d": 3,
        "jitters": True,
        "step": 0,
        "seed": 0,
        "origin": path.name,
    }
    if dataset is None:
        return {**of_any_dataset, "eps": 1e-5, "datasets": (), "licences": {}, "scales": {}}
    card = dataset.card
    scales = TypeAdapter(dict[str, ChannelScale]).dump_python(card_scales(card))
    return {
        **of_any_dataset,
        "eps": 1e-8,
        "datasets": (card.name,),
        "licences": {card.name: card.licence},
        "scales": {card.name: scales},
    }


def _check_fit(description: ModelDescription, weights: dict[str, Tensor]) -> None:
    """Raises MismatchError if the described network has tensors of other names or shapes."""
    with torch.device("meta"):
        network = Walrus(description.model, len(description.vocabulary)).state_dict()
    shapes = {name: tensor.shape for name, tensor in network.items()}
    if shapes != {name: tensor.shape for name, tensor in weights.items()}:
        raise MismatchError(
            "--set: these settings need other weights; override only keys that change no tensor"
        )


def export_release(folder: Path, to: Path) -> ModelDescription:
    """Writes published weights from a model; returns its description.

    Raises MismatchError if the release could not run it.
    """
    description, model = load_model(folder)
    write_release(to / RELEASE, to_published(model.network.state_dict(), description.model))
    return description
