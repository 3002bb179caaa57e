"""walrus-forecast: parses the command line, calls the work, prints the result.

What computes is imported by the command, not by this module: a help text must not load torch.
"""

from __future__ import annotations

import shards.program.starting  # noqa: F401

# isort: split

from pathlib import Path
from typing import Annotated

import typer

from pipelines.options import Change, TrendShare
from shards.program.console import Json, Version, application, local, one_line_errors, print_result
from shards.schema import Split

app = application("Forecast the frames after a window, into a NetCDF, zarr or HDF5 file.")


@app.command()
def command(
    checkpoint: Annotated[
        Path,
        typer.Argument(metavar="RUN", callback=local, help="The folder of a run, or of its model files."),
    ],
    start: Annotated[
        str, typer.Argument(metavar="FROM", help="A built dataset (folder or URL); or a file, with --recipe.")
    ],
    out: Annotated[Path, typer.Option(callback=local, help="Output file: .nc, .zarr, .h5 or .hdf5.")],
    steps: Annotated[int, typer.Option(min=1, help="Number of frames to forecast.")],
    recipe: Annotated[str | None, typer.Option(help="Recipe that describes the file FROM.")] = None,
    split: Annotated[Split, typer.Option(help="Split of the dataset FROM.")] = "test",
    trajectory: Annotated[
        int, typer.Option(min=0, help="Number of the trajectory in the split or file.")
    ] = 0,
    first: Annotated[int, typer.Option(min=0, help="First frame that the model sees.")] = 0,
    ensemble: Annotated[
        int, typer.Option(min=1, help="Number of forecasts with different jitter; writes mean and spread.")
    ] = 1,
    gif: Annotated[
        Path | None,
        typer.Option(metavar="FILE.gif", callback=local, help="Also write a film of the forecast."),
    ] = None,
    change: Change = (0.25, 1.0),
    trend: TrendShare = 0.0,
    as_json: Json = False,
    version: Version = False,
) -> None:
    """Forecast a trajectory into a file."""
    with one_line_errors("walrus-forecast"):
        from pipelines.forecasting import ForecastStart, forecast

        done = forecast(
            checkpoint,
            ForecastStart(start, recipe, split, trajectory, first),
            out,
            steps,
            ensemble,
            change,
            gif,
            trend,
        )
        print_result(done.document, done.text, as_json=as_json)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
