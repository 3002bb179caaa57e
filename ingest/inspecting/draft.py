"""A recipe for a file that no source knows: what can be guessed is written, what a person must decide is left open."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest.formats.arrays import Arrays, whole
from ingest.formats.open_any import located, open_arrays
from ingest.formats.zarr_marker import MARKERS
from ingest.inspecting.contents import ArrayInfo, list_arrays, root_numbers
from ingest.inspecting.infer_fields import DraftField, named_fields
from ingest.inspecting.infer_layout import InferredLayout, guess_of
from ingest.inspecting.periodicity import APART, seam_words, seams
from ingest.inspecting.text_table import printable
from ingest.layout import TIME, TRAJECTORY, split_channel
from ingest.split import SplitRule
from shards.errors import SettingsError
from shards.program.settings import dump_toml
from shards.schema import GridKind

MASK_NAME = re.compile("mask|solid|obstacle", re.IGNORECASE)
KINDS: dict[GridKind, set[str]] = {
    "log-spherical": {"log_r"},
    "spherical": {"r", "theta"},
    "equiangular": {"theta", "phi"},
}


def write_draft(source: Path, out: Path) -> None:
    """Drafts a recipe into a new file; raises SettingsError where it exists, SourceError where nothing is a field."""
    if out.exists():
        raise SettingsError(
            f"{out}: exists, and a recipe is never overwritten; name another file, or move it away"
        )
    text = draft(source)
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise SettingsError(f"{out}: cannot be written ({error.strerror}); name another file") from error


def draft(path: Path) -> str:
    """The TOML of a recipe for source hdf5; raises SourceError where no array is a field over time."""
    place = located(path)
    with open_arrays(place) as arrays:
        guess = guess_of(list_arrays(arrays, place), str(path))
        return "\n".join(_Writer(path, arrays, guess).lines()) + "\n"


@dataclass(frozen=True)
class _Writer:
    """The lines of the draft; a comment stands wherever a person must look."""

    path: Path
    arrays: Arrays
    guess: InferredLayout

    def lines(self) -> list[str]:
        named = named_fields(self.guess)
        lines = [*self._head(), *self._time(), *self._coordinates(), *self._boundaries(), *self._scalars()]
        lines += self._mask(named)
        lines += self._held_out()
        lines += [line for field in named for line in self._field(field)]
        lines += self._left_out(named)
        return lines

    def _head(self) -> list[str]:
        file = self.path.parent.name if self.path.name in MARKERS else self.path.name
        name = (
            re.sub(r"[^A-Za-z0-9_.-]+", "_", re.sub(r"(\.zarr)?\.[A-Za-z0-9]+$", "", file)).strip("_.-")
            or "own"
        )
        grid = ", ".join(f"{axis} {self.guess.lengths[axis]}" for axis in self.guess.axes)
        return [
            f"# Drafted from {printable(self.path.name)}. Read every line; DECIDE marks what no file can tell.",
            _line("name", name),
            _line("source", "arrays"),
            f"{_line('title', f'{name}: say what system this is')}  # DECIDE",
            f"{_line('licence', 'unknown')}  # DECIDE: may others use the data?",
            _line("axes", list(self.guess.axes)),
            *self._kind(),
            f"# {self._doubt_of_axes()}",
            f"{_line('layout', ' '.join(self.guess.words))}  # n trajectory, t time, c component or channel; {grid}",
            *self._dtype(),
        ]

    def _dtype(self) -> list[str]:
        double = any(field.array.dtype == "float64" for field in self.guess.fields)
        said = '# Fields are float64: dtype = "float32", as a line here, rounds them to half the size.'
        return [said] if double else []

    def _kind(self) -> list[str]:
        kind = next((kind for kind, axes in KINDS.items() if axes <= set(self.guess.axes)), None)
        return [f"{_line('kind', kind)}  # CHECK: from the names of the axes"] if kind else []

    def _doubt_of_axes(self) -> str:
        told = set(self.guess.lists.space)
        cells = [self.guess.lengths[axis] for axis in self.guess.axes]
        if len(cells) > 1 and len(set(cells)) < len(cells):
            return "CHECK: axes of equal length; the file does not tell which of them is which."
        if not told:
            return "CHECK: guessed from lengths alone; perhaps the order is another."
        return "Told by the lengths of the coordinates."

    def _time(self) -> list[str]:
        times, frames = self._values(self.guess.lists.time), self.guess.lengths[TIME]
        time = self.guess.lists.time
        if time is not None and times is not None and _increasing(times):
            if time.lengths in ((frames,), (self.guess.lengths.get(TRAJECTORY), frames)):
                return ["", "[time]", f"{_line('stored', time.stored)}  # {_span(times, 'frame')}"]
            if len(times) == frames + 1 > 2 and _even(times):
                note = f"# {printable(time.path)} holds {len(times)} times for {frames} frames: the last is left out."
                return ["", note, "[time]", _line("start", float(times[0])), _line("stop", float(times[-2]))]
        said = f"# DECIDE: how far the {frames} frames are apart; uncomment and correct."
        return ["", said, "# [time]", "# step = 1.0"]

    def _values(self, listed: ArrayInfo | None) -> npt.NDArray[np.float64] | None:
        """A list, of the first trajectory where there is one for each."""
        if listed is None:
            return None
        values = whole(self.arrays.array(listed.path))
        return values if values.ndim == 1 else values[0]

    def _coordinates(self) -> list[str]:
        rules = [self._coordinate(axis) for axis in self.guess.axes]
        said = "# DECIDE: where the outermost cells end, below and above; uncomment and correct."
        return ["", "[coordinates]", *([said] if any(rule.startswith("#") for rule in rules) else []), *rules]

    def _coordinate(self, axis: str) -> str:
        """Its rule, a comment where the file does not tell."""
        listed, cells = self.guess.lists.space.get(axis), self.guess.lengths[axis]
        centres = self._values(listed)
        if listed is not None and centres is not None and len(centres) == cells and _increasing(centres):
            if len(listed.lengths) == 1:
                return f"{_table(axis, {'stored': listed.stored})}  # {_span(centres, 'cell')}"
            if _even(centres):
                half = float(centres[-1] - centres[0]) / (cells - 1) / 2
                ends: dict[str, object] = {
                    "lower": float(centres[0]) - half,
                    "upper": float(centres[-1]) + half,
                }
                note = f"CHECK: the first list of {printable(listed.path)}, taken for equally spaced cell centres"
                return f"{_table(axis, ends)}  # {note}"
        return f"# {_table(axis, {'lower': 0.0, 'upper': 1.0})}  # {cells} cells"

    def _boundaries(self) -> list[str]:
        said = (
            "# DECIDE: what closes each axis below and above: wall, open or periodic; uncomment and correct."
        )
        jumps = zip(self.guess.axes, seams(self.arrays, self.guess), strict=True)
        return ["", "[boundaries]", said, *(_open_sides(axis, jump) for axis, jump in jumps)]

    def _scalars(self) -> list[str]:
        lines = [
            f"{_line(name, f'@{name}')}  # {value:g}" for name, value in root_numbers(self.arrays).items()
        ]
        for each in self.guess.scalars:
            values = whole(self.arrays.array(each.path)).reshape(-1)
            lines.append(f"{_line(each.path.rpartition('/')[2], each.stored)}  # {_range(values)}")
        said = "# CHECK: keep what is a parameter of the physics, and name it as others do."
        return ["", "[scalars]", said, *lines] if lines else []

    def _held_out(self) -> list[str]:
        """How to keep trajectories from training: the shares that else decide know nothing of parameters."""
        return [
            "",
            f"# Trajectories are shared out in order, {SplitRule()}, but where their folder is named so.",
            "# What shall be kept from training instead is said by file, by parameter, or by both, such as:",
            "#   [[held_out]]",
            '#   splits = ["test"]',
            '#   files = "run_9*.h5"',
            "#   scalars = { Reynolds = [100.0, 200.0] }",
        ]

    def _mask(self, named: list[DraftField]) -> list[str]:
        masks = [each for each in named if each.constant and MASK_NAME.search(each.name) and not each.rank]
        if not masks:
            return []
        first = masks[0]
        lines = [
            _line("stored", first.stored[0]),
            _line("solid", "nonzero"),
            _line("layout", " ".join(first.layout)),
        ]
        said = f"# DECIDE: if {first.name} tells solid cells, which: nonzero, zero, negative or positive? Uncomment."
        return ["", said, "# [mask]", *(f"# {line}" for line in lines)]

    def _field(self, field: DraftField) -> list[str]:
        lines = ["", "[[fields]]", _line("name", field.name)]
        lines[-1] += f"  # CHECK: {field.doubt}" if field.doubt else ""
        if field.rank:
            lines.append(_line("rank", field.rank))
        if field.constant:
            lines.append(_line("constant", True))
        if field.stored != (field.name,):
            lines.append(_line("stored", list(field.stored)))
        if field.constant or field.layout != self.guess.words:
            lines.append(_line("layout", " ".join(field.layout)))
        return lines

    def _left_out(self, named: list[DraftField]) -> list[str]:
        taken = {split_channel(path)[0] for field in named for path in field.stored}
        rest = [
            *self.guess.rest,
            *(each.array for each in self.guess.fields if each.array.stored not in taken),
        ]
        held = [
            f"#   {printable(each.path)}: {printable(each.fault or f'shape {each.lengths}')}" for each in rest
        ]
        return ["", "# Not taken, being no field on this grid:", *held] if held else []


def _open_sides(axis: str, jump: float | None) -> str:
    side = "wall" if jump is not None and jump >= APART else "periodic"
    words = seam_words(jump)
    return f"# {_line(axis, [side, side])}" + (f"  # {words}" if words else "")


def _span(values: npt.NDArray[np.float64], what: str) -> str:
    return f"{len(values)} {what}s, {values[0]:.6g} to {values[-1]:.6g}"


def _range(values: npt.NDArray[np.float64]) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"


def _increasing(values: npt.NDArray[np.float64]) -> bool:
    return bool(np.isfinite(values).all() and (np.diff(values) > 0).all())


def _even(values: npt.NDArray[np.float64]) -> bool:
    steps = np.diff(values)
    return _increasing(values) and bool(np.allclose(steps, steps[0], rtol=1e-3))


def _line(key: str, value: object) -> str:
    return dump_toml({key: value}).strip()


def _table(key: str, values: dict[str, object]) -> str:
    """A table in one line."""
    inside = ", ".join(_line(name, value) for name, value in values.items())
    return f"{_line(key, 0).removesuffix('0')}{{ {inside} }}"
