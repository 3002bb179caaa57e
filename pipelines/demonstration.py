"""Makes the data of `--demo`: decaying vortices of a two-dimensional fluid, and a recipe for their files.

The vorticity w of an incompressible flow u in a periodic box of width 2 pi obeys
dw/dt + u . grad w = viscosity * laplacian w. It is solved with Fourier series (two thirds of the waves, so
that products do not alias) and the Runge-Kutta method of order four.

Axes: T time, X Y space; waves kx, ky.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.recipe import DatasetChoice, RunRecipe
from shards.disk import write_atomically

NAME = "decaying_vortices"
CELLS, RUNS, FRAMES = 32, 10, 24
# Time units between frames, steps of the solver between frames, viscosity.
INTERVAL, STEPS, VISCOSITY = 0.25, 5, 2e-3
RECIPE = f"""\
name = "{NAME}"
source = "arrays"
title = "Decaying vortices: a two-dimensional incompressible fluid in a periodic box"
licence = "MIT"
axes = ["x", "y"]
layout = "t x y"

[[fields]]
name = "vorticity"

[[fields]]
name = "velocity"
rank = 1
stored = ["velocity_x", "velocity_y"]

[time]
stored = "time"

[coordinates]
x = {{ stored = "x" }}
y = {{ stored = "y" }}

[boundaries]
x = ["periodic", "periodic"]
y = ["periodic", "periodic"]

[split]
train = 0.8
valid = 0.1
test = 0.1
"""

Waves = npt.NDArray[np.complex128]
KX = np.fft.fftfreq(CELLS, 1 / CELLS)[:, None]
KY = np.fft.fftfreq(CELLS, 1 / CELLS)
SQUARE = KX**2 + KY**2
KEPT = (np.abs(KX) < CELLS / 3) & (np.abs(KY) < CELLS / 3)


def on_demonstration(recipe: RunRecipe) -> RunRecipe:
    """The run of a recipe, on these data instead; their files are written into the folder `demo`."""
    datasets = (demonstration(Path("demo/files")),)
    return replace(recipe, title=f"{recipe.model} on decaying vortices", datasets=datasets)


def demonstration(folder: Path) -> DatasetChoice:
    """Writes the files of ten simulations, unless they exist, and their recipe; returns the dataset."""
    files = folder / NAME
    files.mkdir(parents=True, exist_ok=True)
    for run in range(RUNS):
        path = files / f"run_{run:02d}.npz"
        if not path.exists():
            _write_run(path, run)
    recipe = folder / f"{NAME}.toml"
    write_atomically(recipe, RECIPE.encode())
    return DatasetChoice(NAME, str(files), recipe=str(recipe))


def _write_run(path: Path, seed: int) -> None:
    """Writes vorticity and velocity [T, X, Y] of one simulation, which starts with random large waves."""
    random = np.random.default_rng(seed)
    w = np.fft.fft2(random.normal(size=(CELLS, CELLS))) * KEPT * SQUARE * np.exp(-SQUARE / 8)
    w *= 2 / np.fft.ifft2(w).real.std()
    centres = (np.arange(CELLS) + 0.5) * 2 * np.pi / CELLS
    frames = []
    for _ in range(FRAMES):
        frames.append([np.fft.ifft2(each).real for each in (w, *_velocity(w))])
        for _ in range(STEPS):
            w = _step(w, INTERVAL / STEPS)
    vorticity, velocity_x, velocity_y = np.array(frames, np.float32).swapaxes(0, 1)
    time = np.arange(FRAMES) * INTERVAL
    text = io.BytesIO()
    np.savez(
        text,
        vorticity=vorticity,
        velocity_x=velocity_x,
        velocity_y=velocity_y,
        time=time,
        x=centres,
        y=centres,
    )
    write_atomically(path, text.getvalue())


def _velocity(w: Waves) -> tuple[Waves, Waves]:
    """The velocity whose curl is the vorticity, and whose divergence is 0."""
    stream = w / np.where(SQUARE == 0, 1, SQUARE)
    return 1j * KY * stream, -1j * KX * stream


def _rate(w: Waves) -> Waves:
    """dw/dt of the equation at the top of this module."""
    u, v = (np.fft.ifft2(each).real for each in _velocity(w))
    along_x, along_y = (np.fft.ifft2(1j * k * w).real for k in (KX, KY))
    rate: Waves = -np.fft.fft2(u * along_x + v * along_y) * KEPT - VISCOSITY * SQUARE * w
    return rate


def _step(w: Waves, dt: float) -> Waves:
    """One step of the Runge-Kutta method of order four."""
    first = _rate(w)
    second = _rate(w + dt / 2 * first)
    third = _rate(w + dt / 2 * second)
    fourth = _rate(w + dt * third)
    return w + dt / 6 * (first + 2 * second + 2 * third + fourth)
