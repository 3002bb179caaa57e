"""The arrows between rooms and packages, and what is loaded when."""

import subprocess
import sys
from importlib import import_module
from importlib.metadata import packages_distributions

import pytest

from tests.import_graph import PACKAGES, ROOT, cycle, imported_names, imports, modules

FORMAT = {"shards"}
# The files that stand in no room of their own: what a recipe is, and the command on top of all rooms.
COMMAND_OF_INGEST = {
    "ingest.cli",
    "ingest.cli_fetch",
    "ingest.cli_ls",
    "ingest.cli_options",
    "ingest.cli_output",
    "ingest.cli_plan",
    "ingest.cli_upload",
}
TENSORS_OF_WALRUS = {
    f"walrus.{name}"
    for name in ("augment", "batch", "device", "normalize", "randomness", "vocabulary", "weights_file")
}
COMMANDS = {f"pipelines.{name}" for name in ("convert", "evaluate", "finetune", "forecast", "pretrain")}

# What the modules of each room may import of ours, next to the room itself. A
# name stands for all that is below it, "shards" for the files of the format
# alone: `shards.program` and `shards.drawing` are named where they are meant.
MAY_IMPORT: dict[str, set[str]] = {
    "shards": set(),
    "shards.program": FORMAT,
    "shards.drawing": FORMAT,
    "ingest": {"shards", "shards.program"},
    "ingest.cli": {"ingest", "shards", "shards.program"},
    "ingest.remote": {"ingest.split_names", "shards", "shards.program"},
    "ingest.formats": {"ingest.name_numbers", "ingest.name_pattern", "ingest.remote", *FORMAT},
    "ingest.fetching": {"ingest.remote", "shards", "shards.program"},
    "ingest.fields": {
        "ingest.formats",
        "ingest.name_numbers",
        "ingest.name_pattern",
        "ingest.recipe",
        "ingest.layout",
        "ingest.source",
        "shards",
    },
    "ingest.sources": {
        "ingest.fields",
        "ingest.formats",
        "ingest.name_numbers",
        "ingest.name_pattern",
        "ingest.recipe",
        "ingest.remote",
        "ingest.source",
        "ingest.split_names",
        "shards",
    },
    "ingest.building": {
        "ingest.formats",
        "ingest.name_numbers",
        "ingest.name_pattern",
        "ingest.recipe",
        "ingest.release",
        "ingest.remote",
        "ingest.repeated_end",
        "ingest.source",
        "ingest.split",
        "ingest.split_names",
        "shards",
        "shards.program",
    },
    # From a file to a draft, each on the one before: what it holds, what it means, how files belong together.
    "ingest.contents": {
        "ingest.fields",
        "ingest.formats",
        "ingest.layout",
        "ingest.name_numbers",
        "ingest.name_pattern",
        "shards",
        "shards.program",
    },
    "ingest.inferring": {
        "ingest.contents",
        "ingest.formats",
        "ingest.layout",
        "ingest.name_numbers",
        "ingest.name_pattern",
        "ingest.repeated_end",
        "shards",
        "shards.program",
    },
    "ingest.inspecting": {
        "ingest.catalogue",
        "ingest.contents",
        "ingest.fields",
        "ingest.formats",
        "ingest.inferring",
        "ingest.layout",
        "ingest.name_numbers",
        "ingest.name_pattern",
        "ingest.recipe",
        "ingest.source",
        "shards",
        "shards.program",
    },
    "ingest.drafting": {
        "ingest.contents",
        "ingest.correction",
        "ingest.fields",
        "ingest.formats",
        "ingest.inferring",
        "ingest.inspecting",
        "ingest.layout",
        "ingest.name_numbers",
        "ingest.name_pattern",
        "ingest.recipe",
        "ingest.release",
        "ingest.source",
        "ingest.split",
        "shards",
        "shards.program",
    },
    "ingest.reporting": {"shards", "shards.drawing", "shards.program.byte_size"},
    "walrus": {"walrus.tensors", "walrus.model", "shards", "shards.program"},
    "walrus.tensors": {"shards", "shards.program"},
    "walrus.model": {"walrus.tensors", "shards", "shards.program"},
    "walrus.reading": {"walrus.tensors", "shards", "shards.program"},
    # For any model: next to the stream that it shares with our own training, nothing of ours.
    "walrus.data": {"walrus.tensors", "walrus.reading", "shards", "shards.program"},
    "walrus.evaluation": {
        "walrus",
        "walrus.tensors",
        "walrus.reading",
        "shards",
        "shards.program",
        "shards.drawing",
    },
    "walrus.training": {
        "walrus",
        "walrus.tensors",
        "walrus.reading",
        "walrus.model",
        "walrus.evaluation.metrics",
    }
    | {"shards", "shards.program"},
    "pipelines": {"ingest", "walrus", "walrus.tensors", "shards", "shards.program"},
}


