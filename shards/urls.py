"""Takes secrets out of texts with URLs: users, passwords, and what follows a question mark: tokens."""

from __future__ import annotations

import re

# One slash where a path of this machine was made of it.
URL = re.compile(r"\b([a-z][a-z0-9+.-]*:/{1,2})([^\s\"'<>]+)", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """The text with `...` for the secrets of each URL.

    >>> without_secrets("https://me:word@host/shards?sig=abc: is not there")
    'https://...@host/shards?...: is not there'
    """
    return URL.sub(lambda found: found[1] + _bare(found[2]), text)


def _bare(rest: str) -> str:
    """What follows the scheme. A password may hold any sign but a slash; the last @ before it ends it."""
    host, slash, path = rest.partition("/")
    if "@" in host:
        host = f"...@{host.rpartition('@')[2]}"
    place, mark, query = f"{host}{slash}{path}".partition("?")
    if not mark:
        return place
    # A sentence goes on after the URL.
    end = re.search(r"[:;,.)]*$", query)
    return f"{place}?...{end[0] if end else ''}"
