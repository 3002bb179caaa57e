"""Writes report.html of a built dataset: its fields and numbers, what was left out, where it came from.

The page is one file and needs no network; it runs only the script of the viewer. It is not part of the
dataset: the index does not list it, copies do not include it, and a build or an append that changes the
dataset removes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import chain
from pathlib import Path

import numpy as np

from ingest.reporting import figures
from ingest.reporting.films import dataset_viewer
from ingest.reporting.survey import PARAMETERS, PICTURES, REACH, Survey, survey
from shards.card import Card, ChannelMoments
from shards.counted import counted
from shards.disk import write_atomically
from shards.drawing.html_page import chart, clear_figure, heading, page, table, text_row
from shards.drawing.viewer import script
from shards.errors import ShardError
from shards.files import LocalFiles
from shards.program.byte_size import size_in_words
from shards.publish import REPORT
from shards.read import Dataset
from shards.schema import SPLITS, Schema, Split
from shards.write import full_disk_is_an_error

# Longer lists are cut, and say so; the card has them completely.
MOST = 200
# A parameter with at most this many values is shown by its values, otherwise by its range.
FEW = 6
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def report(dataset: Dataset, out: Path | None = None) -> Path:
    """Writes the page to `out`, by default to report.html in the dataset's folder; returns its path.

    Raises ShardError if the dataset is damaged, or if it is behind a URL and `out` is not given.
    """
    path = out or _page_of(dataset)
    card, seen = dataset.card, survey(dataset)
    parts = [
        _head(card, seen),
        _fields(dataset, seen),
        _sizes(dataset),
        _numbers(card.schema, seen),
        _moments(card),
        _parameters(seen),
        _origin(card),
        _notes(card, seen),
    ]

    with full_disk_is_an_error(path):
        write_atomically(path, page(card.title, "\n".join(filter(None, parts)), script()).encode())
    return path


def _page_of(dataset: Dataset) -> Path:
    """The path of the page in the dataset's folder; raises ShardError if the dataset is behind a URL."""
    if not isinstance(dataset.files, LocalFiles):
        raise ShardError(f"{dataset.files.where()}: is behind a URL; name a file for the page with --out")
    return dataset.folder / REPORT


def _head(card: Card, seen: Survey) -> str:
    """The title, the facts that identify the dataset, and a drawing of its domain."""
    schema = card.schema
    spans = zip(schema.grid.axes, schema.grid.coordinates, strict=True)
    widths = zip(schema.grid.axes, schema.grid.widths, strict=True)
    frames = sum(count.frames for count in card.counts.values())
    time = f", {schema.labelled('time')}" if schema.units.get("time") else ""
    facts = (
        ("dataset", card.name),
        ("grid", f"{' × '.join(map(str, schema.grid.shape))} {schema.grid.kind}"),
        (
            "cell centres",
            ", ".join(f"{schema.labelled(axis)} {min(at):.4g} to {max(at):.4g}" for axis, at in spans),
        ),
        ("cell widths", ", ".join(f"{axis} {figures.width_words(each)}" for axis, each in widths)),
        ("boundaries", ", ".join(figures.boundary_words(schema))),
        ("frames", f"{frames:,} of {len(schema.channels)} channels, {schema.dtype}{time}"),
        ("source", card.source),
        ("licence", card.licence),
    )
    texts = [("Citation", escape(card.citation)), ("Home", _link(card.home)), ("Note", escape(card.note))]
    lines = "".join(f"<p><b>{name}.</b> {text}</p>" for name, text in texts if text)
    drawn = chart(figures.domain(seen, schema), f"the domain: {', '.join(figures.boundary_words(schema))}")
    return heading(card.title, facts) + lines + drawn


def _link(address: str) -> str:
    """The HTML of an address; only a web address becomes a link, because a recipe may hold any text."""
    words = escape(address)
    return f'<a href="{words}">{words}</a>' if address.startswith(("https://", "http://")) else words


def _fields(dataset: Dataset, seen: Survey) -> str:
    """The viewer, and the pictures, which need no script."""
    schema = dataset.card.schema
    text = f"<h2>What it looks like</h2>{dataset_viewer(dataset, seen.split)}"
    for snapshots in seen.snapshots:
        caption = f"each field at several times, {snapshots.view.cut}".removesuffix(", ")
        drawn = chart if snapshots.view.is_line else clear_figure
        text += drawn(figures.frames(snapshots, schema), caption)
    if schema.static_channels:
        constants = figures.constants(seen.snapshots[0], schema)
        text += clear_figure(constants, "the fields that do not change in time")
    return text


