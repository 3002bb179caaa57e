"""A recipe for a file that no source knows: what can be guessed is written, what a person must decide is left open."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest.columns import printable
from ingest.guess import Guess, guess_of
from ingest.guess_fields import Named, named_fields
from ingest.layout import TIME, TRAJECTORY, split_channel
from ingest.listing import Listed, list_arrays, root_numbers
from ingest.opening import located, open_arrays
from ingest.sources._arrays import Arrays, whole
from shards.errors import SettingsError
from shards.settings import dump_toml
from shards.spec import GridKind

MASK_NAME = re.compile("mask|solid|obstacle", re.IGNORECASE)
KINDS: dict[GridKind, set[str]] = {
    "log-spherical": {"log_r"},
    "spherical": {"r", "theta"},
    "equiangular": {"theta", "phi"},
}


def write_draft(source: Path, out: Path) -> None:
    """Drafts a recipe into a new file; raises SettingsError where it exists, SourceError where nothing is a field."""
    if out.exists():
        raise SettingsError(f"{out}: exists, and a recipe is never overwritten; name another file, or move it away")
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
    guess: Guess

    def lines(self) -> list[str]:
        named = named_fields(self.guess)
        lines = [*self._head(), *self._time(), *self._coordinates(), *self._boundaries(), *self._scalars()]
        lines += self._mask(named)
        lines += [line for field in named for line in self._field(field)]
        lines += self._left_out(named)
        return lines

    def _head(self) -> list[str]:
        file = self.path.parent.name if self.path.name == "zarr.json" else self.path.name
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", re.sub(r"(\.zarr)?\.[A-Za-z0-9]+$", "", file)).strip("_.-") or "own"
        grid = ", ".join(f"{axis} {self.guess.lengths[axis]}" for axis in self.guess.axes)
        return [
            f"# Drafted from {printable(self.path.name)}. Read every line; DECIDE marks what no file can tell.",
            _line("name", name),
            _line("source", "hdf5"),
            f"{_line('title', f'{name}: say what flows here')}  # DECIDE",
            f"{_line('licence', 'unknown')}  # DECIDE: may others use the data?",
            _line("axes", list(self.guess.axes)),
            *self._kind(),
            f"# {self._doubt_of_axes()}",
            f"{_line('layout', ' '.join(self.guess.words))}  # n trajectory, t time, c component or channel; {grid}",
        ]

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
                return ["", "[time]", _line("stored", time.stored)]
            if len(times) == frames + 1 > 2 and _even(times):
                note = f"# {printable(time.path)} holds {len(times)} times for {frames} frames: the last is left out."
                return ["", note, "[time]", _line("start", float(times[0])), _line("stop", float(times[-2]))]
        return ["", "# DECIDE: when the frames are; uncomment and correct.", "# [time]", "# step = 1.0"]

    def _values(self, listed: Listed | None) -> npt.NDArray[np.float64] | None:
        """A list, of the first trajectory where there is one for each."""
        if listed is None:
            return None
        values = whole(self.arrays.array(listed.path))
        return values if values.ndim == 1 else values[0]

    def _coordinates(self) -> list[str]:
        return [line for axis in self.guess.axes for line in self._coordinate(axis)]

    def _coordinate(self, axis: str) -> list[str]:
        listed, cells = self.guess.lists.space.get(axis), self.guess.lengths[axis]
        centres = self._values(listed)
        if listed is None or centres is None or len(centres) != cells:
            return _open_axis(axis, cells)
        if len(listed.lengths) == 2:
            return _equal_cells(axis, listed, centres) if _even(centres) else _open_axis(axis, cells)
        stored = ["", f"[coordinates.{axis}]", _line("stored", listed.stored)]
        return stored if _increasing(centres) else _open_axis(axis, cells)

    def _boundaries(self) -> list[str]:
        sides = [f'# {axis} = ["periodic", "periodic"]' for axis in self.guess.axes]
        said = "# DECIDE: what closes each axis below and above: wall, open or periodic; uncomment and correct."
        return ["", "[boundaries]", said, *sides]

    def _scalars(self) -> list[str]:
        places = {name: f"@{name}" for name in root_numbers(self.arrays)}
        places |= {each.path.rpartition("/")[2]: each.stored for each in self.guess.scalars}
        said = "# CHECK: keep what is a parameter of the physics."
        return ["", "[scalars]", said, *(_line(name, place) for name, place in places.items())] if places else []

    def _mask(self, named: list[Named]) -> list[str]:
        masks = [each for each in named if each.constant and MASK_NAME.search(each.name) and not each.rank]
        if not masks:
            return []
        first = masks[0]
        lines = [_line("stored", first.stored[0]), _line("solid", "nonzero"), _line("layout", " ".join(first.layout))]
        said = f"# DECIDE: if {first.name} tells solid cells, which: nonzero, zero, negative or positive? Uncomment."
        return ["", said, "# [mask]", *(f"# {line}" for line in lines)]

    def _field(self, field: Named) -> list[str]:
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

    def _left_out(self, named: list[Named]) -> list[str]:
        taken = {split_channel(path)[0] for field in named for path in field.stored}
        rest = [*self.guess.rest, *(each.array for each in self.guess.fields if each.array.stored not in taken)]
        held = [f"#   {printable(each.path)}: {printable(each.fault or f'shape {each.lengths}')}" for each in rest]
        return ["", "# Not taken, being no field on this grid:", *held] if held else []


def _open_axis(axis: str, cells: int) -> list[str]:
    return [
        "",
        f"# DECIDE: where the {cells} cells of {axis} are; uncomment and correct.",
        f"# [coordinates.{axis}]",
        "# lower = 0.0",
        "# upper = 1.0",
    ]


def _equal_cells(axis: str, listed: Listed, centres: npt.NDArray[np.float64]) -> list[str]:
    half = float(centres[-1] - centres[0]) / (len(centres) - 1) / 2
    return [
        "",
        f"# CHECK: from the first list of {printable(listed.path)}, taken for equally spaced cell centres.",
        f"[coordinates.{axis}]",
        _line("lower", float(centres[0]) - half),
        _line("upper", float(centres[-1]) + half),
    ]


def _increasing(values: npt.NDArray[np.float64]) -> bool:
    return bool(np.isfinite(values).all() and (np.diff(values) > 0).all())


def _even(values: npt.NDArray[np.float64]) -> bool:
    steps = np.diff(values)
    return _increasing(values) and bool(np.allclose(steps, steps[0], rtol=1e-3))


def _line(key: str, value: object) -> str:
    return dump_toml({key: value}).strip()
