"""Fetches one file into NAME.part, and renames it when it is complete and has the published checksum.

NAME.part stays when a connection breaks or the command is stopped; the next attempt requests the rest.
NAME.part.version holds the server's name for the version of the file, so that parts of two versions are never
joined (docs/decisions/0100-fetching.md).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from threading import Event
from typing import BinaryIO

from ingest.remote.attempts import BROKEN, Attempts
from ingest.remote.http import AnswerError, ask, range_of, require_no_page, version_of
from ingest.remote.listing import RemoteFile
from shards.disk import NO_LOCKS, settle, write_atomically
from shards.errors import SourceError, WalrusError
from shards.system_errors import cure_of
from shards.urls import without_secrets

BLOCK = 2**20
PAGE_BYTES = 512
LONGEST_VERSION = 1000

# Called with the number of bytes of the file that are on the disk.
ReportPosition = Callable[[int], None]


class _RefetchError(OSError):
    """The part is of no use; the file is requested from its beginning."""


def is_there(file: RemoteFile, folder: Path) -> bool:
    """Whether the file is already there; raises SourceError if something else has its name."""
    path = folder / file.path
    if not path.exists():
        return False
    if not path.is_file():
        raise SourceError(f"{path}: is not a file; remove it, then run again")
    found = path.stat().st_size
    if file.size is not None and found != file.size:
        raise SourceError(
            f"{path}: has {found} bytes, the published file {file.size}; remove it, then run again"
        )
    return True


def download(file: RemoteFile, folder: Path, report: ReportPosition, stop: Event) -> None:
    """Fetches a file to its path below the folder.

    Continues after a broken connection. If `stop` is set, it ends early and leaves the part. Raises
    SourceError if the file cannot be fetched, or has not the published size or checksum.
    """
    target = folder / file.path
    with _disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _part(target) as part:
            if not _fetched(file, part, report, stop):
                return
            part.prove(file)
            part.finish()


class _PartialFile:
    """The open NAME.part of a file."""

    def __init__(self, target: Path, content: BinaryIO) -> None:
        self.target = target
        self.path = _part_of(target)
        self.note = Path(f"{self.path}.version")
        self.content = content

    @property
    def length(self) -> int:
        return os.fstat(self.content.fileno()).st_size

    @property
    def version(self) -> str:
        """The server's name for the version whose bytes are in the part; empty if it gave none."""
        if not self.note.is_file() or self.note.is_symlink():
            return ""
        with self.note.open(encoding="utf-8", errors="replace") as file:
            return file.read(LONGEST_VERSION)

    def begin(self, start: int, version: str) -> None:
        """Cuts the part at `start`; bytes of this version follow."""
        if version != self.version:
            write_atomically(self.note, version.encode())
        self.content.truncate(start)
        self.content.seek(start)

    def clear(self) -> None:
        self.content.truncate(0)
        self.note.unlink(missing_ok=True)

    def prove(self, file: RemoteFile) -> None:
        """Raises SourceError, and empties the part, if it has not the published size or checksum."""
        found = self.length
        if file.size is not None and found != file.size:
            self.clear()
            raise SourceError(
                f"{self.target}: has {found} bytes, the publisher states {file.size}; run again"
            )
        if file.checksum is not None and not file.checksum.fits(self.path):
            self.clear()
            raise SourceError(
                f"{self.target}: its {file.checksum.kind} is not the published one; run again; if the "
                "error stays, name another --from"
            )

    def finish(self) -> None:
        os.fsync(self.content.fileno())
        self.path.replace(self.target)
        self.note.unlink(missing_ok=True)
        settle(self.target.parent)


def _part_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def part_bytes(file: RemoteFile, folder: Path) -> int:
    """The number of bytes of a file that an earlier attempt left."""
    path = _part_of(folder / file.path)
    return path.stat().st_size if path.is_file() else 0


@contextmanager
def _part(target: Path) -> Iterator[_PartialFile]:
    """Opens the part of a file for this process alone; raises SourceError if another process has it."""
    path = _part_of(target)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with os.fdopen(handle, "r+b") as content:
        try:
            fcntl.flock(content, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SourceError(f"{path}: another process is fetching it; wait until it ends") from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        part = _PartialFile(target, content)
        try:
            yield part
        finally:
            # A complete file has its own name by now, so this removes only a part without bytes.
            if part.length == 0:
                path.unlink(missing_ok=True)


@contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        cure = cure_of(error)
        if isinstance(error, WalrusError) or cure is None:
            raise
        raise SourceError(f"{target}: cannot be written: {cure}") from error


def _fetched(file: RemoteFile, part: _PartialFile, report: ReportPosition, stop: Event) -> bool:
    """Requests the file until it is complete (True) or `stop` is set (False).

    When an attempt brought bytes, the attempts are counted from the start again.
    """
    attempts = Attempts(file.url, part.length)
    while not stop.is_set():
        try:
            if _attempt(file, part, report, stop):
                return True
        except BROKEN as error:
            stop.wait(attempts.pause(error, part.length))
    return False


def _attempt(file: RemoteFile, part: _PartialFile, report: ReportPosition, stop: Event) -> bool:
    """Requests once what is missing; returns True if the file is complete.

    Raises OSError or HTTPException if another attempt may help.
    """
    start = part.length if part.version or file.checksum else 0
    if start and start == file.size:
        return True
    with _answer(file, part, start) as answer:
        require_no_page(file.url, answer)
        begin, whole = range_of(answer, start)
        version = version_of(answer)
        if begin and version != part.version and not file.checksum:
            part.clear()
            raise _RefetchError("the file on the server has changed")
        if None not in (whole, file.size) and whole != file.size:
            raise SourceError(
                f"{without_secrets(file.url)}: has {whole} bytes, the list of files says {file.size}; run "
                "again later"
            )
        with _disk_errors(part.path):
            part.begin(begin, version)
        return _copy(file, part, answer, whole, report, stop)


def _copy(
    file: RemoteFile,
    part: _PartialFile,
    answer: HTTPResponse,
    whole: int | None,
    report: ReportPosition,
    stop: Event,
) -> bool:
    """Writes the body into the part; raises ConnectionError if it ends before the stated length."""
    position = part.content.tell()
    while block := answer.read1(BLOCK):
        if position == 0:
            require_no_page(file.url, answer, block[:PAGE_BYTES])
        with _disk_errors(part.path):
            part.content.write(block)
            part.content.flush()
        position += len(block)
        report(position)
        if stop.is_set():
            return False
    if whole is not None and position < whole:
        raise ConnectionError(f"it ended after {position} of {whole} bytes")
    return True


def _answer(file: RemoteFile, part: _PartialFile, start: int) -> HTTPResponse:
    """Requests the file from byte `start` on; a server without ranges, or with another version, sends all."""
    headers = {}
    if start:
        headers["Range"] = f"bytes={start}-"
        if part.version:
            headers["If-Range"] = part.version
    try:
        return ask(file.url, headers)
    except AnswerError as error:
        if error.status != 416:
            raise
        # The file on the server is shorter than the part, so it is another version.
        part.clear()
        raise _RefetchError("the file on the server is shorter than before") from None
