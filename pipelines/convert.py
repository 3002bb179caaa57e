"""walrus-convert: a published checkpoint to the folder of a model, and the folder of a model to a published state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from pydantic import TypeAdapter
from torch import Tensor

from shards.errors import MismatchError, ShardError
from shards.program.console import Json, application, one_line_errors, print_json
from shards.program.settings import make, override
from shards.read import Dataset
from walrus.checkpoint import DESCRIPTION, WEIGHTS, Description, load_model, save_model
from walrus.model.published import from_published, published_columns, published_settings, to_published
from walrus.model.published_files import read_release, write_release
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.normalize import ChannelScale, card_scales
from walrus.vocabulary import PUBLISHED

RELEASE = "walrus.safetensors"

app = application("Published weights to the folder of a model, or back.")


def import_release(
    path: Path,
    folder: Path,
    channels: Sequence[str],
    assignments: Sequence[str],
    dataset: Dataset | None = None,
) -> Description:
    """Writes the model of a published checkpoint; the description as written.

    `channels` name the columns beyond the published vocabulary, in their order. A fine-tuned checkpoint divides by the
    RMS of its whole `dataset`. Raises MismatchError where a name, a shape or the number of columns is wrong.
    """
    state = read_release(path)
    settings = published_settings(state)
    vocabulary = (*PUBLISHED.names, *channels)
    columns = published_columns(state, settings)
    if columns != len(vocabulary):
        raise MismatchError(
            f"{path}: has columns for {columns} channels; expected the {len(PUBLISHED)} published ones and the "
            f"{len(channels)} named by --channel; name those beyond the published ones, in their order"
        )
    weights = from_published(state, settings)
    description = make(
        Description, override(_published(settings, vocabulary, path, dataset), assignments), "--set"
    )
    _check_fit(description, weights)
    save_model(folder, description, {name: tensor.contiguous() for name, tensor in weights.items()})
    return description


def _published(
    settings: ModelSettings, vocabulary: tuple[str, ...], path: Path, dataset: Dataset | None
) -> dict[str, Any]:
    """How the release was trained and forecasts (arXiv 2511.15684, table 2, appendices A.1 and B.2)."""
    card = dataset.card if dataset else None
    return {
        "model": asdict(settings),
        "vocabulary": vocabulary,
        "history_2d": 6,
        "history_3d": 3,
        "eps": 1e-8 if card else 1e-5,
        "jitters": True,
        "step": 0,
        "seed": 0,
        "datasets": (card.name,) if card else (),
        "licences": {card.name: card.licence} if card else {},
        "origin": path.name,
        "scales": {card.name: TypeAdapter(dict[str, ChannelScale]).dump_python(card_scales(card))}
        if card
        else {},
    }


def _check_fit(description: Description, weights: dict[str, Tensor]) -> None:
    with torch.device("meta"):
        network = Walrus(description.model, len(description.vocabulary)).state_dict()
    shapes = {name: tensor.shape for name, tensor in network.items()}
    if shapes != {name: tensor.shape for name, tensor in weights.items()}:
        raise MismatchError(
            "--set: these settings ask for other weights; override only what leaves every tensor as it is"
        )


def export_release(folder: Path, to: Path) -> tuple[Description, dict[str, Tensor]]:
    """Writes the published state of a model; raises MismatchError where the release could not run it."""
    description, model = load_model(folder)
    state = to_published(model.network.state_dict(), description.model)
    write_release(to / RELEASE, state)
    return description, state


@app.command()
def command(
    checkpoint: Annotated[
        Path, typer.Argument(help="A published file (torch or .safetensors), or the folder of a model.")
    ],
    to: Annotated[Path, typer.Option(file_okay=False, metavar="FOLDER", help="Where the other form goes.")],
    channels: Annotated[
        list[str] | None,
        typer.Option("--channel", help="Name a column beyond the published ones; repeat in order."),
    ] = None,
    normalised_by: Annotated[
        Path | None,
        typer.Option(
            metavar="ROOT/DATASET", help="The built dataset whose RMS a fine-tuned checkpoint divides by."
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="a.b=value", help="Override a key of model.json.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Convert published weights to a model, or a model to published weights."""
    with one_line_errors("walrus-convert"):
        if not checkpoint.exists():
            raise ShardError(f"{checkpoint}: there is no such file or folder; name a checkpoint")
        if checkpoint.is_dir():
            description, _ = export_release(checkpoint, to)
            written = [to / RELEASE]
        else:
            dataset = Dataset(normalised_by) if normalised_by else None
            description = import_release(checkpoint, to, channels or (), assignments or (), dataset)
            written = [to / WEIGHTS, to / DESCRIPTION]
        tell(description, written, as_json)


def tell(description: Description, written: Sequence[Path], as_json: bool) -> None:
    """Prints what was converted and where it lies."""
    if as_json:
        document = {"model": asdict(description.model), "written": [str(path) for path in written]}
        print_json(document)
        return
    model = description.model
    typer.echo(
        f"a model of {model.blocks} blocks, {model.hidden} wide, {len(description.vocabulary)} channel names"
    )
    for path in written:
        typer.echo(f"written: {path}")


def main() -> None:
    app()
