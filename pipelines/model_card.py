"""Writes the card of a trained model, README.md: what its users should know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.recipe import RunRecipe
from shards.card import Card
from shards.disk import write_atomically
from walrus.checkpoint import DESCRIPTION, WEIGHTS, ModelDescription, load_description
from walrus.evaluation.report import count
from walrus.evaluation.score_tables import TaskScores, score_table
from walrus.training.memory_estimate import parameter_count
from walrus.training.tuning import TuningSettings

UNKNOWN_LICENCE = "not stated; ask whoever made the data before you share this model"
CARD = "README.md"
FILES = (WEIGHTS, DESCRIPTION, "recipe.toml")


@dataclass(frozen=True)
class BaseModel:
    """The model that was fine-tuned: the name of its folder, and its description."""

    folder: str
    description: ModelDescription


def write_card(
    run: Path,
    recipe: RunRecipe,
    cards: Sequence[Card],
    scores: dict[str, TaskScores],
    base: BaseModel | None = None,
) -> None:
    """Writes the card of the model in the folder of a run, unless it is there with the same text."""
    description = load_description(run)
    size = parameter_count(description.model, len(description.vocabulary)).total
    text = model_card(recipe, description, cards, base, size, score_table(scores, "model"))
    if not (run / CARD).is_file() or (run / CARD).read_text(encoding="utf-8") != text:
        write_atomically(run / CARD, text.encode())


def model_card(
    recipe: RunRecipe,
    description: ModelDescription,
    cards: Sequence[Card],
    base: BaseModel | None,
    size: int,
    metrics: str,
) -> str:
    """The card, as Markdown.

    `base` is None for new weights. `size` is the number of parameters, `metrics` the table of scores.
    """
    data = [line for card in cards for line in _data(card)]
    licences = sorted({card.licence or "one that is not stated" for card in cards})
    return "\n".join(
        (
            f"# {recipe.title}",
            "",
            f"A Walrus of {count(size)} parameters (arXiv 2511.15684) that forecasts "
            f"{', '.join(card.title or card.name for card in cards)}. "
            f"{', '.join(f'`{name}`' for name in FILES)} are all it needs:",
            "",
            "```python",
            "from walrus.api import load",
            "",
            'model = load("this/folder")',
            "```",
            "",
            "## Data",
            "",
            *data,
            "## Licence",
            "",
            f"Licences of the data: {', '.join(licences)}. "
            "Share the model under terms that all of them allow.",
            "",
            "## Recipe",
            "",
            *_recipe(recipe, description, base),
            "",
            "## Metrics",
            "",
            "VRMSE of the test trajectories next to three baselines: 0 is a perfect "
            "forecast, 1 is the score of the spatial mean. `evaluation/` has more measures, their "
            "definitions, and pictures.",
            "",
            "```",
            metrics,
            "```",
            "",
            "## Limits",
            "",
            *_limits(description, cards),
            "",
        )
    )


def _data(card: Card) -> list[str]:
    """Fields, grid, licence and origin of one dataset, as Markdown."""
    grid = " x ".join(map(str, card.schema.grid.shape))
    counts = ", ".join(f"{count.trajectories} {split}" for split, count in card.counts.items())
    facts = [
        f"- fields: {', '.join(card.schema.channels + card.schema.static_channels)}",
        f"- grid: {grid} ({card.schema.grid.kind}); trajectories: {counts}",
        f"- licence of the data: {card.licence or UNKNOWN_LICENCE}",
    ]
    if card.citation:
        facts.append(f"- citation: {card.citation}")
    if card.home:
        facts.append(f"- home: {card.home}")
    if card.quarantine:
        facts.append(f"- left out for faults: {len(card.quarantine)} of trajectories and files")
    return [f"### {card.name}", "", *facts, ""]


def _recipe(recipe: RunRecipe, description: ModelDescription, base: BaseModel | None) -> list[str]:
    """How the model was trained, as Markdown."""
    return [
        f"- began {_beginning(base)}",
        f"- {description.step} steps at a rate of up to {recipe.schedule.rate:g} "
        f"({recipe.engine.optimizer}); trained: {_trained(recipe.tuning)}; seed {description.seed}",
        f"- normalisation: {'RMS of the whole dataset' if description.scales else 'RMS of each window'}; "
        f"patch jitter {'on' if description.jitters else 'off'}; "
        f"rotary frequencies {description.model.rotary}",
        "- every setting: `recipe.toml`",
    ]


def _trained(tuning: TuningSettings) -> str:
    """Which weights were trained."""
    if tuning.low_rank:
        return f"encoder, decoder and adapters of rank {tuning.low_rank}"
    return "encoder, decoder and the blocks" if tuning.train == "all" else "encoder and decoder"


def _beginning(base: BaseModel | None) -> str:
    """What the weights were before training."""
    if base is None:
        return "with new weights"
    began = base.description
    origin = began.origin or f"{began.step} steps on {', '.join(began.datasets) or 'nothing'}"
    licences = ", ".join(f"{name}: {licence or 'not stated'}" for name, licence in began.licences.items())
    stated = f"; licences of its data: {licences}" if licences else ""
    return f"as `{base.folder}` ({origin}){stated}"


def _limits(description: ModelDescription, cards: Sequence[Card]) -> list[str]:
    """What the model cannot do, as Markdown."""
    histories = {description.history(len(card.schema.grid.axes)) for card in cards}
    history = " or ".join(map(str, sorted(histories)))
    return [
        f"- It looks back {history} frames, spaced in time as in the data above, and knows neither time step "
        "nor parameters.",
        "- Its errors grow with every step of a rollout. It was tested for the steps of the table only.",
        "- It was not tested on other grids, boundaries, fields or regimes than those above.",
        *(["- Its position embedding works on this grid only."] if description.model.position_grid else []),
        "- It does not conserve mass, momentum or energy exactly.",
    ]
