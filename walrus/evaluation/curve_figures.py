"""Draw the curves of an evaluation: error growth, spectra, conservation drift, training loss.

Every function returns the bytes of a PNG and leaves matplotlib's settings as they were. Axes: N
trajectories, F forecaster, M measure, T steps, C channel, Q conserved quantity, R ring of wavenumbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from shards.drawing.canvas import WIDTH, Page, caption_words, log_axis, log_waves, sheet, style
from shards.drawing.colours import BLUE, GREEN, INK, MUTED, ORANGE, PALE
from shards.drawing.even_choice import evenly_chosen
from walrus.evaluation.many_steps import running_mean, summary
from walrus.evaluation.scores import FORECASTERS, Errors, Forecaster, mean_of_scored

HUES: dict[Forecaster, str] = {"model": BLUE, "persistence": MUTED, "linear": ORANGE, "trend": GREEN}
DASHES: dict[Forecaster, str] = {
    "model": "solid",
    "persistence": "solid",
    "linear": "dashed",
    "trend": "dashed",
}
NAMES: dict[Forecaster, str] = {
    "model": "model",
    "persistence": "persistence",
    "linear": "linear extrapolation",
    "trend": "trend",
}
# Beyond these a picture only says "perfect" or "diverged"; their true size would hide the rest.
ERROR_FLOOR, ERROR_CEILING = 1e-6, 30.0
# Below this share of the largest ring a float32 field holds only its rounding.
SPECTRUM_FLOOR = 1e-12
DRIFT_CEILING = 10.0
# A running mean is smooth: more points would change no pixel.
MEAN_POINTS = 500


@dataclass(frozen=True)
class Curve:
    """The losses [N] of one task at the steps [N] that trained on it."""

    task: str
    steps: Sequence[int]
    losses: Sequence[float]


def growth(task: str, rollouts_FTC: Sequence[Errors]) -> bytes:
    """VRMSE against the rollout step: median and quartiles over the trajectories, [F, T, C] each."""
    error_NFT = stacked([mean_of_scored(error_FTC, 2) for error_FTC in rollouts_FTC]).clip(ERROR_FLOOR, 1e6)
    if np.isnan(error_NFT).all():
        # Fields that are uniform in space have no VRMSE to draw.
        error_NFT = np.full_like(error_NFT, ERROR_FLOOR)
    longest = error_NFT.shape[2]
    step = np.arange(1, longest + 1)
    with style():
        page = Page(WIDTH, 3.2)
        caption = f"VRMSE, mean over the fields; {how_many(len(rollouts_FTC))}; dotted: a constant field"
        page.title(caption_words(task), caption)
        axes = page.axes(0.55, 0.8, WIDTH - 0.75, 2.0)
        for i, forecaster in enumerate(FORECASTERS):
            name = f"{NAMES[forecaster]} (n = {len(rollouts_FTC)})"
            line = draw_quartiles(axes, step, error_NFT[:, i], HUES[forecaster], name, 5 - i)
            line.set(linestyle=DASHES[forecaster])
        low, high = float(np.nanmin(error_NFT)) / 1.2, float(np.nanmax(error_NFT)) * 1.2
        log_axis(axes, low, min(high, max(ERROR_CEILING, 100 * low)))
        axes.axhline(1, color=INK, linewidth=0.5, linestyle=(0, (1, 2)))
        step_axis(axes, longest)
        axes.legend(
            loc="lower right", bbox_to_anchor=(1.005, 1.0), ncols=4, columnspacing=1.6, handlelength=1.8
        )
        return page.png()


def spectra(channels: Sequence[str], steps: Sequence[int], spectra_T2CR: Sequence[Errors]) -> bytes:
    """Isotropic power spectra of each channel, truth (pale) and forecast (dashed), at several rollout steps.

    The mean over those trajectories, [T, 2, C, R] each, that reach the step.
    """
    hues = [to_hex(colormaps["viridis"](share)) for share in np.linspace(0, 0.85, len(steps))]
    mean_T2CR, counts = [], []
    for t in range(len(steps)):
        reaching = [spectrum[t] for spectrum in spectra_T2CR if len(spectrum) > t]
        mean_T2CR.append(np.mean(reaching, axis=0))
        counts.append(len(reaching))
    wave_R = np.arange(1, mean_T2CR[0].shape[-1] + 1)
    with style():
        whose = f"mean of {len(spectra_T2CR)} trajectories" if len(spectra_T2CR) > 1 else "one trajectory"
        caption = f"variance in each ring of wavenumbers; pale: truth, dashed: forecast; {whose}"
        page, boxes = sheet("power spectra", caption, len(channels))
        for c, (axes, channel) in enumerate(zip(boxes, channels, strict=True)):
            for (truth_CR, guess_CR), step, hue, count in zip(mean_T2CR, steps, hues, counts, strict=True):
                axes.plot(wave_R, _positive(truth_CR[c]), color=hue, linewidth=3, alpha=0.35)
                axes.plot(
                    wave_R,
                    _positive(guess_CR[c]),
                    color=hue,
                    linewidth=1.2,
                    dashes=(3, 1),
                    label=f"step {step} (n = {count})",
                )
            _spectrum_axes(axes, np.stack([pair_2CR[0, c] for pair_2CR in mean_T2CR]))
            axes.set_title(caption_words(channel), loc="left", size=8)
        boxes[0].legend(loc="lower left", fontsize=6, handlelength=1.6, labelspacing=0.25)
        return page.png()


def drift(quantities: Sequence[str], drifts_2TQ: Sequence[Errors]) -> bytes:
    """The change in percent of each conserved quantity, truth and model: median and quartiles per step."""
    drift_N2TQ = [100 * each for each in drifts_2TQ]
    longest = max(each.shape[1] for each in drift_N2TQ)
    step = np.arange(1, longest + 1)
    with style():
        caption = f"change since the last known frame, in % of its size there; {how_many(len(drifts_2TQ))}"
        page, boxes = sheet("conservation", caption, len(quantities))
        for q, (axes, quantity) in enumerate(zip(boxes, quantities, strict=True)):
            seen_N2T = stacked([each[:, :, q] for each in drift_N2TQ])
            count = f"(n = {len(drifts_2TQ)})"
            draw_quartiles(axes, step, seen_N2T[:, 0], HUES["persistence"], f"truth {count}", 3)
            draw_quartiles(axes, step, seen_N2T[:, 1], HUES["model"], f"model {count}", 4)
            reach = np.nanmax(np.abs(np.nanquantile(seen_N2T, (0.25, 0.5, 0.75), axis=0)), initial=0)
            reach = min(100 * DRIFT_CEILING, max(1.15 * float(reach), 1e-4))
            axes.set_ylim(-reach, reach)
            axes.axhline(0, color=INK, linewidth=0.5, linestyle=(0, (1, 2)))
            axes.set_title(caption_words(quantity), loc="left", size=8)
            axes.yaxis.set_major_locator(MaxNLocator(5))
            axes.grid(axis="y", color=PALE, linewidth=0.4)
            axes.spines[["top", "right"]].set_visible(False)
            step_axis(axes, longest)
        boxes[0].legend(loc="upper left", fontsize=6.5, handlelength=1.4, ncols=2)
        return page.png()


def curve(curves: Sequence[Curve]) -> bytes:
    """The training loss of each task on a log scale: the range of a few steps pale, the running geometric
    mean dark.
    """
    columns = 2 if len(curves) in (2, 4) else min(3, len(curves))
    left, top, gap, bottom, height = 0.5, 0.86, 0.2, 0.1, 1.25
    width = (WIDTH - left - gap) / columns - gap
    losses = np.concatenate([np.asarray(each.losses, float) for each in curves])
    low, high = np.quantile(losses[np.isfinite(losses) & (losses > 0)], (0.0, 0.995))
    rows, last = math.ceil(len(curves) / columns), max(max(each.steps) for each in curves)
    with style():
        page = Page(WIDTH, top + rows * (height + 0.45) + bottom)
        page.title(
            "training loss",
            "100 × error of the change, in units of its RMS; pale: steps, bold: running mean",
        )
        for i, each in enumerate(curves):
            row, column = divmod(i, columns)
            axes = page.axes(left + column * (width + gap), top + row * (height + 0.45), width, height)
            _draw_losses(axes, each)
            log_axis(axes, low / 1.1, high * 1.1)
            axes.set_title(caption_words(each.task), loc="left", size=8)
            axes.set_xlabel("step" if row == rows - 1 else "")
            axes.set_xlim(0, max(last, 1))
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            if column:
                axes.tick_params(labelleft=False)
        return page.png()


def draw_quartiles(axes: Axes, step: Errors, error_NT: Errors, hue: str, name: str, above: int) -> Line2D:
    """A line for the median of the trajectories, and a band for their quartiles."""
    low, middle, high = np.nanquantile(error_NT, (0.25, 0.5, 0.75), axis=0)
    axes.fill_between(step, low, high, color=hue, alpha=0.2, linewidth=0)
    (line,) = axes.plot(step, middle, color=hue, label=name, zorder=above)
    line.set(marker="o" if len(step) == 1 else "", markersize=4)
    return line


def stacked(parts: Sequence[Errors]) -> Errors:
    """[N, 2 or F, T] of rollouts of unequal length: NaN where one has ended, huge where it is infinite."""
    longest = max(part.shape[1] for part in parts)
    stacked = np.full((len(parts), len(parts[0]), longest), np.nan)
    for row, part in enumerate(parts):
        stacked[row, :, : part.shape[1]] = np.nan_to_num(part, nan=np.nan, posinf=1e30, neginf=-1e30)
    return stacked


def _spectrum_axes(axes: Axes, truth_TR: Errors) -> None:
    """Log axes that hold the truth, with room for a forecast that is rougher."""
    positive = truth_TR[truth_TR > SPECTRUM_FLOOR * truth_TR.max(initial=0)]
    if positive.size:
        log_axis(axes, float(positive.min()) / 3, float(positive.max()) * 6)
    log_waves(axes)


def _positive(values: Errors) -> Errors:
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def step_axis(axes: Axes, longest: int) -> None:
    axes.set_xlim(1, max(longest, 2))
    axes.set_xlabel("rollout step")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))


def how_many(trajectories: int) -> str:
    """Whose errors a curve shows, for its caption."""
    return f"median and quartiles of {trajectories} trajectories" if trajectories > 1 else "one trajectory"


def _draw_losses(axes: Axes, losses: Curve) -> None:
    """Each step pale, or the range of the steps that share a point; the running mean dark."""
    hue = HUES["model"]
    points = summary(losses.steps, losses.losses)
    axes.plot(points.step, points.middle, color=hue, alpha=0.25, linewidth=0.6)
    axes.fill_between(points.step, points.low, points.high, color=hue, alpha=0.2, linewidth=0)
    places = evenly_chosen(range(len(losses.steps)), MEAN_POINTS)
    mean = running_mean(np.maximum(losses.losses, ERROR_FLOOR))
    axes.plot(np.array(losses.steps)[places], mean[places], color=hue)
