"""Compare the measures of walrus/evaluation/metrics.py with those of `the-well`: tests/bench/check_metrics.py

Run it from the top of the repository, in a separate environment that holds torch and the-well, which the
project itself does not need. Prints the largest relative difference of each measure over fields of one to
three dimensions: noise, a smooth wave, a small ripple on a large mean, a nearly uniform field. Exits with 1
where one exceeds 1e-6.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

try:
    from the_well.benchmark import metrics as peer
    from the_well.data.datasets import WellMetadata
except ImportError:
    sys.exit("the-well is not installed; pip install the-well in an environment of its own")

sys.path.insert(0, str(Path(__file__).parents[2]))
from walrus.evaluation.metrics import MEASURES, all_measures

SHAPES = ((40,), (12, 31), (64, 48), (16, 16, 16), (10, 7, 14))
NAMES = {
    "VRMSE": "vrmse",
    "NRMSE": "nrmse",
    "RMSE": "rmse",
    "MAE": "mae",
    "LInfinity": "linf",
    "PearsonR": "pearson",
}
BINS = ("low", "middle", "high")
TOLERANCE = 1e-6


def main() -> int:
    worst = dict.fromkeys(MEASURES, 0.0)
    for truth_CS, forecast_CS in cases():
        ours = all_measures(truth_CS, forecast_CS[None], truth_CS.ndim - 1)[0]
        theirs = peer_measures(truth_CS, forecast_CS)
        for m, measure in enumerate(MEASURES):
            scale = theirs[measure].abs().clamp(min=1e-12)
            worst[measure] = max(worst[measure], float(((ours[:, m] - theirs[measure]).abs() / scale).max()))
    for measure, difference in worst.items():
        print(f"{measure:32} {difference:.1e}")
    return int(max(worst.values()) > TOLERANCE)


def cases() -> Iterator[tuple[Tensor, Tensor]]:
    """Truth and forecast [C, *S], float64."""
    random = torch.Generator().manual_seed(5)
    for shape in SHAPES:
        noise, error = (torch.randn(3, *shape, generator=random, dtype=torch.float64) for _ in range(2))
        wave = torch.sin(2 * torch.pi * torch.arange(shape[0], dtype=torch.float64) / shape[0])
        wave = wave.reshape(1, -1, *[1] * (len(shape) - 1)).expand(3, *shape)
        for truth in (noise, wave, 1e3 + 1e-2 * noise, 2 + 1e-5 * noise):
            yield truth, truth + 0.3 * truth.std() * error


def peer_measures(truth_CS: Tensor, forecast_CS: Tensor) -> dict[str, Tensor]:
    """The same by the-well, which wants the channels last."""
    truth, forecast = (field.movedim(0, -1)[None] for field in (truth_CS, forecast_CS))
    meta = metadata(truth_CS.shape[1:], len(truth_CS))
    found = {ours: getattr(peer, theirs).eval(forecast, truth, meta)[0] for theirs, ours in NAMES.items()}
    bins = peer.binned_spectral_mse.eval(forecast, truth, meta)
    for i, name in enumerate(BINS):
        found[f"spectral_error_{name}"] = bins[f"spectral_error_mse_per_bin_{i}"][0]
        found[f"relative_spectral_error_{name}"] = bins[f"spectral_error_nmse_per_bin_{i}"][0]
    return found


def metadata(shape: tuple[int, ...], channels: int) -> WellMetadata:
    return WellMetadata(
        dataset_name="check",
        n_spatial_dims=len(shape),
        spatial_resolution=tuple(shape),
        scalar_names=[],
        constant_scalar_names=[],
        field_names={0: [f"field_{i}" for i in range(channels)], 1: [], 2: []},
        constant_field_names={0: [], 1: [], 2: []},
        boundary_condition_types=["PERIODIC"],
        n_files=1,
        n_trajectories_per_file=[1],
        n_steps_per_trajectory=[1],
    )


if __name__ == "__main__":
    sys.exit(main())
