"""Rotate batches by right angles: the axes of space move, and so do the components of vectors.

Axes: B batch, T time, C channel, H W D space.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import permutations, product

import torch
from torch import Tensor

from shards.errors import MismatchError
from shards.schema import Sides
from walrus.batch import SPACE_AXES, Batch, FieldSlice
from walrus.device import on_device_of

Permutation = tuple[int, int, int]
Flip = tuple[bool, bool, bool]


@dataclass(frozen=True)
class Rotation:
    """New axis i is old axis `permutation[i]`, reversed where `flip[i]`.

    >>> quarter = Rotation((1, 0, 2), (True, False, False))
    >>> quarter.determinant, quarter.inverse
    (1, Rotation(permutation=(1, 0, 2), flip=(False, True, False)))
    """

    permutation: Permutation
    flip: Flip

    @property
    def sign(self) -> tuple[int, int, int]:
        """-1 for each new axis that is reversed, otherwise 1."""
        first, second, third = self.flip
        return 1 - 2 * first, 1 - 2 * second, 1 - 2 * third

    @property
    def determinant(self) -> int:
        """1 for a rotation, -1 for a reflection."""
        inversions = sum(self.permutation[i] > self.permutation[j] for i, j in ((0, 1), (0, 2), (1, 2)))
        return int((-1) ** (inversions + sum(self.flip)))

    @property
    def inverse(self) -> Rotation:
        """The rotation that undoes this one."""
        first, second, third = (self.permutation.index(axis) for axis in range(3))
        return Rotation((first, second, third), (self.flip[first], self.flip[second], self.flip[third]))


def _rotations() -> tuple[Rotation, ...]:
    """The 24 rotations of a cube, the identity first."""
    found = []
    for first, second, third in permutations((0, 1, 2)):
        for lower, middle, upper in product((False, True), repeat=3):
            rotation = Rotation((first, second, third), (lower, middle, upper))
            if rotation.determinant == 1:
                found.append(rotation)
    return tuple(found)


ROTATIONS = _rotations()
IDENTITY = ROTATIONS[0]
# The identity, and half a turn about each axis: every axis stays in its place. In two dimensions they reverse
# none, one or both of the axes.
HALF_TURNS = tuple(rotation for rotation in ROTATIONS if rotation.permutation == IDENTITY.permutation)


def draw_rotation(rotations: tuple[Rotation, ...], generator: torch.Generator) -> Rotation:
    """Draw one of these rotations, each equally likely."""
    return rotations[int(torch.randint(len(rotations), (), generator=generator))]


def can_rotate(batch: Batch) -> bool:
    """Whether every vector and tensor has x, y and z components; those on a sphere cannot be rotated."""
    variable = all(_is_cartesian(field, batch.channels) for field in batch.layout)
    constant = all(_is_cartesian(field, batch.static_channels) for field in batch.static_layout)
    return variable and constant


def rotate(batch: Batch, rotation: Rotation) -> Batch:
    """The same physics in rotated coordinates; the names of channels stay, and refer to the new axes.

    The components along an axis of size 1 are padding, before and after. Raises MismatchError if a vector
    or tensor has other components than x, y and z: see `can_rotate`.
    """
    if rotation == IDENTITY:
        return batch
    source_C, sign_C = _component_law(rotation, batch.layout, batch.channels)
    static_source_C, static_sign_C = _component_law(rotation, batch.static_layout, batch.static_channels)
    lower, middle, upper = (_rotate_sides(batch.boundaries, rotation, axis) for axis in range(3))
    return replace(
        batch,
        fields_BTCHWD=_rotate_channels(batch.fields_BTCHWD, rotation, source_C, sign_C),
        static_BCHWD=_rotate_channels(batch.static_BCHWD, rotation, static_source_C, static_sign_C),
        cells_BHWD=_rotate_grid(batch.cells_BHWD, rotation),
        boundaries=(lower, middle, upper),
        padded_C=_select(batch.padded_C, source_C),
        scale_C=_select(batch.scale_C, source_C),
        static_scale_C=_select(batch.static_scale_C, static_source_C),
    )


def _rotate_sides(boundaries: tuple[Sides, Sides, Sides], rotation: Rotation, axis: int) -> Sides:
    lower, upper = boundaries[rotation.permutation[axis]]
    return (upper, lower) if rotation.flip[axis] else (lower, upper)


def _rotate_grid(x: Tensor, rotation: Rotation) -> Tensor:
    """The last three axes permuted and reversed."""
    leading = x.ndim - 3
    moved = x.permute(*range(leading), *(leading + axis for axis in rotation.permutation))
    return moved.flip([leading + axis for axis in range(3) if rotation.flip[axis]])


def _rotate_channels(x_CHWD: Tensor, rotation: Rotation, source_C: list[int], sign_C: list[int]) -> Tensor:
    """[..., C, H, W, D] with both grid and components rotated."""
    sign = on_device_of(sign_C, x_CHWD, x_CHWD.dtype)
    return _rotate_grid(_select(x_CHWD, source_C, -4), rotation) * sign[:, None, None, None]


def _select(x: Tensor, source_C: list[int], dim: int = 0) -> Tensor:
    return x.index_select(dim, on_device_of(source_C, x, torch.long))


def _component_law(
    rotation: Rotation, layout: tuple[FieldSlice, ...], channels: tuple[str, ...]
) -> tuple[list[int], list[int]]:
    """For each new channel the old one it comes from, and its sign.

    A vector turns as v'_i = s_i v_p(i), a tensor as T'_ij = s_i s_j T_p(i)p(j).
    """
    source_C, sign_C = list(range(len(channels))), [1] * len(channels)
    for field in layout:
        if not _is_cartesian(field, channels):
            raise MismatchError(
                f"rotation: field {field.name} of rank {field.rank} has the components "
                f"{', '.join(channels[field.start : field.stop])}; expected those of x, y and z; "
                "do not rotate such data"
            )
        for offset, new in enumerate(product(range(3), repeat=field.rank)):
            old = [rotation.permutation[axis] for axis in new]
            source_C[field.start + offset] = field.start + _row_major(old)
            sign_C[field.start + offset] = math.prod(rotation.sign[axis] for axis in new)
    return source_C, sign_C


def _is_cartesian(field: FieldSlice, channels: tuple[str, ...]) -> bool:
    components = channels[field.start : field.stop]
    letters = "".join(name.removeprefix(f"{field.name}_") for name in components)
    return field.rank == 0 or (len(components) == 3**field.rank and set(letters) == set(SPACE_AXES))


def _row_major(index: list[int]) -> int:
    position = 0
    for axis in index:
        position = 3 * position + axis
    return position
