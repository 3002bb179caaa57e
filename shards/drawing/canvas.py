"""The canvas of every picture: its size, its text, its axes, and the common style."""

from __future__ import annotations

import io
import math
from contextlib import AbstractContextManager

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from PIL import Image

from shards.drawing.colours import GREY, INK, PALE

# Inches: the width of a report, and the least width of a picture with a caption.
WIDTH, NARROW = 9.6, 6.4
DPI = 200


def style(*, clear: bool = False) -> AbstractContextManager[None]:
    """Gives pictures the common style inside this context.

    A `clear` picture has no background, and grey text that is readable on a white and on a dark page.
    """
    ink = GREY if clear else INK
    return rc_context(
        {
            "figure.facecolor": "none" if clear else "white",
            "font.family": "DejaVu Sans",
            "font.size": 7.5,
            "text.color": ink,
            "text.parse_math": False,
            "axes.edgecolor": GREY,
            "axes.labelcolor": GREY,
            "axes.labelsize": 7,
            "axes.linewidth": 0.5,
            "axes.titlecolor": ink,
            "axes.titlesize": 7.5,
            "xtick.color": GREY,
            "ytick.color": GREY,
            "xtick.labelsize": 6.5,
            "ytick.labelsize": 6.5,
            "xtick.major.width": 0.5,
            "ytick.major.width": 0.5,
            "xtick.major.size": 2.5,
            "ytick.major.size": 2.5,
            "ytick.minor.size": 1.5,
            "ytick.minor.width": 0.4,
            "lines.linewidth": 1.6,
            "legend.frameon": False,
            "legend.fontsize": 7.5,
        }
    )


class Page:
    """A page of at least `least` inches width; positions are inches from its left and top edges."""

    def __init__(self, width: float, height: float, dpi: int = DPI, least: float = NARROW) -> None:
        self.width, self.height = max(width, least), height
        self.figure = Figure((self.width, height), dpi=dpi)
        # Agg, even if a notebook or a desktop has set another backend.
        FigureCanvasAgg(self.figure)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        bottom = self.height - top - height
        return self.figure.add_axes(
            (left / self.width, bottom / self.height, width / self.width, height / self.height)
        )

    def text(
        self,
        left: float,
        top: float,
        words: str,
        size: float,
        color: str | None = None,
        weight: str = "normal",
    ) -> Text:
        """Words whose upper left corner is there, in the ink of the page or in another `color`."""
        return self.figure.text(
            left / self.width, 1 - top / self.height, words, size=size, color=color, weight=weight, va="top"
        )

    def title(self, title: str, *parts: str) -> None:
        """Writes a bold line, and below it the `parts` that are not empty."""
        self.text(0.12, 0.12, title, size=11, weight="bold")
        self.text(0.12, 0.38, "   ".join(part for part in parts if part), size=7.5, color=GREY)

    def png(self) -> bytes:
        stream = io.BytesIO()
        self.figure.savefig(stream, format="png", metadata={"Software": None})
        return stream.getvalue()

    def pixels(self) -> Image.Image:
        return Image.open(io.BytesIO(self.png())).convert("RGB")


def sheet(title: str, caption: str, count: int) -> tuple[Page, list[Axes]]:
    """A page with `count` boxes, three in a row (one or two if that fills the page)."""
    columns = 2 if count == 4 else min(count, 3)
    left, top, gap, height, between = 0.55, 0.92, 0.5, 1.45, 0.62
    width = (WIDTH - left) / columns - gap
    rows = math.ceil(count / columns)
    page = Page(WIDTH, top + rows * (height + between) - 0.1)
    page.title(title, caption)
    places = [(i % columns * (width + gap), i // columns * (height + between)) for i in range(count)]
    return page, [page.axes(left + across, top + down, width, height) for across, down in places]


def log_axis(axes: Axes, low: float, high: float) -> None:
    """Makes the vertical axis logarithmic, with a few plain numbers and a pale grid; hides two sides."""
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    decades = LogLocator(10, subs=(1, 2, 5) if high / low < 200 else (1,))
    axes.yaxis.set_major_locator(MaxNLocator(5) if high / low < 5 else decades)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", color=PALE, linewidth=0.4)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def log_waves(axes: Axes) -> None:
    """Makes the horizontal axis logarithmic in wavenumbers, with plain numbers at 1, 2 and 5."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("cycles along the longest side")


def caption_words(name: str) -> str:
    """A name as it is written in captions.

    >>> caption_words("velocity_x")
    'velocity x'
    """
    return name.replace("_", " ")
