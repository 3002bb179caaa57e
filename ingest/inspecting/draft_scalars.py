"""The parameters of a draft: numbers that look like physics are taken, others are listed."""

from __future__ import annotations

import re

from ingest.formats.arrays import ArrayFile, whole
from ingest.inspecting.contents import root_numbers
from ingest.inspecting.draft_table import line
from ingest.inspecting.infer_layout import InferredLayout
from ingest.inspecting.parameters import looks_like_physics
from shards.errors import SourceError
from shards.program.console import printable


def scalar_lines(
    arrays: ArrayFile, layout: InferredLayout, in_names: tuple[tuple[str, str], ...] = ()
) -> list[str]:
    """The table [scalars], each key once; what is a counter or a setting of the program is a comment.

    `in_names` are those that names of files hold: a part of the pattern each.
    """
    found: dict[str, tuple[str, str, bool]] = {}
    for name, text in in_names:
        found[name] = (f"{{{name}}}", text, looks_like_physics(name, float(text)))
    for name, value in root_numbers(arrays).items():
        if name in found:
            continue
        found[name] = (f"@{name}", f"{value:g}", looks_like_physics(name, value))
    # Of groups that are runs, each has its own.
    groups = [each.array.path.partition("/")[0] for each in layout.variable if each.array.groups > 1]
    for name, value in root_numbers(arrays, groups[0]).items() if groups else ():
        found.setdefault(name, (f"*@{name}", f"{value:g}", looks_like_physics(name, value)))
    for each in layout.scalars:
        if each.pattern:
            continue
        last = each.path.rpartition("/")[2]
        try:
            values = whole(arrays.array(each.path)).reshape(-1)
        except SourceError:
            continue
        low, high = float(values.min()), float(values.max())
        if not low <= high:
            continue
        name = last if last not in found else re.sub(r"\W+", "_", each.path)
        if name in dict(in_names):
            continue
        if name in found:
            # An attribute and an array of one name: the array is what a solver reads back.
            found.pop(name)
        span = f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
        found[name] = (each.stored, span, looks_like_physics(last, low))

    taken = [f"{line(name, place)}  # {span}" for name, (place, span, physics) in found.items() if physics]
    left = [printable(f"{name} = {span}") for name, (_, span, physics) in found.items() if not physics]
    comment = (
        [f"# Left out, because they belong to the program and not to the physics: {', '.join(left[:20])}"]
        if left
        else []
    )
    if not taken:
        return ["", *comment] if comment else []
    said = "# CHECK: keep what is a parameter of the physics, and name it as others do."
    return ["", "[scalars]", said, *taken, *comment]
