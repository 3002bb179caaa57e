"""Lists the datasets below a root: a line for each, from its card and its index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from shards.card import Count
from shards.errors import ShardError
from shards.index import Packaging
from shards.program.byte_size import size_in_words
from shards.remote import Root, folders_below, holds, is_remote, open_place
from shards.schema import SPLITS, Split
from shards.urls import below

# Every build writes one of these first.
BEGUN = ("card.json", "recipe.toml", "unfinished.json", "parts")
HEAD = ["dataset", "packaging", "/".join(SPLITS), "frames", "grid", "size", "state", "fields"]


@dataclass(frozen=True)
class DatasetOverview:
    """What is known about a dataset without reading a frame.

    `state` is `built`, `not finished` or `damaged`, the last with a `fault`. A dataset that cannot be opened
    has only a name and a state.
    """

    name: str
    state: str
    fault: str = ""
    packaging: Packaging | None = None
    counts: dict[Split, Count] = field(default_factory=dict)
    left_out: int = 0
    grid: tuple[int, ...] = ()
    bytes: int = 0
    fields: tuple[str, ...] = ()


def overviews(root: Root) -> Iterator[DatasetOverview]:
    """Yields each dataset directly below a folder or a URL, sorted by name; or the dataset at this place.

    Raises ShardError if the root does not exist, or if its server does not list it.
    """
    if holds(root, "index.json"):
        yield _overview(root)
        return
    for name in folders_below(root):
        place = below(str(root), name) if is_remote(root) else Path(root) / name
        if any(holds(place, path) for path in BEGUN):
            yield _overview(place)


def overview_row(found: DatasetOverview) -> list[str]:
    """The cells of a dataset, in the order of HEAD."""
    if found.packaging is None:
        return [found.name, *[""] * 5, found.state, ""]
    counts = [found.counts.get(split, Count()) for split in SPLITS]
    return [
        found.name,
        found.packaging,
        "/".join(str(count.trajectories) for count in counts),
        f"{sum(count.frames for count in counts):,}",
        " × ".join(map(str, found.grid)),
        size_in_words(found.bytes),
        found.state + (f", {found.left_out} left out" if found.left_out else ""),
        ", ".join(found.fields),
    ]


def _overview(place: Root) -> DatasetOverview:
    """The overview from card and index, or the reason why they cannot be read."""
    name = PurePosixPath(urlsplit(place).path if isinstance(place, str) else place).name
    if not holds(place, "index.json"):
        return DatasetOverview(name, "not finished")

    try:
        dataset = open_place(place)
    except ShardError as error:
        return DatasetOverview(name, "damaged", str(error))

    card, index = dataset.card, dataset.index
    return DatasetOverview(
        name,
        "built",
        packaging=index.packaging,
        counts=card.counts,
        left_out=len(card.quarantine),
        grid=card.schema.grid.shape,
        bytes=sum(record.length for record in index.files),
        fields=tuple(field.name for field in card.schema.fields),
    )