def layer(module: str) -> str:
    """The key of MAY_IMPORT that a module belongs to."""
    if module in COMMAND_OF_INGEST:
        return "ingest.cli"
    if module in TENSORS_OF_WALRUS:
        return "walrus.tensors"
    parts = module.split(".")
    return next(name for size in (2, 1) if (name := ".".join(parts[:size])) in MAY_IMPORT)


def is_allowed(module: str, wanted: str) -> bool:
    own, its = layer(module), layer(wanted)
    if own == its:
        return True
    above_its_rooms = own in ("ingest.cli", "pipelines")
    return any(
        name in (its, wanted) or (above_its_rooms and its.startswith(f"{name}.") and name != "shards")
        for name in MAY_IMPORT[own]
    )


def test_no_module_imports_what_stands_above_it():
    arrows = imports()
    assert len(arrows) > 150
    wrong = {
        module: sorted(forbidden)
        for module, wanted in arrows.items()
        if (forbidden := [each for each in wanted if not is_allowed(module, each)])
    }
    assert wrong == {}


@pytest.mark.parametrize("module", sorted(modules()))
def test_every_module_could_break_the_rule(module):
    """No module is passed over by mistake: for each there is an import that the rule refuses."""
    top = "pipelines.pretrain" if not module.startswith("pipelines") else "tests"
    assert top == "tests" or not is_allowed(module, top)


def test_no_modules_import_each_other_in_a_circle():
    assert cycle(imports()) == []


def test_commands_import_no_commands():
    arrows = imports()
    assert {command: arrows[command] & COMMANDS for command in COMMANDS if arrows[command] & COMMANDS} == {}


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("deepspeed", {"walrus.training.deepspeed_fence"}),
        ("h5py", {"ingest.formats", "ingest.fields", "ingest.sources"}),
        ("zarr", {"ingest.formats", "pipelines.forecast_file"}),
        (
            "typer",
            {
                "shards.program",
                "ingest.cli",
                "ingest.cli_fetch",
                "ingest.cli_ls",
                "ingest.cli_options",
                "ingest.cli_output",
                "ingest.cli_upload",
                "pipelines",
            },
        ),
        ("rich", {"shards.program", "ingest.cli_output", "pipelines"}),
        ("matplotlib", {"shards.drawing", "ingest.reporting", "walrus.evaluation"}),
        ("PIL", {"shards.drawing", "ingest.reporting", "walrus.evaluation"}),
        ("torch", {"walrus", "pipelines"}),
        ("xarray", {"shards.xarray_backend"}),
    ],
)
def test_each_of_these_has_its_place(name, allowed):
    users = {
        module
        for module, path in modules().items()
        if any(each.split(".")[0] == name for each in imported_names(path.read_text(encoding="utf-8")))
    }
    assert users
    assert {
        user for user in users if not any(f"{user}.".startswith(f"{place}.") for place in allowed)
    } == set()


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("ingest.cli", {"torch", "deepspeed", "matplotlib", "zarr", "dask"}),
        # A help text comes at once.
        ("ingest.cli", {"numpy", "h5py", "fsspec", "pydantic", "ingest.building"}),
        # What every rank loads: pictures are of the first rank alone, and only a side task.
        ("pipelines.run", {"matplotlib"}),
        # What a worker of a build begins with: zarr is loaded to read one.
        ("ingest.building.processes", {"torch", "zarr", "fsspec", "dask"}),
        # The stream serves any model.
        ("walrus.reading.stream", {"walrus.model.walrus", "deepspeed"}),
        ("walrus.data", {"walrus.model", "walrus.rollout", "deepspeed", "h5py", "zarr"}),
        ("walrus.rollout", {"walrus.training.engine", "deepspeed"}),
    ],
)
def test_nothing_is_loaded_that_can_be_done_without(module, unwanted):
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not unwanted & set(done.stdout.split())


@pytest.mark.parametrize(
    "package", sorted(name for name, path in modules().items() if path.stem == "__init__")
)
def test_each_package_names_what_it_offers(package):
    """`__all__` holds classes and functions, or modules where to load them all would take long."""
    room = import_module(package)
    names = room.__all__
    assert names
    missing = [name for name in names if f"{package}.{name}" not in modules() and name not in vars(room)]
    assert missing == []


def test_our_four_names_are_ours_alone():
    owners = packages_distributions()
    assert {name: set(owners.get(name, [])) for name in PACKAGES} == {
        name: {"walrus-pde"} for name in PACKAGES
    }
