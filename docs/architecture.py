"""Draw docs/images/architecture.png and write the table of docs/architecture.md: python docs/architecture.py

Both come from the import statements of the four packages. A room is a folder, or the files directly below
a package; `layer` of tests/test_layers.py says which file belongs to which room.
"""

from __future__ import annotations

import ast
import math
import sys
import textwrap
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations, pairwise, permutations
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

ROOT = Path(__file__).parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from shards.drawing.even_choice import evenly_chosen  # noqa: E402
from tests.import_graph import PACKAGES, floors, imports, is_room, modules  # noqa: E402
from tests.test_layers import layer  # noqa: E402

PAGE = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "images" / "architecture.png"
BEGIN, END = "<!-- rooms: written by docs/architecture.py -->", "<!-- end of rooms -->"

# From how many orders of the widest row the search for columns begins.
STARTS = 12
INK, GREY = "#1f2328", "#57606a"
FILL = {"pipelines": "#f6e7d2", "ingest": "#dcebdc", "walrus": "#dce6f4", "shards": "#eceaf4"}
EDGE = {"pipelines": "#c08a3e", "ingest": "#5a8f5a", "walrus": "#4a74ad", "shards": "#7a6fae"}
# Inches: a box, the gap between floors, the margin of a package.
WIDTH, HEIGHT, GAP, MARGIN, TITLE = 1.75, 0.68, 0.34, 0.18, 0.14

# What the files directly below a package do; a folder says it itself, in its `__init__`.
LOOSE = {
    "ingest": "Reads recipes, splits and transforms; finds sources",
    "ingest.cli": "The command walrus-ingest",
    "walrus": "Loads a trained model and forecasts",
    "walrus.tensors": "Batches, channels, random draws",
    "shards": "Writes, reads and checks the shard format",
    "pipelines": "All other commands: walrus-pretrain, walrus-finetune, ...",
}

Arrows = dict[str, set[str]]


@dataclass(frozen=True)
class Room:
    """A box of the picture."""

    name: str
    purpose: str
    files: tuple[str, ...]

    @property
    def package(self) -> str:
        return self.name.split(".")[0]

    @property
    def label(self) -> str:
        folder = f"{self.name.replace('.', '/')}/"
        return f"{self.package}/*.py" if self.name in LOOSE and self.name != "pipelines" else folder

    @property
    def content(self) -> str:
        """The names of its files where they stand in no folder, or else their number."""
        loose = self.name in LOOSE and len(self.files) < 8
        return "\n".join(textwrap.wrap(", ".join(self.files), 44)) if loose else f"{len(self.files)} modules"


def find_rooms() -> dict[str, Room]:
    """Every room of the house by its name."""
    found: dict[str, list[str]] = {}
    for module in modules():
        if not is_room(module):
            found.setdefault(layer(module), []).append(module.rpartition(".")[2])
    return {name: Room(name, _purpose(name), tuple(sorted(files))) for name, files in found.items()}


def find_arrows() -> Counter[tuple[str, str]]:
    """How many imports lead from one room to another."""
    return Counter(
        (layer(module), layer(wanted))
        for module, names in imports().items()
        for wanted in names
        if layer(module) != layer(wanted) and not is_room(module)
    )


def table() -> str:
    """The rooms from top to bottom, and which rooms each imports from, as Markdown.

    Without numbers: they change with every commit, and the page would have to change with them.
    """
    rooms = find_rooms()
    targets = _targets(rooms, find_arrows())
    heights = floors(targets)
    lines = ["| room | what it is | imports from |", "|---|---|---|"]
    for name in sorted(rooms, key=lambda name: (-heights[name], name)):
        wanted = ", ".join(sorted(targets[name])) or "nothing of ours"
        lines.append(f"| {name} | {rooms[name].purpose} | {wanted} |")
    return "\n".join(lines)


def write_page() -> None:
    """Replace the table in the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}", encoding="utf-8")


def _purpose(name: str) -> str:
    """The first sentence of the room's `__init__`, up to its colon; or what LOOSE says."""
    if name in LOOSE:
        return LOOSE[name]
    text = ast.get_docstring(ast.parse(modules()[name].read_text(encoding="utf-8"))) or ""
    return text.split("\n")[0].split(": ")[0].split(". ")[0].removesuffix(".")


def _targets(rooms: dict[str, Room], counts: Counter[tuple[str, str]]) -> Arrows:
    targets: Arrows = {name: set() for name in rooms}
    for start, end in counts:
        targets[start].add(end)
    return targets


def _shortened(targets: Arrows) -> Arrows:
    """Without the arrows that a longer way of arrows stands for."""
    reached: Arrows = {}

    def below(name: str) -> set[str]:
        if name not in reached:
            reached[name] = targets[name].union(*(below(each) for each in targets[name]))
        return reached[name]

    return {
        name: {end for end in ends if not any(end in below(other) for other in ends - {end})}
        for name, ends in targets.items()
    }


