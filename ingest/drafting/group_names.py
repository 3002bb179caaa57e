"""Finds the parameters in the names of groups that hold a run each: Re100, nu=0.01."""

from __future__ import annotations

from collections.abc import Iterator

from ingest.contents.listing import ArrayInfo
from ingest.inspecting.folder_names import parts_of_folder
from ingest.inspecting.named_files import NamePart


def parameters_of_groups(each: ArrayInfo) -> dict[str, str]:
    """The parameters in the names of the groups of an array of many runs, with their places in a recipe.

    >>> from ingest.contents.listing import ArrayStorage
    >>> groups = {"groups": 4, "run_group": "case_a/Re100_nu=0.5", "each_run": "*/*"}
    >>> parameters_of_groups(ArrayInfo("case_a/Re100_nu=0.5/u", (4, 9), "float32", ArrayStorage(), **groups))
    {'Re': '*/Re{Re}_nu=*', 'nu': '*/Re*_nu={nu}'}
    """
    found: dict[str, str] = {}
    own, starred = each.run_group.split("/"), each.each_run.split("/")
    for level, star in enumerate(starred):
        if star == "*":
            for name, pattern in _parameters(list(parts_of_folder(own[level]))):
                found.setdefault(name, "/".join([*starred[:level], pattern, *starred[level + 1 :]]))
    return found


def _parameters(parts: list[NamePart]) -> Iterator[tuple[str, str]]:
    """Yields each parameter in a name, with the name as a pattern: its number in braces, a * for others."""
    for at, part in enumerate(parts):
        if part.kind == "parameter":
            texts = [each.text if each.kind == "text" else "*" for each in parts]
            texts[at] = f"{{{part.name}}}"
            yield part.name, "".join(texts)
