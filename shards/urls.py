"""Joins paths to URLs, and hides secrets in texts: users, passwords, tokens after a question mark."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

# `Path` turns the two slashes into one.
URL = re.compile(r"\b([a-z][a-z0-9+.-]*:/{1,2})([^\s\"'<>]+)", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """The text with `...` in place of the secrets of each URL.

    >>> without_secrets("https://me:word@host/shards?sig=abc: is not there")
    'https://...@host/shards?...: is not there'
    """
    return URL.sub(lambda found: found[1] + _bare(found[2]), text)


def below(url: str, path: str) -> str:
    """The address of a path below a URL; what follows the question mark stays at the end.

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
    """The rest of a URL without secrets. A password may hold any character but a slash, even an @."""
    host, slash, path = rest.partition("/")
    if "@" in host:
        host = f"...@{host.rpartition('@')[2]}"
    place, mark, query = f"{host}{slash}{path}".partition("?")
    if not mark:
        return place
    # A sentence may continue after the URL: its punctuation stays.
    end = re.search(r"[:;,.)]*$", query)
    return f"{place}?...{end[0] if end else ''}"