def _sizes(dataset: Dataset) -> str:
    """Trajectories, frames and bytes of each split; stored bytes are those of all its files."""
    schema, counts = dataset.card.schema, dataset.card.counts
    constant = schema.frame_bytes // len(schema.channels) * len(schema.static_channels)
    rows = []
    for split in SPLITS:
        raw = counts[split].frames * schema.frame_bytes + counts[split].trajectories * constant
        stored = _stored(dataset, split)
        ratio = f"{raw / stored:.2f} ×" if stored else "–"
        cells = (
            f"{counts[split].trajectories:,}",
            f"{counts[split].frames:,}",
            size_in_words(raw),
            size_in_words(stored),
            ratio,
        )
        rows.append((split, *cells))

    names = ("split", "trajectories", "frames", "raw", "stored", "compression")
    decided = "".join(f"<li>{escape(rule)}</li>" for rule in dataset.card.split)
    rules = f"<p>Rules for the splits:</p><ul>{decided}</ul>" if decided else ""
    return f"<h2>Size</h2>{_table(names, rows)}{rules}"


def _stored(dataset: Dataset, split: Split) -> int:
    return sum(record.length for record in dataset.index.files if record.path.startswith(f"{split}/"))


def _numbers(schema: Schema, seen: Survey) -> str:
    text = f"<h2>Distributions and changes</h2><p>{_sample(seen)}</p>"
    text += chart(figures.histograms(seen.summaries, schema), "histograms of each field")
    text += chart(figures.spectra(seen.summaries), "isotropic power spectrum of each field")
    return text + chart(
        figures.changes(seen.summaries, schema), "change of each field in one step against time"
    )


def _sample(seen: Survey) -> str:
    trajectories, steps = counted(seen.trajectories, "trajectory"), counted(seen.steps, "step")
    return f"From {trajectories} of the {seen.split} split, evenly chosen, with at most {steps} each."


def _moments(card: Card) -> str:
    """The exact moments of every channel; a constant field has no change."""
    split = "train split" if card.counts["train"].trajectories else "all splits"
    names = ("field", "mean", "std", "rms", "min", "max", "change rms", "change / std", "stored ÷")
    rows: list[tuple[str, ...]] = []
    for field in card.schema.fields:
        power = str(card.powers[field.name]).translate(RAISED)
        channels = field.components(card.schema.grid.axes)
        rows += [(_name(each, field.unit), *_values(card.moments[each]), f"2{power}") for each in channels]
    return (
        f"<h2>Moments</h2><p>Exact, over all frames of the {split}.</p>{_table(names, rows)}{_errors(card)}"
    )


def _errors(card: Card) -> str:
    """The errors of rounding of each variable field; empty if values were not rounded."""
    if not card.errors:
        return ""
    rows: list[tuple[str, ...]] = []
    for field in card.schema.variable_fields:
        error, channels = card.errors[field.name], field.components(card.schema.grid.axes)
        change = float(np.sqrt(np.mean([card.moments[channel].change_rms ** 2 for channel in channels])))
        share = f"{error.reached / change:.3g}" if change else "–"
        rows.append((_name(field.name, field.unit), f"{error.allowed:.4g}", f"{error.reached:.4g}", share))
    names = ("field", "allowed", "reached", "reached / change rms")
    return f"<p>Values were rounded. The largest error of each field:</p>{_table(names, rows)}"


def _name(channel: str, unit: str) -> str:
    return channel.replace("_", " ") + (f" [{unit}]" if unit else "")


def _values(moments: ChannelMoments) -> tuple[str, ...]:
    values = (moments.mean, moments.std, moments.rms, moments.min, moments.max)
    change = f"{moments.change_rms:.4g}" if moments.change_rms else "–"
    share = f"{moments.change_rms / moments.std:.3g}" if moments.change_rms and moments.std else "–"
    return (*(f"{value:.4g}" for value in values), change, share)


def _parameters(seen: Survey) -> str:
    """A picture of the parameters that vary, and a table of all values."""
    if not any(scalars for _, scalars in seen.parameters):
        return ""
    # In the order in which they appear, each once.
    names = list(dict.fromkeys(chain.from_iterable(scalars for _, scalars in seen.parameters)))
    values = {name: _values_of(name, seen) for name in names}
    varied = [name for name in names if len(set(values[name])) > 1]
    strips = chart(figures.strips(seen, varied), "the parameters of each trajectory") if varied else ""
    rows = [(name.replace("_", " "), _range(values[name])) for name in names]
    return f"<h2>Parameters</h2>{strips}{_table(('parameter', 'values'), rows, 'prose')}"


