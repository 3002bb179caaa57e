"""The options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from shards.errors import SettingsError
from shards.program.console import local
from shards.program.machine import usable_cores

T = TypeVar("T")
CORES = usable_cores()


def _local_name(name: str) -> str:
    """Checks the name or the folder of a dataset; raises BadParameter for a URL."""
    local(Path(name))
    return name


def source_or_url(text: str) -> Path:
    """The path of a source, here or behind a URL; raises BadParameter for a URL with a secret."""
    # Imported here: a help text needs no listing of servers.
    from ingest.remote.path import source_path

    try:
        return source_path(text)
    except SettingsError as error:
        raise typer.BadParameter(str(error)) from None


def _bytes(text: str) -> int:
    """The bytes of a memory limit; raises BadParameter for what is no size."""
    from shards.program.byte_size import byte_count

    try:
        return byte_count(text)
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint="--memory") from None


Name = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        callback=_local_name,
        help="A name of the catalogue or a recipe file, with --to; or ROOT/NAME.",
    ),
]
BuiltName = Annotated[
    str,
    typer.Argument(metavar="ROOT/DATASET", help="A built dataset: a folder or a URL; or DATASET --to ROOT."),
]
Start = Annotated[
    Path,
    typer.Option(
        "--from",
        metavar="PATH",
        parser=source_or_url,
        help="A file or folder of the source, or a URL.",
    ),
]
StartIfAny = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="PATH",
        parser=source_or_url,
        help="A file or folder of the source, or a URL; without it, the published size is estimated.",
    ),
]
Root = Annotated[
    Path | None,
    typer.Option(
        "--to", "--root", metavar="ROOT", callback=local, help="Folder of the datasets; writes ROOT/DATASET."
    ),
]
BuiltRoot = Annotated[
    str | None, typer.Option("--to", "--root", metavar="ROOT", help="Folder or URL of the datasets.")
]
Format = Annotated[str, typer.Option("--format", help="zarr or webdataset.")]
Codec = Annotated[str, typer.Option(help="lz4, zstd or raw.")]
Workers = Annotated[int, typer.Option(min=1, help="Number of processes.")]
KeepError = Annotated[
    float | None,
    typer.Option(
        metavar="0.01", help="Round values; no error is larger than this share of the one-step change."
    ),
]
Scheduler = Annotated[
    str | None, typer.Option(metavar="tcp://...", help="Run on this dask cluster instead of local workers.")
]
Wait = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=0, help="How long to wait for lost workers of a cluster."),
]
Memory = Annotated[
    int | None,
    typer.Option(
        metavar="4GB",
        parser=_bytes,
        help="Memory limit of all processes here, or of each worker of a cluster.",
    ),
]
Folder = Annotated[
    str,
    typer.Argument(
        metavar="ROOT/DATASET", callback=_local_name, help="A dataset in parts; or DATASET --to ROOT."
    ),
]


def choice(kind: Any, value: str, option: str) -> Any:
    """The value, if the Literal `kind` allows it; otherwise raises BadParameter with the allowed values."""
    allowed = kind.__args__
    if value not in allowed:
        raise typer.BadParameter(f"{value} is not one of {', '.join(allowed)}", param_hint=option)
    return value


def parsed(parse: Callable[[str], T], value: str | None, option: str) -> T | None:
    """The parsed value of an option, None if it is not given; raises BadParameter if parsing fails."""
    try:
        return None if value is None else parse(value)
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
