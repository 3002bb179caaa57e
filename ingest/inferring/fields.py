"""Makes fields from placed arrays: joins components to vectors, splits stacks into channels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

from ingest.contents.axis_names import SPACE_NAME, letter, without_unit
from ingest.inferring.axis_orders import STACKS
from ingest.inferring.component_names import component, ends_with_axis
from ingest.inferring.inferred_layout import InferredLayout, PlacedArray, Words
from ingest.inferring.masks import is_mask
from ingest.inferring.staggered_grids import rests_at_walls
from ingest.inferring.tensors import TensorParts, order_of_channels, tensor_parts
from ingest.layout import CHANNEL, TIME, FacesSide
from shards.schema import FieldSpec

VECTORS = {
    "": "velocity",
    "u": "velocity",
    "v": "velocity",
    "vel": "velocity",
    "velocity": "velocity",
    "wind": "velocity",
    "b": "magnetic_field",
    "bcc": "magnetic_field",
    "m": "momentum",
    "mom": "momentum",
    "vx": "velocity",
    "bx": "magnetic_field",
}
# Channels that are called by these alone say nothing of the field.
DIRECTIONS = re.compile("[xyz]{1,2}", re.IGNORECASE)


@dataclass(frozen=True)
class DraftField:
    """A field of the draft: its name, rank, unit, and the path of each component."""

    name: str
    rank: int
    stored: tuple[str, ...]
    layout: Words
    constant: bool
    doubt: str = ""
    unit: str = ""
    # Per array the axis on whose faces it is; none where it is in cells.
    faces: Words = ()
    faces_side: FacesSide = "lower"
    # Whether all its arrays are velocities across faces, and whether one of them has no face at one end.
    rests_at_walls: bool = False
    lacks_a_face: bool = False


def draft_fields(layout: InferredLayout) -> list[DraftField]:
    """The fields with unique names, without masks; components in several arrays are joined to vectors."""
    placed = [each for each in (*layout.fields, *layout.on_faces) if not is_mask(each)]
    tensors = tensor_parts(placed)
    of_tensors = set(chain.from_iterable(each.stored for each in tensors))
    fields = list(_tensors(tensors, layout.axes))
    fields += _vectors([each for each in placed if each.array.stored not in of_tensors], layout)
    joined = {path for field in fields for path in field.stored}
    for each in placed:
        if each.array.stored not in joined:
            faces, side = (each.faces,) if each.faces else (), each.faces_side or "lower"
            found = _fields_of(each, layout.axes)
            fields += [replace(field, faces=faces, faces_side=side) for field in found]
    fields += [_on_all_faces(each, layout.axes) for each in layout.on_all_faces]
    return _unique([_with_doubts(field, layout) for field in fields], layout.axes)


def _tensors(tensors: list[TensorParts], axes: Words) -> Iterator[DraftField]:
    """The tensors of which every component is found; components of the others stay fields of their own."""
    for each in tensors:
        parts = each.in_order(axes)
        if parts:
            names = ", ".join(dict.fromkeys(part.array.name for part in parts))
            first, group = parts[0], parts[0].array.stored.rpartition("/")[0].rpartition("/")[2]
            doubt = f"{names} taken for the components of a tensor along {', '.join(axes)}"
            stored = tuple(part.array.stored for part in parts)
            name = _plain(each.stem or group or "tensor")
            yield DraftField(name, 2, stored, first.words, first.constant, doubt, first.array.unit)


def _on_all_faces(each: PlacedArray, axes: Words) -> DraftField:
    """The vector in an array that holds its components on the faces of all axes."""
    name = _plain(each.array.name)
    name = VECTORS.get(name.lower(), name)
    stored = tuple(f"{each.array.stored}[{number}]" for number in range(len(axes)))
    doubt = "one value more than cells along each axis: taken for components on the faces, filled up"
    return DraftField(name, 1, stored, each.words, False, doubt, each.array.unit, axes)


def _with_doubts(field: DraftField, layout: InferredLayout) -> DraftField:
    """The field with what a person should check, and with what is known about its faces."""
    on_faces = [each for each in layout.on_faces if each.array.stored in field.stored]
    field = replace(
        field,
        rests_at_walls=bool(on_faces) and all(map(rests_at_walls, on_faces)),
        lacks_a_face=any(_as_many(each, layout) for each in on_faces),
    )
    return replace(field, doubt=_joined(field.doubt, _doubt(field, layout)))


def _as_many(each: PlacedArray, layout: InferredLayout) -> bool:
    """Whether an array has as many faces as cells, so that one is absent unless the axis is periodic."""
    return bool(each.faces) and each.lengths[each.faces] == layout.lengths[each.faces]


def _doubt(field: DraftField, layout: InferredLayout) -> str:
    """What a person should check; empty if nothing."""
    if SPACE_NAME.fullmatch(field.name):
        return "named like an axis; remove it if it is a coordinate, which is not a field"
    on_faces = [each for each in layout.on_faces if each.array.stored in field.stored]
    if on_faces:
        return _doubt_of_faces(on_faces, layout)
    alike = [word for word, length in layout.runs.items() if length == layout.lengths[TIME]]
    if alike and (alike[0] in field.layout) != (TIME in field.layout):
        return "as many trajectories as frames; n and t may be exchanged"
    return ""


def _assumed_side(each: PlacedArray, layout: InferredLayout) -> FacesSide | None:
    """The side of the faces, lower where the file does not state it; None for an array with both ends."""
    return each.faces_side or ("lower" if _as_many(each, layout) else None)


def _doubt_of_faces(on_faces: list[PlacedArray], layout: InferredLayout) -> str:
    """What must hold for arrays on faces: periodic axes, the side of faces, one value more by chance."""
    doubts = []
    as_many = [each for each in on_faces if _as_many(each, layout)]
    if as_many:
        if not all(map(rests_at_walls, on_faces)):
            axes = ", ".join(each.faces for each in as_many)
            doubts.append(f"right if {axes} is periodic")
        if any(each.faces_side is None for each in as_many):
            doubts.append('the first value is taken for a lower face; otherwise add faces_side = "upper"')
    unnamed = [each.faces for each in on_faces if not any(each.array.dimensions)]
    if unnamed:
        doubts.append(f"one value more than cells along {', '.join(unnamed)}: taken for values on the faces")
    return "; ".join(doubts)


def _joined(*doubts: str) -> str:
    return "; ".join(filter(None, doubts))


def _plain(name: str) -> str:
    """The name with only letters (of any alphabet), digits and `_`, as names of channels need.

    >>> _plain("Azᶜᶜᵃ"), _plain("a[1]"), _plain("*")
    ('Azᶜᶜᵃ', 'a_1', 'field')
    """
    return re.sub(r"\W+", "_", name).strip("_") or "field"


def _unique(fields: list[DraftField], axes: Words) -> list[DraftField]:
    """The fields with unique channel names: a repeated name becomes the whole path, then gets a number."""
    taken: set[str] = set()
    result = []
    # Fields near the root keep their short names.
    for field in sorted(fields, key=lambda field: field.stored[0].count("/")):
        whole = _plain(re.sub(r"^\*/|{(step|split)}/?", "", field.stored[0]))
        number = 1
        name = field.name
        while not taken.isdisjoint(_channels(name, field.rank, axes)):
            name = whole if number == 1 else f"{whole}_{number}"
            number += 1
        taken.update(_channels(name, field.rank, axes))
        result.append(replace(field, name=name))
    return result


def _channels(name: str, rank: int, axes: Words) -> tuple[str, ...]:
    return FieldSpec(name, rank).components(axes)  # type: ignore[arg-type]


def _vectors(placed: list[PlacedArray], layout: InferredLayout) -> Iterator[DraftField]:
    """Vectors: arrays with equal axes and units, and names that differ only in the axis, one per axis."""
    used: set[str] = set()
    for (stem, *_), parts in _components(placed, layout.axes).items():
        if len(layout.axes) < 2 or not set(layout.axes) <= set(parts):
            continue
        members = [parts[axis] for axis in layout.axes]
        stored = {each.array.stored for each in members}
        if used.isdisjoint(stored) and _lie_alike(members, layout):
            used |= stored
            yield _vector(stem, members, layout)


def _components(
    placed: list[PlacedArray], axes: Words
) -> dict[tuple[str, Words, str, str], dict[str, PlacedArray]]:
    """The arrays that may be components, by axis, of each name of a vector, with its axes, unit and group."""
    groups: dict[tuple[str, Words, str, str], dict[str, PlacedArray]] = {}
    for each in placed:
        if each.channels != 1 or (each.constant and SPACE_NAME.fullmatch(each.array.name)):
            continue
        # An array `data` alone in a group has the name of the group.
        group = without_unit(each.array.stored).removesuffix("/data").rpartition("/")[0]
        for stem, axis in component(each.array.name, axes):
            key = (stem, each.words, each.array.unit, group if stem in VECTORS else "")
            groups.setdefault(key, {}).setdefault(axis, each)
    return groups


def _lie_alike(members: list[PlacedArray], layout: InferredLayout) -> bool:
    """Whether all components are in cells, or all on the same side of the cells."""
    on_faces = [bool(each.faces) for each in members]
    return any(on_faces) == all(on_faces) and len(_sides(members, layout)) <= 1


def _sides(members: list[PlacedArray], layout: InferredLayout) -> set[FacesSide]:
    return {side for each in members if (side := _assumed_side(each, layout)) is not None}


def _vector(stem: str, members: list[PlacedArray], layout: InferredLayout) -> DraftField:
    """The vector of these components, one per axis."""
    names = [each.array.name for each in members]
    doubt = ""
    if not all(ends_with_axis(name, layout.axes) for name in names):
        doubt = f"{', '.join(names)} taken for the components along {', '.join(layout.axes)}"
    words = members[0].words
    return DraftField(
        # Wind at a height (u10, v10) is named by its height.
        name=f"velocity_{stem}" if stem.isdigit() else VECTORS.get(stem.lower(), _plain(stem)),
        rank=1,
        stored=tuple(each.array.stored for each in members),
        layout=words,
        constant=TIME not in words,
        doubt=doubt,
        unit=members[0].array.unit,
        faces=tuple(each.faces for each in members if each.faces),
        faces_side="upper" if "upper" in _sides(members, layout) else "lower",
    )


def _fields_of(each: PlacedArray, axes: Words) -> Iterator[DraftField]:
    """The fields in one array: a scalar, a vector, a tensor, or one field per channel."""
    names = _names_of_channels(each) if each.words.count(CHANNEL) == 1 else ()
    order = order_of_channels(names, axes)
    if order:
        yield _by_directions(each, names, order, 1 if len(order) == len(axes) else 2)
        return
    rank = _rank_of(each, len(axes))
    if rank is None:
        yield from _field_per_channel(each)
        return
    name, doubt = _plain(each.array.name), ""
    if rank > 0:
        what = f"vector along {', '.join(axes)}, in this order" if rank == 1 else "tensor"
        doubt = f"{each.channels} components taken for a {what}"
    if rank == 1 and name.lower() != "u":
        name = VECTORS.get(name.lower(), name)
    stored = _in_order_of_axes(each.array.stored, axes) if rank == 1 else (each.array.stored,)
    if len(stored) > 1:
        doubt = f"its components are taken for {', '.join(sorted(map(letter, axes)))} in this order"
    yield DraftField(name, rank, stored, each.words, each.constant, doubt, each.array.unit)


def _by_directions(each: PlacedArray, names: Words, order: tuple[int, ...], rank: int) -> DraftField:
    """The vector or the tensor in an array with channels that are called by directions."""
    name = _plain(each.array.name)
    stored = tuple(f"{each.array.stored}[{channel}]" for channel in order)
    doubt = f"channels {', '.join(names)}, as the file lists them"
    if rank == 1 and name.lower() != "u":
        name = VECTORS.get(name.lower(), name)
    return DraftField(name, rank, stored, each.words, each.constant, doubt, each.array.unit)


def _rank_of(each: PlacedArray, dimensions: int) -> int | None:
    """The rank of an array that is one field; None if its channels are fields of their own."""
    if each.channels == 1:
        return 0
    rank = {dimensions: 1, dimensions**2: 2}.get(each.channels)
    # Two axes of components are a tensor, whatever its name: Q [t, x, y, 2, 2] of a nematic.
    if each.words.count(CHANNEL) == 1:
        is_stack = _plain(each.array.name).lower() in STACKS
        # Four layers or species before the axes of the grid are not a tensor.
        are_layers = rank == 2 and each.words[-1] != CHANNEL
        if is_stack or are_layers:
            return None
    return None if _names_of_channels(each) else rank


def _names_of_channels(each: PlacedArray) -> tuple[str, ...]:
    """The names of the channels of an array, as its file lists them; none if it does not."""
    names = each.array.channels
    return names if len(names) == each.channels else ()


def _field_per_channel(each: PlacedArray) -> Iterator[DraftField]:
    """A scalar for each channel of an array; none if it has channels along several axes."""
    if each.words.count(CHANNEL) != 1:
        return
    names, count = _names_of_channels(each), each.channels
    for channel in range(count):
        if names:
            name, doubt = _plain(names[channel]), f"channel {channel} of {count}, as the file lists them"
            if DIRECTIONS.fullmatch(name):
                name = f"{_plain(each.array.name)}_{name}"
        else:
            name, doubt = f"{_plain(each.array.name)}_{channel}", f"channel {channel} of {count}: name it"
        stored = (f"{each.array.stored}[{channel}]",)
        yield DraftField(name, 0, stored, each.words, each.constant, doubt, each.array.unit)


def _in_order_of_axes(path: str, axes: Words) -> tuple[str, ...]:
    """Where the component along each axis is, if a file stores axes as z, y, x and components as x, y, z.

    >>> _in_order_of_axes("velocity", ("y", "x")), _in_order_of_axes("velocity", ("x", "y"))
    (('velocity[1]', 'velocity[0]'), ('velocity',))
    """
    letters = [letter(axis) for axis in axes]
    usual = sorted(letters)
    if not all(letters) or letters == usual or len(set(letters)) < len(letters):
        return (path,)
    return tuple(f"{path}[{usual.index(each)}]" for each in letters)
