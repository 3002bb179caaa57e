"""Do forecasts stay within the range of their data? Print the table and draw the picture of docs/lab.md.

    python docs/long_rollouts.py RUN --root ROOT --steps 200

Forecasts the first test trajectory of every dataset of the run, far beyond its last frame. A size is the
RMS of a field over that of the truth over its whole trajectory; the movement is the RMS of the change from
step to step over that of the truth. Axes: T frames, C channels, S space.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import typer
from matplotlib import pyplot as plt

from shards.drawing.colours import BLUE, MUTED
from shards.errors import WalrusWarning
from shards.program.console import one_line_errors
from shards.read import Dataset
from walrus.api import load, rollout, stored

PICTURE = Path(__file__).parent / "images" / "long_rollouts.png"
START = 4
MOST = 10
HEAD = """\
| system | frames of truth | largest field, step 20 | step 60 | last step | slowest field, last step |
|---|---|---|---|---|---|"""
Curves = npt.NDArray[np.float64]


def curves(run: Path, place: Path, steps: int) -> tuple[Curves, Curves, int]:
    """Size and movement of every field at every step, [T, C] each, and how many frames the truth has."""
    model, dataset = load(run), Dataset(place)
    frames = dataset.entries("test")[0].frames
    truth_TCS = stored(place, "test", trajectory=0, first=0, frames=frames).frames_TCS
    history = model.history(len(dataset.card.schema.grid.axes))
    window = stored(place, "test", trajectory=0, first=START - history, frames=history)
    with warnings.catch_warnings():
        # Fields that stop or grow are what the table shows.
        warnings.simplefilter("ignore", WalrusWarning)
        forecast_TCS = np.stack([window.frames_TCS[-1], *rollout(model, window, steps)])
    size_TC = _rms(forecast_TCS[1:]) / np.sqrt(np.square(_rms(truth_TCS)).mean(0))
    truth_change_C = np.sqrt(np.square(_rms(np.diff(truth_TCS, axis=0))).mean(0))
    moves_C = truth_change_C > 0
    movement_TC = _rms(np.diff(forecast_TCS, axis=0))[:, moves_C] / truth_change_C[moves_C]
    return size_TC, movement_TC, frames


def _rms(frames_TCS: npt.NDArray[np.floating]) -> Curves:
    space = tuple(range(2, frames_TCS.ndim))
    rms_TC: Curves = np.sqrt(np.square(frames_TCS, dtype=np.float64).mean(space))
    return rms_TC


def row(name: str, size_TC: Curves, movement_TC: Curves, frames: int) -> str:
    """One row of the table."""
    largest_T, slowest_T = size_TC.max(1), movement_TC.min(1)
    cells = [
        f"{largest_T[step - 1]:.2f}" for step in (min(20, len(size_TC)), min(60, len(size_TC)), len(size_TC))
    ]
    return f"| {' | '.join([name, str(frames), *cells, f'{slowest_T[-1]:.2g}'])} |"


def draw(found: dict[str, tuple[Curves, Curves, int]]) -> None:
    """A panel for each system, with one line per field."""
    mpl.rcParams |= {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    figure, panels = plt.subplots(2, 3, figsize=(9, 4.6), layout="constrained", sharex=True, sharey=True)
    for panel, (name, (size_TC, _, frames)) in zip(panels.flat, found.items(), strict=True):
        panel.plot(1 + np.arange(len(size_TC)), size_TC, color=BLUE, lw=1)
        panel.axvline(frames - START, color=MUTED, ls="dotted")
        panel.axhline(MOST, color=MUTED, ls="dashed")
        panel.set(title=name, yscale="log", ylim=(0.01, 20))
        panel.title.set_fontsize(8)
    for panel in panels[-1]:
        panel.set_xlabel("step")
    for panel in panels[:, 0]:
        panel.set_ylabel("RMS, forecast / truth")
    figure.savefig(PICTURE, dpi=160, metadata={"Software": None})


def main(
    run: Path,
    root: Annotated[Path, typer.Option()],
    steps: Annotated[int, typer.Option(min=1)] = 200,
) -> None:
    with one_line_errors("long_rollouts"):
        found = {name: curves(run, root / name, steps) for name in load(run).description.datasets}
        typer.echo(HEAD)
        for name, (size_TC, movement_TC, frames) in found.items():
            typer.echo(row(name, size_TC, movement_TC, frames))
        grew = [name for name, (size_TC, _, _) in found.items() if not size_TC.max() < MOST]
        typer.echo(f"\nBeyond {MOST} times the truth: {', '.join(grew) or 'no field of any system'}.")
        draw(found)


if __name__ == "__main__":
    typer.run(main)
