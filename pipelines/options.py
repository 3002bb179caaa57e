"""The options that the commands which train have in common, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shards.program.console import local

Ranks = Annotated[int, typer.Option(min=1, help="Processes on this machine.")]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        help="Let a stopped run go on with other data, plan, schedule, engine or training settings."
    ),
]
Trace = Annotated[
    Path | None, typer.Option(callback=local, help="Write a profile of a few steps to this folder.")
]
Change = Annotated[
    tuple[float, float],
    typer.Option(
        metavar="LOW HIGH", help="Bounds on the RMS of the change in rollouts, of that at their start."
    ),
]
