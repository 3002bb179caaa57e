"""Reads parts of a file behind a URL: by ranges of http(s), also of the Hugging Face hub, or by fsspec.

A connection that breaks is taken up where it broke. Every answer must be of the version that was first seen.
The reasons are in docs/decisions/0151-sources-behind-a-url.md.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import TYPE_CHECKING

from ingest.remote.attempts import BROKEN, Attempts, NoAnswerError
from ingest.remote.http import AnswerError, ask, range_of, require_no_page, version_of
from ingest.remote.listing import hub_file, hub_parts
from shards.errors import MismatchError, ShardError, SourceError

if TYPE_CHECKING:
    from shards.remote import RemoteFiles

PIECE = 2**20
GONE = (404, 410)
FETCH_FIRST = "copy it with walrus-ingest fetch, or another program, and name the copy"


@dataclass(frozen=True)
class RemoteState:
    """The length of a file, and what its server calls this version: its ETag or the time of its change."""

    size: int
    version: str


def state_of(url: str) -> RemoteState:
    """The state of a file now; raises FileNotFoundError if there is none, SourceError without ranges.

    A server must give ranges and state a version: otherwise a change would not be noticed.
    """
    address = _address(url)
    state = _stored_state(url) if address is None else _web_state(url, address)
    if not state.version:
        raise SourceError(f"{url}: its server states neither ETag nor date of the file; {FETCH_FIRST}")
    return state


def read_range(url: str, state: RemoteState, start: int, stop: int) -> bytes:
    """The bytes from `start` to `stop`; raises MismatchError if the file is no longer in this state,
    NoAnswerError if nothing comes in several attempts.
    """
    address = _address(url)
    if address is None:
        with _stored(url) as file:
            return file.part(start, stop)
    held = bytearray()
    attempts = Attempts(url)
    while len(held) < stop - start:
        try:
            _receive(url, address, state, start, stop, held)
        except BROKEN as error:
            time.sleep(attempts.pause(error, len(held)))
    return bytes(held)


def _receive(url: str, address: str, state: RemoteState, start: int, stop: int, held: bytearray) -> None:
    """Asks once for what is still missing, and adds what comes; raises ConnectionError if it is not all."""
    with _ranged(url, address, start + len(held), stop) as answer:
        _, size = range_of(answer, start + len(held))
        if RemoteState(size or 0, version_of(answer)) != state:
            raise MismatchError(f"{url}: has changed while it was read; run the same command again")
        while len(held) < stop - start:
            piece = answer.read1(min(PIECE, stop - start - len(held)))
            if not piece:
                raise ConnectionError(f"it ended after {len(held)} of {stop - start} bytes")
            held += piece


@contextmanager
def _ranged(url: str, address: str, start: int, stop: int) -> Iterator[HTTPResponse]:
    """The answer to a request for a range; raises SourceError for a whole file, before its body is read."""
    with ask(address, {"Range": f"bytes={start}-{stop - 1}"}) as answer:
        require_no_page(address, answer)
        if answer.status != 206:
            raise SourceError(f"{url}: its server gives whole files only, no ranges; {FETCH_FIRST}")
        yield answer


def _web_state(url: str, address: str) -> RemoteState:
    """Asks for the first byte: one answer states length and version, and whether ranges are given."""
    attempts = Attempts(url)
    while True:
        try:
            with _ranged(url, address, 0, 1) as answer:
                _, size = range_of(answer, 0)
                if size is None:
                    raise SourceError(f"{url}: its server does not state the length; {FETCH_FIRST}")
                return RemoteState(size, version_of(answer))
        except BROKEN as error:
            if isinstance(error, AnswerError) and error.status in GONE:
                raise _no_file(url) from None
            if isinstance(error, AnswerError) and error.status == 416:
                raise SourceError(f"{url}: found an empty file; expected data") from None
            time.sleep(attempts.pause(error, 0))


def _no_file(url: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, "there is no such file", url)


def _address(url: str) -> str | None:
    """The http(s) address of a file; None for the other stores of fsspec."""
    if url.startswith("hf://"):
        return hub_file(*hub_parts(url))
    return url if url.startswith(("http://", "https://")) else None


def _stored_state(url: str) -> RemoteState:
    """The state of a file in a store of fsspec."""
    with _stored(url) as file:
        state = file.state()
    if state is None:
        raise _no_file(url)
    return RemoteState(*state)


@contextmanager
def _stored(url: str) -> Iterator[RemoteFiles]:
    """A file of a store; its errors, which come after several attempts, are those of this module."""
    # Imported here: fsspec takes long to import, and workers of a local build need none of it.
    from shards.cache import Cache
    from shards.remote import RemoteFiles

    try:
        yield RemoteFiles(url, Cache())
    except ShardError as error:
        raise NoAnswerError(str(error)) from error
