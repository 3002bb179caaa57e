"""Addresses below a URL, and texts without its secrets: users, passwords, tokens after a question mark."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

# One slash where a path of this machine was made of it.
URL = re.compile(r"\b([a-z][a-z0-9+.-]*:/{1,2})([^\s\"'<>]+)", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """The text with `...` for the secrets of each URL.

    >>> without_secrets("https://me:word@host/shards?sig=abc: is not there")
    'https://...@host/shards?...: is not there'
    """
    return URL.sub(lambda found: found[1] + _bare(found[2]), text)


def below(url: str, path: str) -> str:
    """The address of a path below a URL, which keeps what follows its question mark.

    >>> below("https://host/shards/?key=1", "shear_flow/card.json")
    'https://host/shards/shear_flow/card.json?key=1'
    """
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, joined(parts.path, path), parts.query, ""))


def joined(folder: str, path: str) -> str:
    """A path below a folder; the folder itself, without its last slash, for an empty path.

    >>> joined("/shards/", "shear_flow"), joined("/shards/", "")
    ('/shards/shear_flow', '/shards')
    """
    return f"{folder.rstrip('/')}/{path}" if path else folder.rstrip("/")


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
