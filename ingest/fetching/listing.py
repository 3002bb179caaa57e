"""Lists the files of a publication: from our own list, or from their server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPException
from urllib.parse import quote, urlsplit

from ingest.fetching.published import Publication, expanded
from ingest.remote.http import ask
from ingest.remote.listing import Checksum, RemoteFile, checked_list, list_address
from shards.errors import SettingsError, SourceError
from shards.urls import below, without_secrets

# So many requests for sizes are sent at the same time.
ASKING = 8


def list_files(publication: Publication) -> tuple[RemoteFile, ...]:
    """The files of a publication, sorted by path.

    Raises SourceError if the server gives no list or an empty one, or lists a path that leads out of the
    folder.
    """
    url = publication.url
    if urlsplit(url).scheme not in ("http", "https", "hf"):
        raise SettingsError(
            f"{without_secrets(url)}: expected an address that begins with http://, https:// or "
            "hf://datasets/"
        )
    if publication.listed and not url.startswith("hf://"):
        return checked_list(url, _listed(publication))
    found = list_address(url)
    if not found:
        raise SourceError(
            f"{without_secrets(url)}: the server lists no files there, perhaps a login or a notice comes "
            "first; open the address in a browser to see what it wants, or name another --from"
        )
    return found


def with_sizes(files: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
    """The files, each with the size that its server states; without one where it states none."""
    with ThreadPoolExecutor(ASKING) as pool:
        return tuple(pool.map(_with_size, files))


def _with_size(file: RemoteFile) -> RemoteFile:
    if file.size is not None:
        return file
    try:
        with ask(file.url, method="HEAD") as answer:
            said = answer.headers.get("Content-Length", "")
    except (OSError, HTTPException):
        # Many servers refuse such a request, and still send the file.
        said = ""
    return replace(file, size=int(said)) if said.isdecimal() else file


def _listed(publication: Publication) -> Iterator[RemoteFile]:
    for each in publication.listed:
        checksum = Checksum("md5", each.md5) if each.md5 else None
        for path in expanded(each.path):
            yield RemoteFile(path, below(publication.url, quote(each.place or path)), None, checksum)
