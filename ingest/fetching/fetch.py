"""Fetches many files, several at a time, if the disk has room for all of them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread

from ingest.fetching.download import download, is_there, part_bytes
from ingest.remote.listing import RemoteFile
from shards.errors import SourceError
from shards.program.byte_size import size_in_words
from shards.program.checkup import existing

# After so many failures, and fewer successes, the server is asked for no more files.
MOST_FAILURES = 5
# Seconds that the files being fetched have to end in when no more of them are wanted.
LAST_SECONDS = 2.0

# Called with the number of bytes that are there, and with that of all files.
ReportBytes = Callable[[int, int], None]


@dataclass(frozen=True)
class FetchResult:
    """What was fetched: `files` and `bytes` now, `found` files existed before; one sentence per failure."""

    folder: Path
    files: int
    bytes: int
    found: int
    seconds: float
    failures: tuple[str, ...] = ()


def fetch(files: Sequence[RemoteFile], folder: Path, report: ReportBytes, at_once: int = 4) -> FetchResult:
    """Fetches the files to their paths below the folder, `at_once` at a time.

    If one file fails, the others are still fetched. Raises SourceError if the disk has no room for all.
    """
    began = time.monotonic()
    wanted, failures = [], []
    for file in files:
        try:
            if not is_there(file, folder):
                wanted.append(file)
        except SourceError as error:
            failures.append(str(error))
    found = len(files) - len(wanted) - len(failures)
    before = {file.path: part_bytes(file, folder) for file in wanted}
    _require_room(wanted, folder, sum(before.values()))
    count = _Counter(dict(before), sum(file.size or 0 for file in wanted), report)
    done = 0
    for fault in _fetch_in_threads(wanted, folder, count, at_once):
        if fault is None:
            done += 1
            continue
        failures.append(fault)
        if len(failures) >= MOST_FAILURES and done < MOST_FAILURES:
            failures.append("the other files were not requested")
            break
    fetched = max(0, sum(count.positions.values()) - sum(before.values()))
    return FetchResult(folder, done, fetched, found, time.monotonic() - began, tuple(failures))


def _require_room(files: Sequence[RemoteFile], folder: Path, here: int) -> None:
    """Raises SourceError if the disk has no room for the bytes that are missing."""
    free = shutil.disk_usage(existing(folder)).free
    needed = sum(file.size or 0 for file in files) - here
    if needed > free:
        raise SourceError(
            f"{folder}: needs {size_in_words(needed)}, the disk has room for "
            f"{size_in_words(free)}; choose another, or fewer files with --gigabytes, --split or --files"
        )


class _Counter:
    """Counts the bytes of each file that are there, and reports their sum."""

    def __init__(self, positions: dict[str, int], total: int, report: ReportBytes) -> None:
        self.positions = positions
        self._total = total
        self._report = report
        self._lock = Lock()

    def __call__(self, path: str, position: int) -> None:
        with self._lock:
            self.positions[path] = position
            self._report(sum(self.positions.values()), self._total)


def _fetch_in_threads(
    files: Sequence[RemoteFile], folder: Path, count: _Counter, at_once: int
) -> Iterator[str | None]:
    """Yields, for each file that ends, None or the reason why it failed; other errors are raised.

    When the caller stops early, the threads end too, before anybody removes their folder. A silent server
    is waited for LAST_SECONDS alone: its threads end with the program, so that a signal need not wait.
    """
    waiting: SimpleQueue[RemoteFile] = SimpleQueue()
    for file in files:
        waiting.put(file)
    results: SimpleQueue[str | BaseException | None] = SimpleQueue()
    stop = Event()

    def work() -> None:
        while not stop.is_set():
            try:
                file = waiting.get_nowait()
            except Empty:
                return
            results.put(_outcome(file, folder, count, stop))

    threads = [Thread(target=work, name="fetch", daemon=True) for _ in range(min(at_once, len(files)))]
    for thread in threads:
        thread.start()
    try:
        for _ in files:
            outcome = results.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome
    finally:
        stop.set()
        deadline = time.monotonic() + LAST_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def _outcome(file: RemoteFile, folder: Path, count: _Counter, stop: Event) -> str | BaseException | None:
    try:
        download(file, folder, lambda position: count(file.path, position), stop)
    except SourceError as error:
        return str(error)
    except BaseException as error:
        # Raised again in the main thread.
        return error
    return None
