"""Lists the files at an address: asks the Hugging Face hub, or reads the pages on which a web server lists
its folders.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from http.client import HTTPException
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from pydantic import TypeAdapter, ValidationError

from ingest.remote.http import ask, hub_address, require_no_login, require_no_page
from ingest.split_names import split_in_published_path
from shards.errors import SettingsError, SourceError, WalrusError
from shards.schema import Split, excerpt
from shards.urls import without_secrets

# No more bytes of a list are read, so that it cannot fill the memory.
LARGEST_LIST = 200 * 10**6
DEEPEST_FOLDER = 8
MOST_FOLDERS = 10_000
HUB_URL = re.compile(r"hf://datasets/([\w.-]+/[\w.-]+)(?:@([^/]+))?(?:/(.*))?")


@dataclass(frozen=True)
class Checksum:
    """A checksum that the publisher states; `git` is the SHA-1 of git: of a header and the content."""

    kind: Literal["sha256", "md5", "git"]
    hexadecimal: str

    def fits(self, path: Path) -> bool:
        """Whether the file at `path` has this checksum."""
        digest = hashlib.new("sha1" if self.kind == "git" else self.kind, usedforsecurity=False)
        if self.kind == "git":
            digest.update(b"blob %d\0" % path.stat().st_size)
        with path.open("rb") as file:
            # Adds the content to the header that was hashed above.
            hashlib.file_digest(file, lambda: digest)
        return digest.hexdigest() == self.hexadecimal.lower()


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch: its path below the folder and its address; size and checksum if stated."""

    path: str
    url: str
    size: int | None = None
    checksum: Checksum | None = None

    @property
    def split(self) -> Split | None:
        """The split that a folder of its path or a word of its name states."""
        return split_in_published_path(self.path)


def list_address(url: str) -> tuple[RemoteFile, ...]:
    """The files below an address, sorted by path.

    Raises SourceError if the server gives no list, or lists a path that leads out of the folder.
    """
    found = _hub_files(url) if url.startswith("hf://") else _pages(url)
    return checked_list(url, found)


def checked_list(url: str, files: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
    """The files, sorted by path; raises SourceError if listing fails, or a path is unsafe or comes twice."""
    try:
        found = list(files)
    except (OSError, HTTPException) as error:
        if isinstance(error, WalrusError):
            raise
        raise SourceError(
            f"{without_secrets(url)}: the server gives no list of files ({without_secrets(str(error))}); "
            "check the network, or name another --from"
        ) from error
    paths = [_safe(each.path, url) for each in found]
    if len(set(paths)) < len(paths):
        raise SourceError(f"{without_secrets(url)}: lists a file twice; name another --from")
    return tuple(sorted(found, key=lambda each: each.path))


def _safe(path: str, where: str) -> str:
    """Returns the path; raises SourceError if it leads out of the folder, or cannot be the path of a file."""
    parts = path.split("/")
    if {"", ".", ".."} & set(parts) or "\\" in path or ":" in parts[0] or not path.isprintable():
        raise SourceError(
            f"{without_secrets(where)}: lists {path!r}, which is not a path below the folder; name another "
            "--from"
        )
    return path


@excerpt
class _LargeFile:
    """What the hub states about a large file, which it keeps outside git; `oid` is its SHA-256."""

    oid: str
    size: int


@excerpt
class _ListingRow:
    """A file or folder in a list of the hub; `oid` is its SHA-1 in git."""

    type: str
    path: str
    size: int = 0
    oid: str = ""
    lfs: _LargeFile | None = None


_ROWS = TypeAdapter(list[_ListingRow])


def hub_parts(url: str) -> tuple[str, str, str]:
    """Dataset, revision and path in an address of the hub; raises SettingsError if it has another form.

    >>> hub_parts("hf://datasets/owner/flow@v1/data/a.hdf5")
    ('owner/flow', 'v1', 'data/a.hdf5')
    """
    named = HUB_URL.fullmatch(url)
    if not named:
        raise SettingsError(f"{without_secrets(url)}: expected hf://datasets/OWNER/NAME[@REVISION][/FOLDER]")
    return named[1], quote(named[2] or "main", safe=""), (named[3] or "").strip("/")


def hub_file(name: str, revision: str, path: str) -> str:
    """The http(s) address of a file of the hub."""
    return f"{hub_address()}/datasets/{name}/resolve/{revision}/{quote(path)}"


def _hub_files(url: str) -> Iterator[RemoteFile]:
    """All files of a folder of the hub. The list comes in pages; each page names the next one."""
    name, revision, folder = hub_parts(url)
    hub = hub_address()
    page: str | None = f"{hub}/api/datasets/{name}/tree/{revision}/{quote(folder)}".rstrip("/")
    page = f"{page}?recursive=true"
    while page:
        with ask(page) as answer:
            text = answer.read(LARGEST_LIST)
            require_no_page(page, answer, text, "the list of files")
            try:
                rows = _ROWS.validate_json(text)
            except ValidationError:
                raise SourceError(f"{page}: the answer is no list of files; name another --from") from None
            page = _next_page(answer.headers.get("Link", ""), hub)
        for row in rows:
            if row.type == "file":
                path = row.path.removeprefix(f"{folder}/") if folder else row.path
                large = row.lfs
                checksum = Checksum("sha256", large.oid) if large else Checksum("git", row.oid)
                at = hub_file(name, revision, row.path)
                yield RemoteFile(path, at, large.size if large else row.size, checksum)


def _next_page(links: str, hub: str) -> str | None:
    """The address of the next page of a list; None after the last page.

    Raises SourceError if it is on another server, which would get the token.
    """
    found = re.search(r'<([^<>]+)>\s*;\s*rel="next"', links)
    if not found:
        return None
    if urlsplit(found[1])[:2] != urlsplit(hub)[:2]:
        raise SourceError(f"{hub}: continues its list at {without_secrets(found[1])}; name another --from")
    return found[1]


class _LinkParser(HTMLParser):
    """The addresses that a page links to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def _pages(url: str) -> Iterator[RemoteFile]:
    """All files below a folder of a web server that shows each folder as a page of links."""
    parts = urlsplit(url)
    root = f"{parts.path.rstrip('/')}/"
    waiting, seen = [root], {root}
    while waiting:
        place = waiting.pop()
        address = urlunsplit((parts.scheme, parts.netloc, place, parts.query, ""))
        for path in _linked(address, root):
            if not path.endswith("/"):
                at = urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))
                yield RemoteFile(unquote(path.removeprefix(root)), at)
            elif path not in seen and path.count("/") - root.count("/") <= DEEPEST_FOLDER:
                seen.add(path)
                waiting.append(path)
        if len(seen) > MOST_FOLDERS:
            raise SourceError(f"{without_secrets(url)}: more than {MOST_FOLDERS} folders; name one of them")


def _linked(address: str, root: str) -> list[str]:
    """The paths below `root` that a page links to; links with a question mark only sort the page."""
    with ask(address) as answer:
        if answer.headers.get_content_type() != "text/html":
            raise SourceError(
                f"{without_secrets(address)}: its server does not list the folder; name another --from"
            )
        text = answer.read(LARGEST_LIST)
        require_no_login(address, answer, text)
    page = _LinkParser()
    page.feed(text.decode("utf-8", "replace"))
    here = urlsplit(address)
    found = []
    for link in page.found:
        target = urlsplit(urljoin(address, link))
        same = target.netloc.rpartition("@")[2] == here.netloc.rpartition("@")[2]
        below = target.path.startswith(root) and target.path != root
        if same and below and not target.query:
            found.append(target.path)
    return list(dict.fromkeys(found))
