"""Draw forecasts: truth, forecast and error side by side, as a sheet or as an animation.

Every function returns the bytes of a PNG or a GIF and leaves matplotlib's settings as they were. An image
shows the first axis to the right and the second upward (a globe: longitude and latitude), lengths to scale,
of a volume the middle plane. Its frame shows the boundary: thick = wall, dotted = open, thin = periodic. Grey
is solid.

Axes: I image (truth, forecast, error), T recorded steps, C channel; U V the horizontal and the
vertical axis of an image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from shards.drawing.canvas import WIDTH, Page, caption_words, style
from shards.drawing.colours import BLUE, GREY, INK
from shards.drawing.even_choice import evenly_chosen
from shards.drawing.gif import gif
from shards.drawing.plane import Picture, Scale, View
from shards.drawing.plane_image import bar, compass, draw
from walrus.evaluation.recording import IMAGES, Recording, error_words

# Inches: a colour bar with its numbers, a gap of images.
BAR, GAP = 0.62, 0.08
GIF_DPI = 100
MOST_COLUMNS = 8
# Steps of a line that are drawn as curves.
PROFILES = 4


def panel(recording: Recording, channel: str, indices: Sequence[int] | None = None) -> bytes:
    """PNG: truth, forecast and error (rows) of one channel at several recorded steps (columns).

    Without `indices`, as many as fit, evenly spread. A line is drawn as its values over position and time.
    Raises MismatchError for an unknown channel.
    """
    view, row = recording.views[0], recording.row(channel)
    if view.is_line:
        return _space_time(recording, channel)
    left, top, bottom, gap = 0.4, 0.86, 0.42, GAP
    space = WIDTH - left - BAR
    if indices is None:
        wanted = min(2.4, max(0.95, 1.5 / view.ratio))
        indices = evenly_chosen(
            range(len(recording.steps)), max(2, min(MOST_COLUMNS, int(space / (wanted + gap))))
        )
    width = min(space / len(indices) - gap, 2.6, 2.3 / view.ratio)
    height = width * view.ratio
    images_ITVU = recording.images_ITCVU[0][:, list(indices), row]
    scales = _scales(images_ITVU)
    with style():
        page = Page(left + len(indices) * (width + gap) + BAR, top + 3 * (height + gap) + bottom)
        _title(page, recording, caption_words(channel), view.cut)
        for i, (name, scale) in enumerate(zip(IMAGES, scales, strict=True)):
            down = top + i * (height + gap)
            for j, index in enumerate(indices):
                axes = page.axes(left + j * (width + gap), down, width, height)
                shown = draw(axes, view, images_ITVU[i, j], scale)
                axes.set_title(_step_words(recording, index) if i == 0 else "")
                axes.set_xlabel(error_words(recording, index, row) if i == 2 else "", labelpad=4)
                axes.set_ylabel(name if j == 0 else "", color=INK, size=8.5)
            if i != 1:
                tall = height if i else 2 * height + gap
                place = page.axes(left + len(indices) * (width + gap), down, 0.09, tall)
                drawn = images_ITVU[:2] if i == 0 else images_ITVU[2:]
                bar(place, shown, recording.facts.unit(channel), scale.saturation(list(drawn)))
        compass(page, view)
        return page.png()


def panels(recording: Recording, index: int = -1) -> bytes:
    """PNG: truth, forecast and error (columns) of every recorded channel (rows) at one recorded step."""
    view = recording.views[0]
    left, top, bottom, gap = 0.4, 0.88, 0.4, 0.2
    width = min((WIDTH - left) / 3 - BAR, 2.4, 1.9 / view.ratio)
    height = width * view.ratio
    with style():
        page = Page(left + _triptych_width(width), top + len(recording.channels) * (height + gap) + bottom)
        _title(page, recording, "all fields", _step_words(recording, index), view.cut)
        for row, channel in enumerate(recording.channels):
            images = recording.images_ITCVU[0][:, index, row]
            down, unit = top + row * (height + gap), recording.facts.unit(channel)
            boxes, _ = _triptych(page, view, images, _scales(images[:, None]), left, down, width, unit=unit)
            boxes[0].set_ylabel(caption_words(channel), color=INK, size=8)
            boxes[2].set_xlabel(error_words(recording, index, row), labelpad=2, size=6)
            for axes, name in zip(boxes, IMAGES, strict=True):
                axes.set_title(name if row == 0 else "", size=8.5)
        compass(page, view)
        return page.png()


def volume(recording: Recording, channel: str, index: int = -1) -> bytes:
    """PNG: truth, forecast and error (rows) of a volume at one recorded step, in all views (columns).

    The planes share their colours; the projection through the volume, which shows only extremes, has its own.
    """
    row, left, top, bottom, gap = recording.row(channel), 0.4, 0.98, 0.36, 0.24
    space = WIDTH - left - len(recording.views) * gap - 2 * BAR
    images = [images_ITCVU[:, index, row] for images_ITCVU in recording.images_ITCVU]
    planes = [k for k, view in enumerate(recording.views) if not view.projects]
    shared = _scales(np.concatenate([images[k].reshape(3, -1) for k in planes], 1)[:, None, None])
    # One height for all, so that the widths follow from the shapes.
    height = min(2.2, space / sum(1 / view.ratio for view in recording.views))
    with style():
        page = Page(WIDTH, top + 3 * (height + GAP) + bottom)
        _title(
            page,
            recording,
            caption_words(channel),
            _step_words(recording, index),
            error_words(recording, index, row),
        )
        across = left
        for k, view in enumerate(recording.views):
            scales = shared if k in planes else _scales(images[k][:, None], shared[0])
            width = height / view.ratio
            for i, name in enumerate(IMAGES):
                down = top + i * (height + GAP)
                axes = page.axes(across, down, width, height)
                shown = draw(axes, view, images[k][i], scales[i])
                axes.set_title(
                    f"{view.cut}\n{view.names[0]} right, {view.names[1]} up" if i == 0 else "", size=7
                )
                axes.set_ylabel(name if k == 0 else "", color=INK, size=8.5)
                if k in (planes[-1], len(recording.views) - 1) and i != 1:
                    tall = height if i else 2 * height + GAP
                    drawn = [images[k][i] for k in (planes if k in planes else [k])]
                    place = page.axes(across + width + 0.07, down, 0.09, tall)
                    bar(place, shown, recording.facts.unit(channel), scales[i].saturation(drawn))
            across += width + gap + (BAR if k == planes[-1] else 0)
        return page.png()


def animation(recording: Recording, channel: str, frames_per_second: int = 8) -> bytes:
    """GIF: truth, forecast and error of one channel side by side, every recorded step."""
    view, row = recording.views[0], recording.row(channel)
    left, top, bottom = 0.15, 0.82, 0.3
    width = min((WIDTH - left) / 3 - BAR, 3.4 / view.ratio)
    images_ITVU = recording.images_ITCVU[0][:, :, row]
    scales = _scales(images_ITVU)
    pictures = []
    with style():
        page = Page(left + _triptych_width(width), top + width * view.ratio + bottom, GIF_DPI)
        page.text(left, 0.12, caption_words(recording.facts.task), size=10, weight="bold")
        caption = page.text(left, 0.38, "", size=7.5, color=GREY)
        unit = recording.facts.unit(channel)
        boxes, shown = _triptych(page, view, images_ITVU[:, 0], scales, left, top, width, unit=unit)
        for axes, name in zip(boxes, IMAGES, strict=True):
            axes.set_title(name, size=8.5)
        for index in range(len(recording.steps)):
            caption.set_text("   ".join([caption_words(channel), _step_words(recording, index), view.cut]))
            boxes[2].set_xlabel(error_words(recording, index, row))
            for artist, image in zip(shown, images_ITVU[:, index], strict=True):
                artist.set_data(image)
            pictures.append(page.pixels())
    return gif(pictures, (scales[0].colours, scales[2].colours), frames_per_second)


def _space_time(recording: Recording, channel: str) -> bytes:
    """PNG of a line: truth, forecast and error by position (right) and time (up); some steps as curves."""
    view, row = recording.views[0], recording.row(channel)
    images_ITU = recording.images_ITCVU[0][:, :, row].reshape(3, len(recording.steps), -1)
    scales = _scales(images_ITU[:, None])
    left, top, height, below = 0.5, 0.9, 2.1, 1.4
    width = (WIDTH - left) / 3 - BAR
    extent = (*view.extent[:2], recording.steps[0] - 0.5, recording.steps[-1] + 0.5)
    name, indices = view.names[0], evenly_chosen(range(len(recording.steps)), PROFILES)
    with style():
        page = Page(left + _triptych_width(width), top + height + 0.75 + below + 0.5)
        _title(page, recording, caption_words(channel))
        unit = recording.facts.unit(channel)
        boxes, shown = _triptych(page, view, images_ITU[:, ::-1], scales, left, top, width, height, unit)
        for axes, image, title in zip(boxes, shown, IMAGES, strict=True):
            image.set_extent(extent)
            axes.set(title=title, xlabel=name)
            axes.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
        boxes[0].set_ylabel("rollout step")
        boxes[0].yaxis.set_major_locator(MaxNLocator(5, integer=True))
        cell_U = np.linspace(*view.extent[:2], 2 * images_ITU.shape[2] + 1)[1::2]
        wide = (WIDTH - left - 0.2) / len(indices) - 0.2
        for j, index in enumerate(indices):
            axes = page.axes(left + j * (wide + 0.2), top + height + 0.75, wide, below)
            axes.plot(cell_U, images_ITU[0, index], color=GREY, linewidth=2.4, alpha=0.6, label="truth")
            axes.plot(cell_U, images_ITU[1, index], color=BLUE, linewidth=1.2, label="forecast")
            axes.set(
                title=f"{_step_words(recording, index)}\n{error_words(recording, index, row)}", xlabel=name
            )
            axes.set_ylim(*_limits(images_ITU[0]))
            axes.tick_params(labelleft=j == 0)
            axes.spines[["top", "right"]].set_visible(False)
            if j == 0:
                axes.legend(fontsize=6.5, handlelength=1.4)
        return page.png()


def _limits(values: Picture) -> tuple[float, float]:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    space = 0.15 * (high - low) or 1.0
    return low - space, high + space


def _scales(images_ITVU: Picture, widest: Scale | None = None) -> tuple[Scale, Scale, Scale]:
    """Truth and forecast share the colours of the truth.

    Those of the error have at most its range, or `widest`.
    """
    truth, _, error = images_ITVU
    scale = Scale.of_field(truth)
    return scale, scale, Scale.of_error(error, widest or scale)


def _triptych_width(width: float) -> float:
    """Width of a triptych: its images, the gap after the truth, the bars after forecast and error."""
    return 3 * width + GAP + 2 * BAR


def _triptych(
    page: Page,
    view: View,
    images_IVU: Picture,
    scales: Sequence[Scale],
    left: float,
    top: float,
    width: float,
    height: float = 0.0,
    unit: str = "",
) -> tuple[list[Axes], list[AxesImage]]:
    """Truth, forecast and error side by side, a colour bar after the second and the third."""
    height = height or width * view.ratio
    lefts = (left, left + width + GAP, left + 2 * width + GAP + BAR)
    boxes = [page.axes(at, top, width, height) for at in lefts]
    shown = []
    for axes, image_VU, scale in zip(boxes, images_IVU, scales, strict=True):
        shown.append(draw(axes, view, image_VU, scale))
    for at, image, scale, drawn in zip(lefts[1:], shown[1:], scales[1:], images_IVU[1:], strict=True):
        bar(page.axes(at + width + 0.07, top, 0.09, height), image, unit, scale.saturation([drawn]))
    return boxes, shown


def _title(page: Page, recording: Recording, *parts: str) -> None:
    cells = " × ".join(str(size) for size in recording.facts.grid.shape)
    page.title(caption_words(recording.facts.task), *parts, f"{cells} cells", recording.facts.trajectory)


def _step_words(recording: Recording, index: int) -> str:
    return f"step {recording.steps[index]},  t = {recording.time_T[index]:.4g}"