def _rows(arrows: Arrows) -> dict[str, int]:
    """The row of each room, counted from below: as near to the rooms that use it as the arrows allow."""
    lowest = floors(arrows)
    rows: dict[str, int] = {}

    def row(name: str) -> int:
        if name not in rows:
            users = [other for other, ends in arrows.items() if name in ends]
            rows[name] = min(map(row, users)) - 1 if users else lowest[name]
        return rows[name]

    for name in arrows:
        row(name)
    return rows


def _columns(arrows: Arrows, rows: dict[str, int]) -> dict[str, float]:
    """Where each room stands in its row: the places with the shortest arrows that cross no room."""
    members = [[name for name in sorted(rows) if rows[name] == row] for row in range(max(rows.values()) + 1)]
    halves = 2 * max(map(len, members)) - 1
    best: dict[str, float] = {}
    # Three more halves of a column are wide enough for any house; where arrows cross rooms, they are needed.
    for steps in range(halves, halves + 3):
        choices = [_row_choices(names, steps) for names in members]
        best = _row_by_row(choices, partial(_cost, arrows=arrows, rows=rows, middle=(steps - 1) / 4))
        if _crossings(best, arrows, rows) == 0:
            break
    leftmost = min(best.values())
    return {name: column - leftmost for name, column in best.items()}


