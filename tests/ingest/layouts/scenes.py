"""Scenes of PhiFlow: a folder per run, a file per field and frame, each with its own description."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.ingest.layouts.writers import Right, layout
from tests.ingest.solvers import P, T, U, V, X, Y


@layout
def phiflow_scenes_with_all_components_on_faces_in_one_array(folder: Path) -> Right:
    marks = {"dim_names": np.array(["x", "y"]), "lower": np.zeros(2), "upper": np.array([X, Y])}
    along, across = np.pad(U, ((0, 0), (0, 1), (0, 0))), np.pad(V, ((0, 0), (0, 0), (0, 1)))
    for run in range(2):
        scene = folder / f"sim_{run:06d}"
        scene.mkdir(parents=True)
        for step in range(T):
            filled = np.zeros((X + 1, Y + 1, 2))
            filled[:, :Y, 0], filled[:X, :, 1] = along[step], across[step]
            for name, values in (("smoke", P[step] + run), ("velocity", filled)):
                np.savez(scene / f"{name}_{step:06d}.npz", data=values, field_type=np.array("Grid"), **marks)
    velocity = ((along[:, :-1] + along[:, 1:]) / 2, (across[:, :, :-1] + across[:, :, 1:]) / 2)
    both = {f"velocity_{axis}": np.stack([values] * 2) for axis, values in zip("xy", velocity, strict=True)}
    return Right(folder, {"smoke": np.stack([P, P + 1]), **both}, np.arange(T), runs=2)
