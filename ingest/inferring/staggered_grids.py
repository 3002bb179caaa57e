"""Staggered grids by names of dimensions: which fields are in the cells, and which on their faces."""

from __future__ import annotations

import re
from dataclasses import replace

from ingest.contents.axis_names import axis_word, letter
from ingest.inferring.inferred_layout import Lengths, PlacedArray
from ingest.inferring.named_axes import NamedAxes

# Names of velocities, momenta and magnetic fields along one axis: such fields may be on faces.
COMPONENT = re.compile(
    r"(?:ss)?(?P<uvw>[uvw])(?:o|bar|_?vel\w*|_?wind)?|(?:vel|mom|v|m|b|e)\w*?_?(?P<axis>[xyz123])",
    re.IGNORECASE,
)


# Components of other fields than velocities and momenta.
_MAGNETIC = re.compile("b|e|mag", re.IGNORECASE)


def grids_of(fields: list[NamedAxes]) -> dict[frozenset[str], list[NamedAxes]]:
    grids: dict[frozenset[str], list[NamedAxes]] = {}
    for each in fields:
        grids.setdefault(each.space, []).append(each)
    return grids


def direction(name: str) -> str:
    """The direction of a component by its name, x, y or z; empty for other fields.

    >>> direction("SSU"), direction("vel_y"), direction("b3"), direction("theta")
    ('x', 'y', 'z', '')
    """
    found = COMPONENT.fullmatch(name)
    if not found:
        return ""
    letters, place = ("uvw", found["uvw"]) if found["uvw"] else ("xyz123", found["axis"])
    return "xyz"[letters.index(place.lower()) % 3]


def is_across_faces(each: PlacedArray) -> bool:
    """Whether an array is the component across the faces on which it is."""
    along = letter(each.faces)
    return along != "" and direction(each.array.name) == along


def rests_at_walls(each: PlacedArray) -> bool:
    """Whether an array is a velocity or momentum across faces, which is zero on walls."""
    return is_across_faces(each) and not _MAGNETIC.match(each.array.name)


def claim(space: frozenset[str], grids: dict[frozenset[str], list[NamedAxes]]) -> tuple[int, int, bool, int]:
    """How much speaks for a grid: components on faces along their own direction, other grids that are
    staggered to it, fields that are no components, its size.

    Grids of faces differ in one dimension from that of the cells, and in two from each other. From a grid of
    corners they differ in one too, but across the direction of the component.
    """
    members = grids[space]
    around = own = 0
    for others in grids.values():
        staggered = _staggered(others[0], members[0])
        if staggered:
            around += 1
            own += letter(axis_word(staggered[0])) in {direction(each.array.name) for each in others}
    in_cells = not all(direction(each.array.name) for each in members)
    return own, around, in_cells, sum(each.array.size for each in members)


def cells_between(grids: dict[frozenset[str], list[NamedAxes]]) -> NamedAxes | None:
    """The cells of a file that has only components on faces, as an array without values; otherwise None.

    Along its own direction a component is on faces, across it in the cells.
    """
    cells: dict[str, str] = {}
    faces: dict[str, str] = {}
    lengths: dict[str, int] = {}
    components: dict[str, NamedAxes] = {}
    for members in grids.values():
        directions = {direction(each.array.name) for each in members}
        if len(directions) == 1 and "" not in directions:
            components.setdefault(directions.pop(), members[0])

    for component, each in components.items():
        lengths |= PlacedArray(each.array, each.words).lengths
        for word in each.space:
            along = letter(axis_word(word))
            if (faces if along == component else cells).setdefault(along, word) != word:
                return None

    if len(components) < 2 or set(cells) != set(components) or set(faces) != set(components):
        return None
    if frozenset(cells.values()) in grids or not set(cells.values()).isdisjoint(faces.values()):
        return None
    first = next(iter(components.values()))
    names = {faces[along]: word for along, word in cells.items()}
    return _renamed_axes(first, names, lengths)


def _renamed_axes(each: NamedAxes, names: dict[str, str], lengths: Lengths) -> NamedAxes:
    """An array with other names for some dimensions, and with their lengths."""
    dimensions = tuple(names.get(word, word) for word in each.array.dimensions)
    shape = tuple(
        lengths[names[word]] if word in names else length
        for word, length in zip(each.array.dimensions, each.array.shape or (), strict=True)
    )
    array = replace(each.array, dimensions=dimensions, shape=shape)
    words, own = (tuple(names.get(word, word) for word in of) for of in (each.words, each.dimensions))
    return NamedAxes(array, words, own)


def _staggered(each: NamedAxes, model: NamedAxes) -> tuple[str, str, int] | None:
    """The one dimension in which an array differs from a model array, that of the model, and how many values
    more it has; None where they differ in another way than faces differ from cells.
    """
    apart, lacking = each.space - model.space, model.space - each.space
    if len(apart) != 1 or len(lacking) != 1:
        return None
    (its,), (own,) = apart, lacking
    along = letter(axis_word(its))
    if not along or along != letter(axis_word(own)):
        return None
    lengths = PlacedArray(model.array, model.words).lengths
    more = PlacedArray(each.array, each.words).lengths[its] - lengths[own]
    return (its, own, more) if more in (-1, 0, 1) else None


def on_faces_of(each: NamedAxes, model: NamedAxes, names: dict[str, str]) -> PlacedArray | None:
    """The array as one on the faces of a model's cells, as many (periodic) or one more; otherwise None."""
    found = _staggered(each, model)
    if found is None or found[2] < 0:
        return None
    face, cells, _ = found
    words = tuple(names[cells] if word == face else names.get(word, word) for word in each.words)
    placed = PlacedArray(each.array, words, faces=names[cells])
    lengths = renamed(PlacedArray(model.array, model.words).lengths, names)
    fits = all(lengths.get(word) == length for word, length in placed.lengths.items() if word != names[cells])
    return placed if fits else None


def renamed(lengths: Lengths, names: dict[str, str]) -> Lengths:
    return {names.get(word, word): length for word, length in lengths.items()}
