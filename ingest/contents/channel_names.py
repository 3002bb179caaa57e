"""Finds the names of the channels of an array with several fields, if an attribute lists them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ingest.formats.packing import Attribute

_LISTS_NAMES = re.compile(
    r"(channel|field|var(iable)?|component|comp|feature|quantit(y|ie)|column|tracer|specie)s?"
    r"([-_]?(names?|labels?|order|list))?"
    r"|names|labels|prim(itive)?s|cons(erved)?",
    re.IGNORECASE,
)


def lists_names(name: str) -> bool:
    """Whether the name of an attribute or array says that it is a list of names.

    >>> lists_names("field_names"), lists_names("units")
    (True, False)
    """
    return bool(_LISTS_NAMES.fullmatch(name))


def channel_names(attributes: Mapping[str, Attribute], lengths: tuple[int, ...]) -> tuple[str, ...]:
    """The list of different names with the length of an axis; empty if there is none.

    >>> channel_names({"channels": ("rho", "u"), "units": "m"}, (6, 9, 7, 2))
    ('rho', 'u')
    >>> channel_names({"field_names": "rho, u, v"}, (6, 3, 9, 7))
    ('rho', 'u', 'v')
    """
    for key, value in attributes.items():
        if not _LISTS_NAMES.fullmatch(key):
            continue
        words = value.split(",") if isinstance(value, str) else value if isinstance(value, tuple) else ()
        names = tuple(str(word).strip() for word in words)
        different = len(set(names)) == len(names) > 1 and all(name.isprintable() and name for name in names)
        if different and len(names) in lengths:
            return names
    return ()
