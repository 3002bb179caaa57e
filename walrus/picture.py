"""Pictures of forecasts: truth, forecast and error side by side, error against time, loss against steps.

Every function returns the bytes of a PNG or a GIF and leaves matplotlib's settings as they were. An image shows
the first axis to the right and the second upward (a globe: longitude and latitude), lengths to scale, of a
volume the middle plane. Its frame tells the boundary: thick = wall, dotted = open, thin = periodic.

Axes: F forecaster, T time, C channel, S space; U V the horizontal and the vertical axis of an image.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from PIL import Image

from shards.errors import MismatchError
from shards.image import bar, compass, draw
from shards.page import GREY, INK, NARROW, WIDTH, Page, log_axis, style, words
from shards.view import Picture, Scale, View, view_of
from walrus.forecast import FORECASTERS, Errors, Forecast, Forecaster, errors

HUES: dict[Forecaster, str] = {"model": "#0b5cad", "persistence": "#818b94", "linear": "#c9681a"}
DASHES: dict[Forecaster, str] = {"model": "solid", "persistence": "solid", "linear": "dashed"}
NAMES: dict[Forecaster, str] = {"model": "model", "persistence": "persistence", "linear": "linear extrapolation"}
# Inches: a colour bar with its numbers, a gap of images.
BAR, GAP = 0.62, 0.08
GIF_DPI, GIF_FRAMES = 100, 60
# Beyond these a picture only says "perfect" or "diverged"; their true size would hide the rest.
ERROR_FLOOR, ERROR_CEILING = 1e-6, 30.0

ROWS = ("truth", "forecast", "error")


@dataclass(frozen=True)
class Curve:
    """The losses [N] of one task at the steps [N] that trained on it."""

    task: str
    steps: Sequence[int]
    losses: Sequence[float]


def panel(forecast: Forecast, channel: str, steps: Sequence[int] | None = None) -> bytes:
    """PNG: truth, forecast and error (rows) of one channel at several steps (columns, counted from 0).

    Without `steps`, as many as fit, evenly spread. Raises MismatchError for an unknown channel.
    """
    view, row = view_of(forecast.grid, forecast.boundaries), _row(forecast, channel)
    left, top, bottom, gap = 0.4, 0.86, 0.42, GAP
    room = WIDTH - left - BAR
    if steps is None:
        wanted = min(2.4, max(0.95, 1.5 / view.ratio))
        steps = _spread(len(forecast.time_T), max(2, min(8, int(room / (wanted + gap)))))
    width = min(room / len(steps) - gap, 2.6, 2.3 / view.ratio)
    height = width * view.ratio
    rows = [_images(forecast, view, row, step) for step in steps]
    truth, _, error = zip(*rows, strict=True)
    scale = Scale.of_field(truth)
    scales = (scale, scale, Scale.of_error(error, scale))
    with style():
        page = Page(left + len(steps) * (width + gap) + BAR, top + 3 * (height + gap) + bottom)
        _title(page, forecast, view, channel)
        for i, (name, scale) in enumerate(zip(ROWS, scales, strict=True)):
            down = top + i * (height + gap)
            for j, step in enumerate(steps):
                axes = page.axes(left + j * (width + gap), down, width, height)
                shown = draw(axes, view, rows[j][i], scale)
                axes.set_title(_when(forecast, step) if i == 0 else "")
                axes.set_xlabel(_wrong(forecast, step, row) if i == 2 else "", labelpad=4)
                axes.set_ylabel(name if j == 0 else "", color=INK, size=8.5)
            if i != 1:
                tall = height if i else 2 * height + gap
                bar(page.axes(left + len(steps) * (width + gap), down, 0.09, tall), shown)
        compass(page, view)
        return page.png()


def panels(forecast: Forecast, step: int = -1) -> bytes:
    """PNG: truth, forecast and error (columns) of every channel (rows) at one step."""
    view = view_of(forecast.grid, forecast.boundaries)
    step %= len(forecast.time_T)
    left, top, bottom, gap = 0.4, 0.88, 0.4, 0.2
    width = min((WIDTH - left) / 3 - BAR, 2.4, 1.9 / view.ratio)
    height = width * view.ratio
    with style():
        page = Page(left + _across(width), top + len(forecast.channels) * (height + gap) + bottom)
        _title(page, forecast, view, "all fields", _when(forecast, step))
        for row, channel in enumerate(forecast.channels):
            images = _images(forecast, view, row, step)
            scale = Scale.of_field(images[:1])
            scales = (scale, scale, Scale.of_error(images[2:], scale))
            boxes, _ = _triptych(page, view, images, scales, left, top + row * (height + gap), width)
            boxes[0].set_ylabel(words(channel), color=INK, size=8)
            boxes[2].set_xlabel(_wrong(forecast, step, row), labelpad=2, size=6)
            for axes, name in zip(boxes, ROWS, strict=True):
                axes.set_title(name if row == 0 else "", size=8.5)
        compass(page, view)
        return page.png()


def growth(task: str, rollouts: Sequence[Errors]) -> bytes:
    """PNG: VRMSE against the rollout step; median and quartiles over the trajectories, each [F, T, C]."""
    longest = max(error_FTC.shape[1] for error_FTC in rollouts)
    error_NFT = np.full((len(rollouts), len(FORECASTERS), longest), np.nan)
    for row, error_FTC in enumerate(rollouts):
        error_NFT[row, :, : error_FTC.shape[1]] = error_FTC.mean(2)
    error_NFT = error_NFT.clip(ERROR_FLOOR, 1e6)
    step = np.arange(1, longest + 1)
    with style():
        page = Page(NARROW, 3.0)
        page.text(0.12, 0.12, words(task), size=11, weight="bold")
        many = f"median and quartiles of {len(rollouts)} trajectories"
        count = many if len(rollouts) > 1 else "one trajectory"
        caption = f"VRMSE, mean over the fields; {count}; dotted: a constant field"
        page.text(0.12, 0.36, caption, size=7.5, color=GREY)
        axes = page.axes(0.52, 0.8, 5.74, 1.8)
        for i, forecaster in enumerate(FORECASTERS):
            low, middle, high = np.nanquantile(error_NFT[:, i], (0.25, 0.5, 0.75), axis=0)
            axes.fill_between(step, low, high, color=HUES[forecaster], alpha=0.2, linewidth=0)
            (line,) = axes.plot(step, middle, color=HUES[forecaster], label=NAMES[forecaster], zorder=5 - i)
            line.set(linestyle=DASHES[forecaster], marker="o" if longest == 1 else "", markersize=4)
        log_axis(axes, float(np.nanmin(error_NFT)) / 1.2, min(ERROR_CEILING, float(np.nanmax(error_NFT)) * 1.2))
        axes.axhline(1, color=INK, linewidth=0.5, linestyle=(0, (1, 2)))
        axes.set_xlim(1, max(longest, 2))
        axes.set_xlabel("rollout step")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.legend(loc="lower right", bbox_to_anchor=(1.01, 1.0), ncols=3, columnspacing=1.6, handlelength=1.8)
        return page.png()


def animation(forecast: Forecast, channel: str, frames_per_second: int = 8) -> bytes:
    """GIF: truth, forecast and error of one channel side by side, every step or an even choice of 60."""
    view, row = view_of(forecast.grid, forecast.boundaries), _row(forecast, channel)
    steps = _spread(len(forecast.time_T), GIF_FRAMES)
    left, top, bottom = 0.15, 0.82, 0.3
    width = min((7.4 - left) / 3 - BAR, 3.2 / view.ratio)
    rows = [_images(forecast, view, row, step) for step in steps]
    truth, _, error = zip(*rows, strict=True)
    scale = Scale.of_field(truth)
    scales = (scale, scale, Scale.of_error(error, scale))
    pictures = []
    with style():
        page = Page(left + _across(width), top + width * view.ratio + bottom, GIF_DPI)
        page.text(left, 0.12, words(forecast.task), size=10, weight="bold")
        caption = page.text(left, 0.38, "", size=7.5, color=GREY)
        boxes, shown = _triptych(page, view, rows[0], scales, left, top, width)
        for axes, name in zip(boxes, ROWS, strict=True):
            axes.set_title(name, size=8.5)
        for step, images in zip(steps, rows, strict=True):
            caption.set_text("   ".join([words(channel), _when(forecast, step), view.cut]))
            boxes[2].set_xlabel(_wrong(forecast, step, row))
            for artist, image in zip(shown, images, strict=True):
                artist.set_data(image)
            pictures.append(page.pixels())
    return _gif(pictures, _palette(scales), frames_per_second)


def curve(curves: Sequence[Curve]) -> bytes:
    """PNG: the training loss of each task on a log scale: every step pale, the running geometric mean dark."""
    columns = 2 if len(curves) in (2, 4) else min(3, len(curves))
    left, top, gap, bottom, height = 0.5, 0.86, 0.2, 0.1, 1.25
    width = (WIDTH - left - gap) / columns - gap
    losses = np.concatenate([np.asarray(each.losses, float) for each in curves])
    low, high = np.quantile(losses[np.isfinite(losses) & (losses > 0)], (0.0, 0.995))
    rows, last = math.ceil(len(curves) / columns), max(max(each.steps) for each in curves)
    with style():
        page = Page(WIDTH, top + rows * (height + 0.45) + bottom)
        page.text(0.12, 0.12, "training loss", size=11, weight="bold")
        page.text(0.12, 0.36, "each step, and the running geometric mean", size=7.5, color=GREY)
        for i, each in enumerate(curves):
            row, column = divmod(i, columns)
            axes = page.axes(left + column * (width + gap), top + row * (height + 0.45), width, height)
            axes.plot(each.steps, each.losses, color=HUES["model"], alpha=0.25, linewidth=0.6)
            axes.plot(each.steps, _running_mean(each.losses), color=HUES["model"])
            log_axis(axes, low / 1.1, high * 1.1)
            axes.set_title(words(each.task), loc="left", size=8)
            axes.set_xlabel("step" if row == rows - 1 else "")
            axes.set_xlim(0, max(last, 1))
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            if column:
                axes.tick_params(labelleft=False)
        return page.png()


def _row(forecast: Forecast, channel: str) -> int:
    if channel not in forecast.channels:
        raise MismatchError(f"{forecast.task}: no channel {channel!r}, expected one of {forecast.channels}")
    return forecast.channels.index(channel)


def _spread(frames: int, most: int) -> list[int]:
    return sorted({round(step) for step in np.linspace(0, frames - 1, min(frames, most))})


def _images(forecast: Forecast, view: View, row: int, step: int) -> tuple[Picture, Picture, Picture]:
    """Truth, forecast and error of one channel at one step; a solid has no values."""
    truth = view.image(forecast.truth_TCS[step, row])
    guess = view.image(forecast.forecast_TCS[step, row])
    if forecast.obstacle_S is not None:
        solid = view.image(forecast.obstacle_S) > 0
        truth, guess = (np.where(solid, np.nan, image) for image in (truth, guess))
    return truth, guess, guess - truth


def _across(width: float) -> float:
    """How wide a triptych is: its images, the gap after the truth, the bars after forecast and error."""
    return 3 * width + GAP + 2 * BAR


def _triptych(
    page: Page, view: View, images: Sequence[Picture], scales: Sequence[Scale], left: float, top: float, width: float
) -> tuple[list[Axes], list[AxesImage]]:
    """Truth, forecast and error side by side, a colour bar after the second and the third."""
    height = width * view.ratio
    places = (left, left + width + GAP, left + 2 * width + GAP + BAR)
    boxes = [page.axes(place, top, width, height) for place in places]
    shown = [draw(*parts) for parts in zip(boxes, [view] * 3, images, scales, strict=True)]
    for place, image in zip(places[1:], shown[1:], strict=True):
        bar(page.axes(place + width + 0.07, top, 0.09, height), image)
    return boxes, shown


def _title(page: Page, forecast: Forecast, view: View, *parts: str) -> None:
    cells = " × ".join(str(size) for size in forecast.grid.shape)
    shown = [*parts, view.cut, f"{cells} cells", forecast.trajectory]
    page.text(0.12, 0.12, words(forecast.task), size=11, weight="bold")
    page.text(0.12, 0.38, "   ".join(word for word in shown if word), size=7.5, color=GREY)


def _when(forecast: Forecast, step: int) -> str:
    return f"step {step + 1},  t = {forecast.time_T[step]:.4g}"


def _wrong(forecast: Forecast, step: int, row: int) -> str:
    truth, guess = (frames[step, row][None, None] for frames in (forecast.truth_TCS, forecast.forecast_TCS))
    error = float(errors(truth, guess)[0, 0])
    return f"VRMSE {error:#.3g}" if math.isfinite(error) else "diverged"


def _running_mean(losses: Sequence[float]) -> Picture:
    """The geometric mean over a window of a twentieth of the run, shorter at both ends."""
    window = np.ones(2 * min(len(losses) // 40 + 1, (len(losses) - 1) // 2) + 1)
    logs = np.log(np.maximum(losses, ERROR_FLOOR))
    weight = np.convolve(np.ones(len(losses)), window, "same")
    mean: Picture = np.exp(np.convolve(logs, window, "same") / weight)
    return mean


def _palette(scales: Sequence[Scale]) -> Image.Image:
    """One palette for all pictures of an animation, so that no colour flickers: greys and both maps."""
    greys = np.linspace(0, 255, 24)[:, None].repeat(3, 1)
    maps = [colormaps[name](np.linspace(0, 1, 116))[:, :3] * 255 for name in (scales[0].colours, scales[2].colours)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([greys, *maps]).astype(np.uint8).tobytes())
    return palette


def _gif(pictures: Sequence[Image.Image], palette: Image.Image, frames_per_second: int) -> bytes:
    first, *rest = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    stream = io.BytesIO()
    first.save(stream, format="GIF", save_all=True, append_images=rest, duration=1000 // frames_per_second, loop=0)
    return stream.getvalue()
