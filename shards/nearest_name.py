"""Finds the known name that is most similar to a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from shards.errors import SettingsError


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error message, empty if no known name is similar; ignores case.

    >>> did_you_mean("Sheer_flow", ["shear_flow", "MHD_64"])
    '; did you mean shear_flow?'
    >>> did_you_mean("heat", ["shear_flow", "MHD_64"])
    ''
    """
    names = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.casefold(), names, n=1)
    return f"; did you mean {names[near[0]]}?" if near else ""


def require_known(what: str, name: str, known: Collection[str]) -> None:
    """Raises SettingsError for an unknown name, also for None: a notebook has no type checker."""
    if name not in known:
        raise SettingsError(f"{what} {name}: expected {', '.join(known)}{did_you_mean(str(name), known)}")
