"""walrus-ingest plan: estimates a build; without files, the size of the published release."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ingest.cli_options import (
    CORES,
    Codec,
    Format,
    KeepError,
    Memory,
    Name,
    Root,
    StartIfAny,
    Workers,
    choice,
)
from ingest.cli_output import document_of, end_with, print_caveats
from shards.program.console import Assignments, Json, one_line_errors, print_result, say

if TYPE_CHECKING:
    from ingest.building.memory import Resources
    from ingest.building.plan import BuildPlan


def plan_command(
    dataset: Name,
    start: StartIfAny = None,
    root: Root = None,
    packaging: Format = "zarr",
    codec: Codec = "lz4",
    keep_error: KeepError = None,
    workers: Workers = CORES,
    memory: Memory = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Estimate size, time and memory of a build; writes nothing."""
    from ingest.building.estimate import BuildEstimate, estimate_build, estimate_lines
    from ingest.building.memory import Resources

    with one_line_errors("walrus-ingest plan"):
        if start is None:
            _print_published_size(dataset, root, tuple(assignments or ()), as_json=as_json)
            return
        resources = Resources(workers, memory=memory)
        plan, place = planned(dataset, root, start, packaging, codec, keep_error, assignments, resources)
        found = estimate_build(plan, place, resources)
        print_result(
            document_of(BuildEstimate, found), "\n".join(estimate_lines(found, workers)), as_json=as_json
        )
        print_caveats(found.caveats)
        end_with(found.left_out)


def _print_published_size(
    dataset: str, root: Path | None, assignments: tuple[str, ...], *, as_json: bool
) -> None:
    """The size of the published release, for whoever has no files yet."""
    from ingest.building.published_size import PublishedSize, published_size, published_size_lines
    from ingest.catalogue import catalogue, find_recipe
    from ingest.dataset_place import recipe_and_root

    in_a_root = root is not None or ("/" in dataset and not dataset.endswith(".toml"))
    recipe = (
        recipe_and_root(dataset, root, assignments)[0] if in_a_root else find_recipe(dataset, assignments)
    )
    found = published_size(recipe)
    print_result(document_of(PublishedSize, found), "\n".join(published_size_lines(found)), as_json=as_json)
    if recipe.name in catalogue():
        say(
            f"next: walrus-ingest fetch {recipe.name} --list; with files, plan --from PATH estimates the rest"
        )


def planned(
    dataset: str,
    root: Path | None,
    start: Path,
    packaging: str,
    codec: str,
    keep_error: float | None,
    assignments: list[str] | None,
    resources: Resources,
) -> tuple[BuildPlan, Path]:
    """The plan and the root; raises SettingsError, before a frame is read, if the memory is too small."""
    from ingest.building.plan import plan_build
    from ingest.dataset_place import recipe_and_root
    from shards.codec import CodecName
    from shards.index import Packaging

    recipe, place = recipe_and_root(dataset, root, tuple(assignments or ()))
    kind, name = choice(Packaging, packaging, "--format"), choice(CodecName, codec, "--codec")
    return plan_build(recipe, start, kind, name, keep_error=keep_error, resources=resources), place
