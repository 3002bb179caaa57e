"""Says of which vector a name is a component, and along which axis: vx, x_velocity, u10, B2."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.contents.axis_names import letter
from ingest.inferring.inferred_layout import Words

# Usual names of components in codes, if they neither end nor begin with the name of an axis.
_UVW = re.compile(r"(u|v|w)(10m?|o|a|100m?|_?wind|_?vel(ocity)?)?", re.IGNORECASE)
_NUMBERED = re.compile(r"(vel|mom|bcc|vx|bx|b|v|u|m)([123])", re.IGNORECASE)


def component(name: str, axes: Words) -> Iterator[tuple[str, str]]:
    """Yields the vector and the axis of which this name may be a component.

    >>> list(component("vx", ("x", "y"))), list(component("w", ("x", "y", "z")))
    ([('v', 'x')], [('', 'z')])
    >>> list(component("x_velocity", ("y", "x"))), list(component("velocity_y", ("y", "x")))
    ([('velocity', 'x')], [('velocity', 'y')])
    """
    letters = {letter(axis): axis for axis in axes if letter(axis)}
    # A direction in front of a mark comes first: x_velocity also ends with y.
    for form in ("{}[-_](.+)", "(.+?)[-_]?{}"):
        for axis in axes:
            found = re.fullmatch(form.format(axis), name, re.IGNORECASE)
            if found:
                yield found[1], axis
                return

    found = re.fullmatch(r"([xyz])[-_](.+)|(.+?)[-_]?([xyz])", name, re.IGNORECASE)
    if found:
        direction = (found[1] or found[4]).lower()
        if direction in letters:
            yield found[2] or found[3], letters[direction]
            return

    found = _UVW.fullmatch(name)
    if found:
        direction = "xyz"["uvw".index(found[1].lower())]
        if direction in letters:
            yield found[2] or "", letters[direction]
        return

    found = _NUMBERED.fullmatch(name)
    if found and len(axes) >= int(found[2]):
        direction = "xyz"[int(found[2]) - 1]
        yield found[1], letters.get(direction, axes[int(found[2]) - 1])


def ends_with_axis(name: str, axes: Words) -> bool:
    """Whether a name ends or begins with the name of an axis."""
    return any(name.lower().endswith(axis.lower()) or name.lower().startswith(axis.lower()) for axis in axes)