def _values_of(name: str, seen: Survey) -> list[float]:
    return [scalars[name] for _, scalars in seen.parameters if name in scalars]


def _range(values: Sequence[float]) -> str:
    different = sorted(set(values))
    if len(different) <= FEW:
        return ", ".join(f"{value:.6g}" for value in different)
    return f"{different[0]:.6g} to {different[-1]:.6g}, {len(different)} values"


def _origin(card: Card) -> str:
    """What differs from the published release, what was corrected and left out, and the input files."""
    parts = ["<h2>Origin</h2>"]
    if card.differences:
        parts.append(f"<p>Differs from the published release:</p>{_list(card.differences)}")
    if card.caveats:
        parts.append(f"<p>Notes on its files:</p>{_list(card.caveats)}")
    if card.correction:
        parts.append(f"<p><b>Corrected.</b> {escape(card.correction)}</p>")
    parts.append(f"<p><b>Repeated frames.</b> {card.repeated_frames:,} frames equal the one before.</p>")
    parts.append(_quarantine(card))
    rows = [(file.path, size_in_words(file.bytes), file.digest) for file in card.inputs[:MOST]]
    total = counted(len(card.inputs), "input file")
    whole = f"{total}, {size_in_words(sum(file.bytes for file in card.inputs))}"
    files = _table(("file", "size", "digest"), rows, "prose") + _cut(len(card.inputs))
    return "\n".join([*parts, f"<details><summary>{whole}</summary>{files}</details>"])


def _quarantine(card: Card) -> str:
    if not card.quarantine:
        return "<p><b>Quarantine.</b> Nothing was left out.</p>"
    rows = [(i.path, "all" if i.row is None else str(i.row), i.reason) for i in card.quarantine[:MOST]]
    left_out = _table(("file", "row", "reason"), rows, "prose") + _cut(len(card.quarantine))
    return f"<p><b>Quarantine.</b> {len(card.quarantine):,} left out:</p>{left_out}"


def _notes(card: Card, seen: Survey) -> str:
    """The definition of each number and picture."""
    return f"""<section><h2>How the numbers are defined</h2><ul>
<li><b>Viewer</b>: evenly chosen trajectories of the {seen.split} split, some of their frames and cells. The
buttons or the arrow keys change the step; the value under the pointer is shown below the picture. An arrow at
a colour bar says that some values are outside its range.</li>
<li><b>Pictures</b>: the first trajectory of the {seen.split} split, at most {PICTURES} times. The first axis
points to the right, the second upward; a volume is shown by its middle plane, then by the values of largest
magnitude along the third axis. All times of a field share their colours; the outermost 0.2 % of the values
share the last colour. The frame shows the boundary: thick is a wall, dotted is open, thin is periodic. Grey
cells are solid or not finite. Short ticks along the domain are cell centres, at most 64 of them.</li>
<li><b>Histograms</b> end {REACH:g} standard deviations from the mean; the outermost bins count the values
beyond. A positive field that spans three decades has a log axis. Cells inside a solid count too.</li>
<li><b>Power spectra</b>: the mean over trajectories at the first, the middle and the last step of the
sample, all components together, divided by the mean variance of the three. Cells are treated as evenly
spaced; an axis that is not periodic is tapered (Hann).</li>
<li><b>Change per step</b>: √⟨(u(t + 1) − u(t))²⟩ divided by the standard deviation of the train split,
all components together, one line per trajectory.</li>
<li><b>Parameters</b> are read from at most {PARAMETERS} evenly chosen trajectories.</li>
<li><b>Compression</b> is raw size divided by stored size. Raw are all values as {card.schema.dtype}; stored
are all files of the split (codec {card.codec}), with packaging and documents. Values are stored divided by
a power of two.</li></ul></section>"""


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "numbers") -> str:
    """The HTML of a table with plain text in its cells; the first column names the rows."""
    return table(columns, [[text_row(*row) for row in rows]], kind)


def _list(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def _cut(count: int) -> str:
    return f"<p>… and {count - MOST:,} more in card.json.</p>" if count > MOST else ""
