"""Draws a plane of a grid: its colours, its frame, its colour bar and the names of its axes.

The frame shows the boundary: thick = wall, dotted = open, thin = periodic.
"""

from __future__ import annotations

from matplotlib import colormaps, rcParams
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from shards.drawing.canvas import Page
from shards.drawing.colours import GREY, SOLID
from shards.drawing.plane import Picture, Saturation, Scale, View
from shards.schema import Boundary

# Width and dash; what is not periodic has the colour of the text.
SPINES: dict[Boundary, tuple[float, str]] = {
    Boundary.WALL: (1.8, "solid"),
    Boundary.OPEN: (0.9, "dotted"),
    Boundary.PERIODIC: (0.4, "solid"),
}
WITHIN = Saturation()
# The arrows of a colour bar, in the words of matplotlib.
ARROWS = {
    WITHIN: "neither",
    Saturation(below=True): "min",
    Saturation(above=True): "max",
    Saturation(below=True, above=True): "both",
}


def draw(axes: Axes, view: View, image: Picture, scale: Scale) -> AxesImage:
    """Draws the plane [V, U] in the colours of `scale`; values that are not finite are grey."""
    colours = colormaps[scale.colours].with_extremes(bad=SOLID)
    shown = axes.imshow(image, cmap=colours, vmin=scale.low, vmax=scale.high, aspect="auto")
    axes.set_xticks([])
    axes.set_yticks([])
    frame(axes, view)
    return shown


def frame(axes: Axes, view: View) -> None:
    """Draws the four sides of the plane, each with the line of its boundary."""
    for side, boundary in zip(("left", "right", "bottom", "top"), view.sides, strict=True):
        width, dash = SPINES[boundary]
        colour = GREY if boundary is Boundary.PERIODIC else rcParams["text.color"]
        axes.spines[side].set(linewidth=width, linestyle=dash, edgecolor=colour, visible=True)


def bar(axes: Axes, shown: AxesImage, unit: str = "", saturation: Saturation = WITHIN) -> None:
    """Fills `axes` with the colour bar of an image; it has an arrow at an end if values are beyond it."""
    # The length of an arrow is a fraction of that of the bar.
    colours = axes.figure.colorbar(
        shown, cax=axes, ticks=MaxNLocator(5), extend=ARROWS[saturation], extendfrac=0.04
    )
    colours.ax.set_title(unit, size=6.5, color=GREY, loc="left", pad=4)
    colours.outline.set_visible(False)
    colours.ax.tick_params(length=2, pad=2)


def compass(page: Page, view: View) -> None:
    """Draws two small arrows with the names of the axes at the lower left."""
    axes = page.axes(0.12, page.height - 0.36, 0.24, 0.24)
    axes.set_axis_off()
    for tip, name, place in (((1, 0), view.names[0], (1.15, 0)), ((0, 1), view.names[1], (0.15, 0.95))):
        arrow = {"arrowstyle": "->", "color": GREY, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", tip, (0, 0), xycoords="axes fraction", arrowprops=arrow)
        axes.annotate(name, place, xycoords="axes fraction", color=GREY, size=6.5, va="center", ha="left")
