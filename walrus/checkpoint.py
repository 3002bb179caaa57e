"""Save and load a trained model: the weights, `model.safetensors`, and their description, `model.json`.

Loading needs no DeepSpeed and runs no code from the files.
"""

from __future__ import annotations

import shlex
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from safetensors.torch import save
from torch import Tensor

from shards.checksum import crc32c_of
from shards.disk import write_atomically
from shards.errors import MismatchError, ShardError
from shards.files import datasets_in
from shards.json_text import dump_with_checksum, parse_proven
from shards.schema import History, checked
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.normalize import ChannelScale
from walrus.rollout import Model
from walrus.vocabulary import Vocabulary
from walrus.weights_file import load_weights

WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"
COPY_AGAIN = "copy the model again from where it is"


@checked
class ModelDescription:
    """All that a model needs in addition to its weights, and where it comes from.

    `origin` is the published file that was converted; it is empty for a model trained here. `scales`, by
    dataset and channel, are those of a model that was trained with the RMS of whole datasets
    (walrus.normalize).
    """

    model: ModelSettings
    vocabulary: tuple[str, ...]
    history_2d: History
    history_3d: History
    eps: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    jitters: bool
    step: int
    seed: int
    datasets: tuple[str, ...]
    licences: dict[str, str] = field(default_factory=dict)
    origin: str = ""
    scales: dict[str, dict[str, ChannelScale]] = field(default_factory=dict)
    # crc32c of model.safetensors, in hexadecimal digits; earlier versions wrote none.
    weights_crc32c: str = field(default="", compare=False)

    def history(self, dimensions: int) -> int:
        """Number of frames that the model takes, on a grid with this many axes."""
        return self.history_3d if dimensions == 3 else self.history_2d


def save_model(folder: Path, description: ModelDescription, weights: dict[str, Tensor]) -> None:
    """Write both files, the weights first; the description holds the checksums of both."""
    folder.mkdir(parents=True, exist_ok=True)
    content = save(weights)
    write_atomically(folder / WEIGHTS, content)
    description = replace(description, weights_crc32c=f"{crc32c_of(content):08x}")
    write_atomically(folder / DESCRIPTION, dump_with_checksum(ModelDescription, description))


def load_description(folder: Path) -> ModelDescription:
    """Read the description of the model in a folder; raises ShardError if there is none."""
    path = folder / DESCRIPTION
    if not path.is_file():
        raise ShardError(f"{folder}: {_no_model(folder)}")
    return parse_proven(ModelDescription, path.read_bytes(), str(path), COPY_AGAIN)


def _no_model(folder: Path) -> str:
    """Why there is no model at this path, and what to do."""
    if not folder.exists():
        return "there is no such folder; name the folder of a finished run"
    if folder.is_file():
        if (folder.parent / DESCRIPTION).is_file():
            return f"is a file of a model; name its folder, {folder.parent}"
        return (
            "is a file; expected the folder of a run, or of converted weights; convert published weights "
            f"first: walrus-convert {shlex.quote(str(folder))} --to FOLDER"
        )
    is_dataset = (folder / "index.json").is_file()
    if is_dataset or datasets_in(folder):
        held = "is a dataset" if is_dataset else "holds datasets"
        return f"{held}; expected the folder of a run; a command names the run first, then the dataset"
    return (
        f"has no {DESCRIPTION}, which is written at the end of a run; finish this run, or name the folder of "
        "a finished one"
    )


def load_model(folder: Path) -> tuple[ModelDescription, Model]:
    """Load the model in a folder, onto the CPU.

    Raises ShardError if there is none, MismatchError if its files do not fit each other.
    """
    description = load_description(folder)
    vocabulary = Vocabulary(description.vocabulary)
    weights = load_weights(folder / WEIGHTS)
    if description.weights_crc32c and f"{weights.crc32c:08x}" != description.weights_crc32c:
        raise ShardError(
            f"{folder / WEIGHTS}: is not the file that {DESCRIPTION} was written with; {COPY_AGAIN}"
        )
    _require_size(folder, description, weights.tensors)
    network = Walrus(description.model, len(vocabulary))
    try:
        network.load_state_dict(weights.tensors)
    except RuntimeError as error:
        raise MismatchError(f"{folder / WEIGHTS}: does not fit {DESCRIPTION}: {error}") from error
    network.eval()
    return description, Model(
        network, vocabulary, description.eps, description.jitters, scales=description.scales
    )


def _require_size(folder: Path, description: ModelDescription, weights: dict[str, Tensor]) -> None:
    """Raises MismatchError if the described network has another size than the weights.

    The check needs no memory: a hostile description may ask for terabytes.
    """
    with torch.device("meta"):
        network = Walrus(description.model, len(description.vocabulary))
    declared = sum(value.numel() for value in network.state_dict().values())
    found = sum(value.numel() for value in weights.values())
    if declared != found:
        raise MismatchError(
            f"{folder / WEIGHTS}: does not fit {DESCRIPTION}: it holds {found} numbers, the model has "
            f"{declared}; copy both files again from where they are"
        )
