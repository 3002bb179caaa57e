"""README.md of a fine-tuned model: what its users should know."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.recipe import RunRecipe
from shards.card import Card
from walrus.checkpoint import DESCRIPTION, WEIGHTS, Description
from walrus.evaluation.report import count

UNKNOWN_LICENCE = "not stated; ask whoever made the data before you share this model"
FILES = (WEIGHTS, DESCRIPTION, "recipe.toml")


def model_card(
    recipe: RunRecipe,
    description: Description,
    cards: Sequence[Card],
    base: tuple[str, Description],
    parameters: int,
    metrics: str,
) -> str:
    """The card as markdown.

    `base` is the name and the description of the model that it began from, `metrics` a table.
    """
    data = [line for card in cards for line in _data(card)]
    return "\n".join(
        (
            f"# {recipe.title}",
            "",
            f"A Walrus of {count(parameters)} parameters (arXiv 2511.15684) that forecasts "
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
            "## Recipe",
            "",
            *_recipe(recipe, description, base),
            "",
            "## Metrics",
            "",
            "VRMSE of the test trajectories next to persistence and linear extrapolation: 0 is a perfect "
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
        facts.append(f"- left out for faults: {len(card.quarantine)} trajectories or files")
    return [f"### {card.name}", "", *facts, ""]


def _recipe(recipe: RunRecipe, description: Description, base: tuple[str, Description]) -> list[str]:
    """How the model was trained, as Markdown."""
    folder, began = base
    origin = began.origin or f"{began.step} steps on {', '.join(began.datasets) or 'nothing'}"
    licences = ", ".join(f"{name}: {licence or 'not stated'}" for name, licence in began.licences.items())
    tuning = recipe.tuning
    learned = "adapters of rank " + str(tuning.low_rank) if tuning.low_rank else "the blocks"
    trained = {"all": f"encoder, decoder and {learned}", "encoder+decoder": "encoder and decoder"}[
        tuning.train
    ]
    if tuning.train == "encoder+decoder" and tuning.low_rank:
        trained = f"encoder, decoder and {learned}"
    return [
        f"- began as `{folder}` ({origin}){'; licences of its data: ' + licences if licences else ''}",
        f"- {description.step} steps at a rate of up to {recipe.schedule.rate:g} "
        f"({recipe.engine.optimizer}); trained: {trained}; seed {description.seed}",
        f"- normalisation: {'RMS of the whole dataset' if description.scales else 'RMS of each window'}; "
        f"patch jitter {'on' if description.jitters else 'off'}; "
        f"rotary frequencies {description.model.rotary}",
        "- every setting: `recipe.toml`",
    ]


def _limits(description: Description, cards: Sequence[Card]) -> list[str]:
    """What the model cannot do, as Markdown."""
    dimensions = {len(card.schema.grid.axes) for card in cards}
    history = " or ".join(str(description.history(each)) for each in sorted(dimensions))
    return [
        f"- It looks back {history} frames, spaced in time as in the data above, and knows neither time step "
        "nor parameters.",
        "- Its errors grow with every step of a rollout. It was tested for the steps of the table only.",
        "- It was not tested on other grids, boundaries, fields or regimes than those above.",
        *(["- Its position embedding ties it to this very grid."] if description.model.position_grid else []),
        "- It does not conserve mass, momentum or energy exactly.",
    ]
