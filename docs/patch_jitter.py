"""Draw docs/images/patch-jitter.png, which docs/patch-jitter.md explains: python docs/patch_jitter.py

Axes: K waves, W cells.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes as Panel
from torch import Tensor

from shards.schema import Boundary
from walrus.model.convolution import convolve, convolve_back
from walrus.model.geometry import Stage, Stages, plan_axis

PICTURE = Path(__file__).parent / "images" / "patch-jitter.png"
CELLS, STRIDES, WAVE = 64, (2, 2), 5
TOKEN = STRIDES[0] * STRIDES[1]
STEPS, STEP, ROLLOUTS = 150, 0.02, 64
INK, STILL, JITTER, MEAN = "#333333", "#d1495b", "#5b8fb9", "#1b4965"

Response = Callable[[Tensor, int], Tensor]


def make_response() -> Response:
    """A model of transport, under a shift of the grid: the network's own convolutions.

    All kernels are even except the last, which is odd, so that each wave is answered by its derivative. The
    kernels of the way back are rough, as learned ones are. The true answer to the wave has unit size.
    """
    slope = torch.tensor([-1, -3, -1, -2, 2, 1, 3, 1], dtype=torch.float64).view(1, 1, 1, 1, 8)
    kernels = [window(8), window(4), torch.ones(1, 1, 1, 1, 4, dtype=torch.float64), slope]
    axis = plan_axis(CELLS, (Boundary.PERIODIC, Boundary.PERIODIC), STRIDES, jitter=False)
    first, second = along_width(axis.first), along_width(axis.second)

    def answer(u_W: Tensor, shift: int) -> Tensor:
        x = u_W.roll(shift).view(1, 1, 1, 1, CELLS)
        x = convolve(convolve(x, kernels[0], first), kernels[1], second)
        x = convolve_back(convolve_back(x, kernels[2], second), kernels[3], first)
        return x.flatten().roll(-shift)

    unit = amplitudes(mean_over_shifts(answer))[WAVE]
    return lambda u_W, shift: answer(u_W, shift) / unit


def window(size: int) -> Tensor:
    whole = torch.hann_window(size + 2, periodic=False, dtype=torch.float64)
    return whole[1:-1].view(1, 1, 1, 1, size)


def mean_over_shifts(response: Response) -> Tensor:
    """Over all shifts within a token, the answer to the wave."""
    return torch.stack([response(wave(), shift) for shift in range(TOKEN)]).mean(0)


def along_width(stage: Stage) -> Stages:
    return Stage(), Stage(), stage


def amplitudes(u_W: Tensor) -> Tensor:
    """Of the waves 0, 1, 2, ... round the period."""
    return torch.fft.rfft(u_W).abs() * 2 / CELLS


def false_share(u_W: Tensor) -> float:
    """The amplitude of all waves but the true one, in units of the true one."""
    amplitude_K = amplitudes(u_W)
    true = amplitude_K[WAVE].clone()
    amplitude_K[WAVE] = 0
    return float(amplitude_K.norm() / true)


def rollout(response: Response, shifts: list[int]) -> list[float]:
    """The false share after each step of u <- u + STEP x response(u)."""
    u_W, shares = wave(), []
    for shift in shifts:
        u_W = u_W + STEP * response(u_W, shift)
        shares.append(false_share(u_W))
    return shares


def wave() -> Tensor:
    return torch.cos(2 * torch.pi * WAVE * torch.arange(CELLS, dtype=torch.float64) / CELLS)


def draw() -> None:
    response = make_response()
    one_W, mean_W = response(wave(), 0), mean_over_shifts(response)
    mpl.rcParams |= {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
    }
    figure, (fields, spectra, growth) = plt.subplots(1, 3, figsize=(11.5, 3.3), layout="constrained")
    draw_fields(fields, one_W, mean_W)
    draw_spectra(spectra, one_W, mean_W)
    draw_growth(growth, response)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=160, metadata={"Software": None})


def draw_fields(panel: Panel, one_W: Tensor, mean_W: Tensor) -> None:
    panel.set_title(f"A wave, to tokens of {TOKEN} cells and back")
    panel.plot(one_W, color=STILL, lw=1.3, label="one answer")
    panel.plot(mean_W, color=MEAN, lw=2, label=f"mean over {TOKEN} shifts")
    panel.set(xlabel="cell", xlim=(0, CELLS - 1), ylim=(-1.7, 2), ylabel="answer")
    panel.legend(frameon=False, loc="upper right", ncols=2)


def draw_spectra(panel: Panel, one_W: Tensor, mean_W: Tensor) -> None:
    panel.set_title("Waves of the answer: only the first is true")
    for values_W, colour, offset, label in (
        (one_W, STILL, -0.4, "one answer"),
        (mean_W, MEAN, 0.4, f"mean over {TOKEN} shifts"),
    ):
        amplitude_K = amplitudes(values_W)
        waves = torch.arange(len(amplitude_K))
        panel.bar(waves + offset, amplitude_K, width=0.8, color=colour, label=label)
    tokens = CELLS // TOKEN
    folded = sorted({abs(WAVE + shift * tokens) for shift in range(-TOKEN // 2, TOKEN // 2)})
    panel.set(xlabel="waves round the period", ylabel="amplitude", xticks=folded)
    panel.legend(frameon=False)


def draw_growth(panel: Panel, response: Response) -> None:
    panel.set_title("False waves in a rollout")
    generator = torch.Generator().manual_seed(0)
    draws = torch.randint(TOKEN, (ROLLOUTS, STEPS), generator=generator).tolist()
    jittered = torch.tensor([rollout(response, shifts) for shifts in draws])
    steps = range(1, STEPS + 1)
    panel.plot(steps, rollout(response, [0] * STEPS), color=STILL, lw=2, label="no shift")
    low, median, high = torch.quantile(jittered, torch.tensor([0.1, 0.5, 0.9]), 0)
    panel.fill_between(steps, low, high, color=JITTER, alpha=0.25, lw=0)
    panel.plot(steps, median, color=JITTER, lw=2, label=f"a new shift each step (10, 50, 90 % of {ROLLOUTS})")
    panel.set(xlabel="step", yscale="log", xlim=(1, STEPS), ylabel="false : true amplitude")
    panel.legend(frameon=False, loc="lower right")


if __name__ == "__main__":
    # The tensors are tiny: two threads wait for each other longer than they compute.
    torch.set_num_threads(1)
    draw()
