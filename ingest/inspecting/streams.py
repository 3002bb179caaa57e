"""Finds the streams of output of a program: files that are called alike and hold other fields.

The reasons are in docs/decisions/0169-streams-of-output.md.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ingest.inspecting.file_arrangement import FileArrangement
from ingest.inspecting.variable_files import fields_of

# More words or numbers than these tell runs apart, and no streams.
MANY_STREAMS = 12


def files_of_other_streams(arranged: FileArrangement) -> set[Path]:
    """The files that hold none of the fields of most others, such as monthly means next to daily values.

    One file is opened for each text of a part of the names that differs.
    """
    found: set[Path] = set()
    for at in arranged.varying:
        counts = Counter(file.text(at) for file in arranged.files)
        known = (arranged.last_number, arranged.variable, arranged.tile)
        if at in known or arranged.first_like(at) in known or len(counts) > MANY_STREAMS:
            continue
        firsts = zip(sorted(counts), arranged.firsts(at), strict=True)
        fields = {text: fields_of(path) for text, path in firsts}
        most = max(fields, key=lambda text: (_files_like(text, fields, counts), len(fields[text]), text))
        others = {text for text, held in fields.items() if held.isdisjoint(fields[most])}
        if fields[most]:
            found.update(file.path for file in arranged.files if file.text(at) in others)
    return found


def _files_like(text: str, fields: dict[str, frozenset[str]], counts: Counter[str]) -> int:
    """The number of files that have a field in common with those of a text."""
    return sum(counts[other] for other, held in fields.items() if not held.isdisjoint(fields[text]))
