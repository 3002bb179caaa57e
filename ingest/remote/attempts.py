"""When to ask a server again after an error, and when to give up."""

from __future__ import annotations

from http.client import HTTPException

from ingest.remote.http import AnswerError
from shards.errors import SourceError, WalrusError
from shards.urls import without_secrets

# Seconds to wait after the first attempt that brought nothing, after the second, and so on.
WAITS = (1.0, 4.0, 15.0, 60.0)
# The errors of a network that fails.
BROKEN = (OSError, HTTPException)


class NoAnswerError(SourceError):
    """Several attempts brought nothing; the same command may succeed later."""


class Attempts:
    """Counts the attempts to get a file, from the start again whenever one brought something."""

    def __init__(self, url: str, furthest: int = 0) -> None:
        self._url = url
        self._furthest = furthest
        self._waits = iter(WAITS)

    def pause(self, error: Exception, position: int) -> float:
        """The seconds to wait before the next attempt; `position` is the number of bytes that are there.

        Raises the error again if another attempt cannot help, NoAnswerError after the last attempt.
        """
        wait, reason = 0.0, str(error)
        if isinstance(error, AnswerError) and error.passing:
            wait = error.wait
        elif isinstance(error, WalrusError):
            raise error
        else:
            reason = f"{without_secrets(self._url)}: the connection broke ({without_secrets(reason)})"
        if position > self._furthest:
            self._furthest, self._waits = position, iter(WAITS)
        pause = next(self._waits, None)
        if pause is None:
            raise NoAnswerError(f"{reason}, in {len(WAITS) + 1} attempts; run the same command again")
        return max(pause, wait)
