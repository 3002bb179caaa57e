"""The names of the dimensions of arrays, as the words of a layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ingest.contents.axis_names import LEAD_NAME, Role, role
from ingest.contents.listing import ArrayInfo
from ingest.contents.numbered_arrays import HOLE
from ingest.inferring.inferred_layout import Words, is_trajectory
from ingest.layout import CHANNEL, TIME, TRAJECTORY, numbered, swept_axis


@dataclass(frozen=True)
class NamedAxes:
    """An array with a word for each axis: a letter of the layout, or the name of a dimension of space."""

    array: ArrayInfo
    words: Words
    dimensions: Words

    @property
    def space(self) -> frozenset[str]:
        return frozenset(
            word for word in self.words if word not in (TIME, CHANNEL) and not is_trajectory(word)
        )

    @property
    def runs(self) -> Words:
        """The dimensions of trajectories."""
        pairs = zip(self.words, self.dimensions, strict=True)
        return tuple(dimension for word, dimension in pairs if word == TRAJECTORY)

    @property
    def has_runs_of_one_name(self) -> bool:
        """Whether two dimensions of trajectories have the same name, which tells no axes apart."""
        return len(set(self.runs)) < len(self.runs)


def all_named(usable: list[ArrayInfo], coordinates: dict[str, ArrayInfo]) -> list[NamedAxes]:
    """The arrays with names of dimensions, without coordinates."""
    return [found for each in usable if each.path not in coordinates and (found := _named(each, coordinates))]


def is_coordinate(each: ArrayInfo) -> bool:
    """Whether it is a list with the name of its dimension."""
    if len(each.dimensions) != 1 or each.pattern:
        return False
    last = each.path.rpartition("/")[2]
    return each.dimensions[0] in (each.path, last)


def _named(each: ArrayInfo, coordinates: dict[str, ArrayInfo]) -> NamedAxes | None:
    """The words of an array's axes; None if a long axis has no known name."""
    if not each.dimensions or not any(each.dimensions):
        return None

    words = [TIME] if each.pattern else []
    dimensions = [HOLE] if each.pattern else []
    own = [coordinate_of(dimension, each.path, coordinates) for dimension in each.dimensions]
    roles = _roles(each.dimensions, own)
    for number, (dimension, coordinate, found) in enumerate(zip(each.dimensions, own, roles, strict=True)):
        length = (each.shape or ())[number]
        if each.unlimited == (number,) and found in ("", "space") and TIME not in words and not coordinate:
            found = "t"
        if found == "other" or (found == "" and length > 9):
            return None
        words.append(_word(dimension, found, length))
        dimensions.append(dimension)

    repeated = any(count > 1 for word, count in Counter(words).items() if word not in (CHANNEL, TRAJECTORY))
    if repeated or words.count(CHANNEL) > 2:
        return None
    return NamedAxes(each, tuple(words), tuple(dimensions))


def _word(dimension: str, meaning: Role, length: int) -> str:
    """The word of an axis in a layout; an axis of one cell is treated as a component."""
    if meaning == "t":
        return TIME
    if meaning == "n":
        return TRAJECTORY
    if meaning in ("", "c") or length == 1:
        return CHANNEL
    return f"{dimension}_axis" if swept_axis(dimension) else dimension


def _roles(dimensions: Sequence[str], coordinates: Sequence[ArrayInfo | None]) -> list[Role]:
    """What each dimension means. In a set of forecasts [start, lead, lat, lon] each start is a trajectory."""
    roles: list[Role] = []
    for dimension, coordinate in zip(dimensions, coordinates, strict=True):
        roles.append(role(dimension, coordinate.attributes if coordinate else {}))
    # Delft3D and others number the cells of a plane by M and N.
    names = [dimension.lower() for dimension in dimensions]
    if "n" in names and not {"m", "mc"}.isdisjoint(names):
        roles = ["space" if name == "n" else found for name, found in zip(names, roles, strict=True)]
    leads = [at for at, name in enumerate(dimensions) if LEAD_NAME.fullmatch(name.rpartition("/")[2])]
    starts = [at for at, found in enumerate(roles) if found == "t" and at not in leads]
    if len(leads) == len(starts) == 1:
        roles[starts[0]], roles[leads[0]] = "n", "t"
    return roles


def coordinate_of(dimension: str, path: str, coordinates: dict[str, ArrayInfo]) -> ArrayInfo | None:
    """The list of a dimension, in the same group or at the root."""
    group = path.rpartition("/")[0]
    for place in (f"{group}/{dimension}" if group else dimension, dimension):
        if place in coordinates:
            return coordinates[place]
    return None


def swept_axes(named: list[NamedAxes]) -> dict[str, str]:
    """The dimensions of several axes of trajectories, as n1, n2, ... in the order of the file."""
    timed = (each.runs for each in named if TIME in each.words and not each.has_runs_of_one_name)
    most = max(timed, key=len, default=())
    return {dimension: f"{TRAJECTORY}{k + 1}" for k, dimension in enumerate(most)} if len(most) > 1 else {}


def with_swept_axes(each: NamedAxes, swept: dict[str, str]) -> NamedAxes:
    """The same array with the names of several axes of trajectories: by their place if two have one name."""
    if each.has_runs_of_one_name:
        return replace(each, words=numbered(each.words))
    pairs = zip(each.words, each.dimensions, strict=True)
    return replace(
        each, words=tuple(swept.get(name, word) if word == TRAJECTORY else word for word, name in pairs)
    )
