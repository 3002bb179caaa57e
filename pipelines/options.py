"""Options that the commands which train share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shards.program.checkup import machine_findings, print_checkup, version_findings
from shards.program.console import local, one_line_errors

BuiltRoot = Annotated[
    str | None,
    typer.Option("--root", help="Folder (or read-only URL) of the datasets, if only NAME is given."),
]
Ranks = Annotated[int, typer.Option(min=1, help="Number of processes on this machine.")]
Allow = Annotated[
    list[str] | None,
    typer.Option(help="Resume although this has changed: data, plan, schedule, engine or training."),
]


def _check_up(asked: bool) -> None:
    if asked:
        with one_line_errors("walrus-pretrain --doctor"):
            from pipelines.preflight import device_findings

            print_checkup([*version_findings(), *machine_findings(), *device_findings()])
        raise typer.Exit


Doctor = Annotated[
    bool,
    typer.Option(
        "--doctor",
        is_eager=True,
        callback=_check_up,
        help="Print versions, limits and devices of this machine, and what would stop a run.",
    ),
]
Trace = Annotated[
    Path | None, typer.Option(callback=local, help="Write a profile of a few steps to this folder.")
]
Change = Annotated[
    tuple[float, float],
    typer.Option(
        metavar="LOW HIGH",
        help="Smallest and largest change per step (RMS), relative to that at the start of the rollout.",
    ),
]
TrendShare = Annotated[
    float,
    typer.Option(
        "--trend",
        min=0,
        max=1,
        metavar="SHARE",
        help="Share of the trend in a forecast; it falls by this factor per step. The rest is the network's.",
    ),
]
KeepState = Annotated[
    bool,
    typer.Option(
        "--keep-state", help="Keep the checkpoints after the end, so that a longer schedule can continue."
    ),
]
