"""Draws the pictures of a dataset: its fields at several times, its domain, and the numbers of its survey.

Every function returns the bytes of a PNG. An image shows the first axis to the right and the second upward;
for a volume, the middle plane or the values of largest magnitude along the third axis. Its frame shows the
boundary: thick = wall, dotted = open, thin = periodic; grey = solid.

Axes: T time, C channel, B bin, K wavenumber; U and V are the horizontal and the vertical axis of an image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_hex
from matplotlib.ticker import MaxNLocator

from ingest.reporting.survey import FieldSummary, Snapshots, Survey
from shards.drawing.canvas import NARROW, WIDTH, Page, caption_words, log_axis, log_waves, sheet, style
from shards.drawing.colours import BLUE, EARLY, GREEN, GREY, INK, LATE, MIDDLE, ORANGE, SOLID
from shards.drawing.plane import Scale
from shards.drawing.plane_image import bar, compass, draw, frame
from shards.schema import SPLITS, Schema, Split
from shards.spectrum import Float64

HUES = (BLUE, ORANGE, GREEN)
SPLIT_HUES: dict[Split, str] = {"train": BLUE, "valid": ORANGE, "test": GREY}
MOMENTS = (("first", EARLY), ("middle", MIDDLE), ("last", LATE))
# Inches: the width of a colour bar with its numbers, the gap between images, the least width of a domain.
BAR, GAP, CAPTION = 0.62, 0.08, 3.4
# Below this share of the variance, the spectrum of a float32 field shows only rounding.
SPECTRUM_FLOOR = 1e-12


def frames(snapshots: Snapshots, schema: Schema) -> bytes:
    """Draws each channel (rows) at several times (columns); on a line, all times in one plot."""
    view, channels = snapshots.view, schema.channels
    if snapshots.images_TCVU.shape[2] == 1:
        return _profiles(snapshots, schema)

    left, top, bottom = 0.4, 0.86, 0.42
    columns = len(snapshots.time_T)
    units = schema.per_channel({field.name: field.unit for field in schema.fields})
    tallest = max(0.9, min(2.2, 12 / len(channels)))
    width = min((WIDTH - left - BAR) / columns - GAP, 2.2, tallest / view.ratio)
    height = width * view.ratio

    with style(clear=True):
        page = Page(left + columns * (width + GAP) + BAR, top + len(channels) * (height + GAP) + bottom)
        page.title("fields", f"trajectory {snapshots.key}{_time_in_words(schema)}", view.cut)
        for row, channel in enumerate(channels):
            images = list(snapshots.images_TCVU[:, row])
            scale = Scale.of_field(images)
            down = top + row * (height + GAP)
            for column, image in enumerate(images):
                axes = page.axes(left + column * (width + GAP), down, width, height)
                shown = draw(axes, view, image, scale)
                axes.set_title(f"t = {snapshots.time_T[column]:.4g}" if row == 0 else "")
                axes.set_ylabel(caption_words(channel) if column == 0 else "", color=GREY, size=8)
            place = page.axes(left + columns * (width + GAP), down, 0.09, height)
            bar(place, shown, units[row], scale.saturation(images))
        compass(page, view)
        return page.png()


def constants(snapshots: Snapshots, schema: Schema) -> bytes:
    """Draws the fields that do not change in time."""
    view, channels = snapshots.view, schema.static_channels
    units = schema.per_channel({field.name: field.unit for field in schema.fields}, constant=True)
    left, top, bottom, gap = 0.12, 1.02, 0.5, 0.3
    columns = min(4, len(channels))
    width = min((WIDTH - left) / columns - BAR, 4.0, 2.6 / view.ratio)
    height = width * view.ratio

    with style(clear=True):
        rows = math.ceil(len(channels) / columns)
        page = Page(left + columns * (width + BAR), top + rows * (height + gap) - gap + bottom)
        page.title("constant fields", f"trajectory {snapshots.key}", view.cut)
        for i, (channel, image) in enumerate(zip(channels, snapshots.static_CVU, strict=True)):
            place, down = left + i % columns * (width + BAR), top + i // columns * (height + gap)
            axes = page.axes(place, down, width, height)
            scale = Scale.of_field([image])
            shown = draw(axes, view, image, scale)
            axes.set_title(caption_words(channel), size=8)
            bar(
                page.axes(place + width + 0.07, down, 0.09, height),
                shown,
                units[i],
                scale.saturation([image]),
            )
        compass(page, view)
        return page.png()


def domain(survey: Survey, schema: Schema) -> bytes:
    """Draws the box: cells as ticks, boundaries as a frame, obstacles grey."""
    view, shapes = survey.view, survey.obstacles
    left, top, bottom, gap = 0.62, 0.92, 0.62, 0.42
    width = min((WIDTH - left) / len(shapes) - gap, 5.2, 2.6 / view.ratio)
    height = width * view.ratio

    with style():
        page = Page(left + len(shapes) * (width + gap), top + height + bottom, least=CAPTION)
        page.title("domain", f"{schema.grid.kind} grid", view.cut)
        for i, solid in enumerate(shapes):
            axes = page.axes(left + i * (width + gap), top, width, height)
            seen = np.where(solid > 0, 1.0, np.nan)
            axes.imshow(seen, cmap=ListedColormap([SOLID]), extent=view.extent, aspect="auto")
            _cell_ticks(axes, survey, schema)
            frame(axes, view)
        return page.png()


def histograms(summaries: Sequence[FieldSummary], schema: Schema) -> bytes:
    """Draws how often each value occurs, one line per component."""
    units = {field.name: field.unit for field in schema.fields}
    with style():
        page, boxes = sheet("histograms", "share of all values per unit, log scale", len(summaries))
        for axes, summary in zip(boxes, summaries, strict=True):
            middle_B = (summary.edges_B[1:] + summary.edges_B[:-1]) / 2
            for density_B, component, hue in _lines(summary):
                seen_B = np.where(density_B > 0, density_B, np.nan)
                axes.plot(middle_B, seen_B, drawstyle="steps-mid", color=hue, linewidth=1.1, label=component)
            _log(axes, summary.density_CB)
            if summary.logarithmic:
                axes.set_xscale("log")
            axes.set_title(caption_words(summary.name), loc="left", size=8)
            axes.set_xlabel(units[summary.name])
            _legend(axes, len(summary.components))
        return page.png()


def spectra(summaries: Sequence[FieldSummary]) -> bytes:
    """Draws the isotropic power spectrum of each field at the first, the middle and the last step."""
    with style():
        page, boxes = sheet(
            "power spectra", "share of the variance in each ring of wavenumbers", len(summaries)
        )
        for axes, summary in zip(boxes, summaries, strict=True):
            wave_K = np.arange(1, summary.spectrum_TK.shape[1] + 1)
            for spectrum_K, (name, hue) in zip(summary.spectrum_TK, MOMENTS, strict=True):
                seen_K = np.where(spectrum_K > 0, spectrum_K, np.nan)
                axes.plot(wave_K, seen_K, color=hue, linewidth=1.3, label=name)
            _log(axes, summary.spectrum_TK.clip(SPECTRUM_FLOOR) * (summary.spectrum_TK > 0))
            log_waves(axes)
            axes.set_title(caption_words(summary.name), loc="left", size=8)
        _legend_above(boxes[0])
        return page.png()


def changes(summaries: Sequence[FieldSummary], schema: Schema) -> bytes:
    """Draws the RMS of the one-step change against time, one line per trajectory."""
    with style():
        page, boxes = sheet(
            "change per step", "RMS of the one-step change, in standard deviations", len(summaries)
        )
        for axes, summary in zip(boxes, summaries, strict=True):
            for change in summary.changes:
                seen_T = np.where(change.change_T > 0, change.change_T, np.nan)
                marker = "o" if len(seen_T) == 1 else ""
                axes.plot(
                    change.time_T, seen_T, color=HUES[0], alpha=0.55, linewidth=1, marker=marker, markersize=3
                )
            _log(axes, np.concatenate([change.change_T for change in summary.changes]))
            axes.set_title(caption_words(summary.name), loc="left", size=8)
            axes.set_xlabel(schema.labelled("time"))
        return page.png()


def strips(survey: Survey, names: Sequence[str]) -> bytes:
    """Draws the values of each parameter, one mark per trajectory, one lane per split."""
    left, top, height, gap = 1.7, 0.86, 0.42, 0.42
    with style():
        page = Page(NARROW, top + len(names) * (height + gap))
        page.title("parameters", "one mark per trajectory, one lane per split")
        for row, name in enumerate(names):
            axes = page.axes(left, top + row * (height + gap), NARROW - left - 0.3, height)
            for lane, split in enumerate(SPLITS):
                values = [
                    scalars[name] for each, scalars in survey.parameters if each == split and name in scalars
                ]
                axes.plot(
                    values, [lane] * len(values), "|", color=SPLIT_HUES[split], markersize=8, label=split
                )
            _lanes(axes, name)
        _legend_above(page.figure.axes[0])
        return page.png()


def boundary_words(schema: Schema) -> list[str]:
    """The boundaries of each axis in words, such as `x periodic` and `y wall to open`."""
    words = []
    for axis, (lower, upper) in zip(schema.grid.axes, schema.boundaries, strict=True):
        same = lower == upper
        words.append(f"{axis} {lower.name.lower()}" + ("" if same else f" to {upper.name.lower()}"))
    return words


def width_words(widths: Sequence[float]) -> str:
    """The widths of cells in words.

    >>> width_words((0.25, 0.25)), width_words((0.001, 0.03))
    ('0.25', '0.001 to 0.03')
    """
    return " to ".join(dict.fromkeys((f"{min(widths):.4g}", f"{max(widths):.4g}")))


def _time_in_words(schema: Schema) -> str:
    return f"   {schema.labelled('time')}" if schema.units.get("time") else ""


def _profiles(snapshots: Snapshots, schema: Schema) -> bytes:
    """Draws fields along a line, in colours from pale (first) to dark (last)."""
    channels = schema.channels
    left, right, _, _ = snapshots.view.extent
    hues = [to_hex(colour) for colour in colormaps["Blues"](np.linspace(0.35, 1, len(snapshots.time_T)))]
    times = ", ".join(f"{time:.4g}" for time in snapshots.time_T)

    with style():
        page, boxes = sheet(
            "fields",
            f"trajectory {snapshots.key}   pale to dark: t = {times}{_time_in_words(schema)}",
            len(channels),
        )
        for row, (axes, channel) in enumerate(zip(boxes, channels, strict=True)):
            for image, hue in zip(snapshots.images_TCVU[:, row], hues, strict=True):
                place_U = left + (right - left) * (np.arange(image.size) + 0.5) / image.size
                axes.plot(place_U, image[0], color=hue, linewidth=1.2)
            axes.set_title(caption_words(channel), loc="left", size=8)
            axes.set_xlabel(schema.labelled(snapshots.view.names[0]))
            frame(axes, snapshots.view)
        return page.png()


def _lines(summary: FieldSummary) -> list[tuple[Float64, str, str]]:
    """The density, name and hue of each component; more than three hues are taken from a colour map."""
    count = len(summary.components)
    hues = (
        HUES if count <= len(HUES) else [to_hex(c) for c in colormaps["viridis"](np.linspace(0, 0.9, count))]
    )
    names = [component.removeprefix(f"{summary.name}_") for component in summary.components]
    return list(zip(summary.density_CB, names, hues[:count], strict=True))


def _log(axes: Axes, values: Float64) -> None:
    """Makes the vertical axis logarithmic around the positive values; without any, says so in the plot."""
    positive = values[np.isfinite(values) & (values > 0)]
    if positive.size:
        log_axis(axes, float(positive.min()) / 1.2, float(positive.max()) * 1.2)
    else:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "nothing above zero", color=GREY, ha="center", transform=axes.transAxes)


def _legend(axes: Axes, lines: int) -> None:
    if lines > 1:
        axes.legend(
            loc="upper right", fontsize=6, handlelength=1, ncols=math.ceil(lines / 3), labelspacing=0.2
        )


def _legend_above(axes: Axes) -> None:
    corner = (1.02, 0.99)
    axes.legend(
        loc="lower right", bbox_to_anchor=corner, fontsize=6.5, ncols=3, columnspacing=1.2, handlelength=1
    )


def _lanes(axes: Axes, name: str) -> None:
    axes.set_ylim(len(SPLITS) - 0.5, -0.5)
    axes.set_yticks([])
    axes.set_ylabel(caption_words(name), rotation=0, ha="right", va="center", color=INK, size=8)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.spines[["top", "right", "left"]].set_visible(False)


def _cell_ticks(axes: Axes, survey: Survey, schema: Schema) -> None:
    """Draws numbers along both axes, and a short mark at every cell, or at some evenly chosen cells."""
    left, right, bottom, top = survey.view.extent
    across, up = survey.view.axes
    along, upwards = (schema.labelled(name) for name in survey.view.names)
    axes.set(xlim=(left, right), ylim=(bottom, top), xlabel=along, ylabel=upwards)
    for axis, number in ((axes.xaxis, across), (axes.yaxis, up)):
        axis.set_major_locator(MaxNLocator(4, steps=(1, 2, 2.5, 5, 10)))
        if number < len(schema.grid.axes):
            cells = np.sort(schema.grid.coordinates[number])
            axis.set_ticks(cells[:: math.ceil(len(cells) / 64)], minor=True)
        else:
            axis.set_ticks([])