def _row_by_row(
    choices: list[list[dict[str, float]]], cost: Callable[[dict[str, float]], float]
) -> dict[str, float]:
    """The columns with the lowest cost that is found by changing one row at a time, from several starts.

    All ways to set all rows are far too many.
    """
    widest = max(choices, key=len)
    best: dict[str, float] = {}
    for start in evenly_chosen(widest, STARTS):
        columns = _joined((*(options[len(options) // 2] for options in choices), start))
        lowest = math.inf
        while cost(columns) < lowest:
            lowest = cost(columns)
            for options in choices:
                columns |= min(options, key=lambda row: cost(columns | row))
        if not best or lowest < cost(best):
            best = columns
    return best


def _row_choices(names: list[str], steps: int) -> list[dict[str, float]]:
    """Every way to set the rooms of a row on places half a column apart, no two of them overlapping."""
    choices = []
    for places in combinations([step / 2 for step in range(steps)], len(names)):
        if all(right - left >= 1 for left, right in pairwise(places)):
            choices += [dict(zip(order, places, strict=True)) for order in permutations(names)]
    return choices


def _joined(chosen: tuple[dict[str, float], ...]) -> dict[str, float]:
    columns: dict[str, float] = {}
    for row in chosen:
        columns |= row
    return columns


def _cost(columns: dict[str, float], arrows: Arrows, rows: dict[str, int], middle: float) -> float:
    """Long arrows and crossed rooms are bad; of two ways alike, the one nearer to the middle is better."""
    length = sum(abs(columns[start] - columns[end]) for start in arrows for end in arrows[start])
    aside = sum((column - middle) ** 2 for column in columns.values())
    return length + aside / 100 + 10 * _crossings(columns, arrows, rows)


def _crossings(columns: dict[str, float], arrows: Arrows, rows: dict[str, int]) -> int:
    """How often an arrow crosses a room that stands between its ends."""
    count = 0
    for start, ends in arrows.items():
        for end in ends:
            slope = (columns[start] - columns[end]) / (rows[start] - rows[end])
            for other in arrows:
                if rows[end] < rows[other] < rows[start]:
                    at = columns[end] + slope * (rows[other] - rows[end])
                    count += abs(at - columns[other]) < 0.55
    return count


@dataclass(frozen=True)
class Panel:
    """A package on the sheet: its rooms in rows, and the arrows among them. Lengths in inches."""

    package: str
    arrows: Arrows
    rows: dict[str, int]
    columns: dict[str, float]

    @classmethod
    def of(cls, package: str, rooms: dict[str, Room], targets: Arrows) -> Panel:
        inside = {name for name, room in rooms.items() if room.package == package}
        arrows = _shortened({name: targets[name] & inside for name in inside})
        rows = _rows(arrows)
        return cls(package, arrows, rows, _columns(arrows, rows))

    @property
    def size(self) -> tuple[float, float]:
        across, up = max(self.columns.values()) + 1, max(self.rows.values()) + 1
        width = across * WIDTH + (across - 1) * MARGIN + 2 * MARGIN
        return width, up * HEIGHT + (up - 1) * GAP + MARGIN + TITLE + 0.06

    def centre(self, name: str, left: float, bottom: float) -> tuple[float, float]:
        x = left + MARGIN + self.columns[name] * (WIDTH + MARGIN) + WIDTH / 2
        return x, bottom + MARGIN + self.rows[name] * (HEIGHT + GAP) + HEIGHT / 2


def draw() -> None:
    """Draw the picture: pipelines on top, ingest and walrus side by side, shards below."""
    rooms, counts = find_rooms(), find_arrows()
    panels = {package: Panel.of(package, rooms, _targets(rooms, counts)) for package in PACKAGES}
    middle, edge = 0.9, 0.12
    width = panels["ingest"].size[0] + middle + panels["walrus"].size[0]
    body = max(panels[name].size[1] for name in ("ingest", "walrus"))
    low, top = panels["shards"].size[1], panels["pipelines"].size[1]
    between = 0.55
    places = {
        "shards": (0.0, 0.0, width, low),
        "ingest": (0.0, low + between, panels["ingest"].size[0], body),
        "walrus": (width - panels["walrus"].size[0], low + between, panels["walrus"].size[0], body),
        "pipelines": (0.0, low + body + 2 * between, width, top),
    }
    mpl.rcParams["font.family"] = "DejaVu Sans"
    height = low + body + top + 2 * between
    figure = plt.figure(figsize=(width + 2 * edge, height + 2 * edge), facecolor="white")
    sheet = figure.add_axes((0, 0, 1, 1))
    sheet.set(xlim=(-edge, width + edge), ylim=(-edge, height + edge))
    sheet.axis("off")
    for package, (left, bottom, across, up) in places.items():
        _draw_panel(sheet, panels[package], rooms, (left, bottom, across, up))
    _draw_package_arrows(sheet, places, counts)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=130, metadata={"Software": None})


def _draw_panel(
    sheet: Axes, panel: Panel, rooms: dict[str, Room], place: tuple[float, float, float, float]
) -> None:
    left, bottom, across, up = place
    colour = EDGE[panel.package]
    _box(sheet, left, bottom, across, up, face=FILL[panel.package], edge=colour, line=1.2)
    sheet.text(
        left + 0.14, bottom + up - 0.09, f"{panel.package}/", color=colour, size=12, weight="bold", va="top"
    )
    left += (across - panel.size[0]) / 2
    bottom += (up - panel.size[1]) / 2
    for start, ends in panel.arrows.items():
        for end in ends:
            (x, y), (to_x, to_y) = panel.centre(start, left, bottom), panel.centre(end, left, bottom)
            near = (to_x - x) * 0.12
            _arrow(sheet, (x + near, y - HEIGHT / 2), (to_x - near, to_y + HEIGHT / 2), colour, 1.2)
    for name in panel.rows:
        x, y = panel.centre(name, left, bottom)
        _draw_room(sheet, rooms[name], x, y)


def _draw_room(sheet: Axes, room: Room, x: float, y: float) -> None:
    edge = EDGE[room.package]
    _box(sheet, x - WIDTH / 2, y - HEIGHT / 2, WIDTH, HEIGHT, face="white", edge=edge, line=0.9)
    sheet.text(x, y + 0.245, room.label, color=INK, size=8, weight="bold", ha="center", va="top")
    purpose = textwrap.wrap(room.purpose, 32)[:2]
    sheet.text(
        x, y + 0.075, "\n".join(purpose), color=GREY, size=6.3, ha="center", va="top", linespacing=1.25
    )
    sheet.text(
        x,
        y - 0.285,
        room.content,
        color=GREY,
        size=5.6,
        style="italic",
        linespacing=1.2,
        ha="center",
        va="bottom",
    )


def _draw_package_arrows(
    sheet: Axes, places: dict[str, tuple[float, float, float, float]], counts: Counter[tuple[str, str]]
) -> None:
    """One thick arrow for all imports from one package to another, with their number."""
    whole: Counter[tuple[str, str]] = Counter()
    for (start, end), count in counts.items():
        whole[start.split(".")[0], end.split(".")[0]] += count
    ingest, walrus = places["ingest"], places["walrus"]
    along = {
        "ingest": ingest[0] + ingest[2] / 2,
        "walrus": walrus[0] + walrus[2] / 2,
        "pipelines": (ingest[0] + ingest[2] + walrus[0]) / 2,
    }
    for (start, end), count in sorted(whole.items()):
        if start == end:
            continue
        x = along[start] if end == "shards" else along[end]
        top, bottom = places[start][1], places[end][1] + places[end][3]
        _arrow(sheet, (x, top), (x, bottom), EDGE[start], 2.4)
        sheet.text(x + 0.1, top - 0.27, f"{count} imports", color=GREY, size=7, va="center")


def _box(
    sheet: Axes, left: float, bottom: float, across: float, up: float, *, face: str, edge: str, line: float
) -> None:
    style = "round,pad=0,rounding_size=0.07"
    sheet.add_patch(
        FancyBboxPatch((left, bottom), across, up, boxstyle=style, fc=face, ec=edge, lw=line, zorder=2)
    )


def _arrow(
    sheet: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, line: float
) -> None:
    patch = FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=6 + 3 * line, color=colour, lw=line, shrinkA=0, shrinkB=0
    )
    patch.set_zorder(3)
    sheet.add_patch(patch)


if __name__ == "__main__":
    write_page()
    draw()
