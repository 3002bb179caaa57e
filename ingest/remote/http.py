"""Asks a server over http(s); an answer that is not what was asked for is an error that says what to do.

Passwords of an address and the token of the hub go to the server that they are for, never to another that it
sends us on to, and never into a message.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from email.message import Message
from http.client import HTTPResponse
from typing import IO, cast
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from shards.errors import SourceError
from shards.urls import without_secrets

# Seconds in which a server has to say something; a file may take as long as it takes.
SILENCE = 60.0
# Where the Hugging Face hub is, and the variables by which its users name another, and their token.
HUB = "https://huggingface.co"
HUB_VARIABLE, TOKEN_VARIABLE = "HF_ENDPOINT", "HF_TOKEN"
# Too many requests, and what a server or a proxy answers while it is overloaded or restarted.
PASSING = (408, 425, 429, 500, 502, 503, 504)
LOGIN = (401, 403, 407)
LONGEST_WAIT = 300.0
PAGE_START = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)


class AnswerError(SourceError):
    """A server answered something else than what was asked for.

    `passing` says that another attempt may help, after `wait` seconds where the server said so.
    """

    def __init__(self, message: str, status: int, wait: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.passing = status in PASSING
        self.wait = wait


def hub_address() -> str:
    """Where the Hugging Face hub is, or the mirror that HF_ENDPOINT names."""
    return os.environ.get(HUB_VARIABLE, HUB).rstrip("/")


def ask(url: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> HTTPResponse:
    """The answer to a request, its body not read yet; the caller closes it.

    Raises AnswerError for a refusal, OSError where the network fails.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    bare = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    said = {"User-Agent": "walrus-pde", "Accept-Encoding": "identity", **(headers or {})}
    request = Request(bare, headers=said, method=method)
    permission = _permission(url)
    if permission:
        request.add_unredirected_header("Authorization", permission)
    try:
        return cast(HTTPResponse, _opener().open(request, timeout=SILENCE))
    except HTTPError as error:
        error.close()
        raise _refusal(url, error.code, error.headers) from None


def require_no_page(url: str, answer: HTTPResponse, start: bytes = b"") -> None:
    """Raises AnswerError where a file that is no web page comes as one: a login, or a sentence of regret."""
    is_page = answer.headers.get_content_type() == "text/html" and "Content-Type" in answer.headers
    if is_page or PAGE_START.match(start):
        raise AnswerError(
            f"{without_secrets(url)}: the server sent a web page instead of the file, perhaps a login or a "
            "notice; open the address in a browser to see what it wants",
            answer.status,
        )


def range_of(answer: HTTPResponse, start: int) -> tuple[int, int | None]:
    """Where the body begins in the file, and how long the file is if the server says so.

    It begins at 0 where the server gives no ranges; raises ConnectionError for another range than requested.
    """
    if answer.status != 206:
        said = answer.headers.get("Content-Length", "")
        return 0, int(said) if said.isdecimal() else None
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if not found or int(found[1]) != start:
        raise ConnectionError("the server sent another part of the file than requested")
    return start, None if found[2] == "*" else int(found[2])


def version_of(answer: HTTPResponse) -> str:
    """What the server calls this version: a strong ETag, or the time of the last change; otherwise empty."""
    tag: str = answer.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return tag
    return str(answer.headers.get("Last-Modified", ""))


def _permission(url: str) -> str | None:
    """What the header Authorization says: user and password of the address, or the token of the hub."""
    parts = urlsplit(url)
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return "Basic " + base64.b64encode(login.encode()).decode()
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    is_hub = (parts.scheme, parts.netloc) == urlsplit(hub_address())[:2]
    return f"Bearer {token}" if token and is_hub else None


def _refusal(url: str, status: int, headers: Message) -> AnswerError:
    """The error for a status, with what to do about it."""
    if status in LOGIN:
        cure = f"log in or accept its terms in a browser; {TOKEN_VARIABLE} holds the token of the hub"
    elif status in (404, 410):
        cure = "it is not there, perhaps it was moved; see the home of the dataset, or name another --from"
    elif status in PASSING:
        cure = "the server is busy or out of order; run the same command again later"
    else:
        cure = "see the home of the dataset, or name another --from"
    said = headers.get("Retry-After", "")
    wait = min(float(said), LONGEST_WAIT) if said.isdecimal() else 0.0
    return AnswerError(f"{without_secrets(url)}: the server answers {status}; {cure}", status, wait)


class _Redirect(HTTPRedirectHandler):
    """Follows a server to another place of the web; not from https to http, where anybody could change the
    bytes.
    """

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        allowed = ("https",) if req.type == "https" else ("http", "https")
        if urlsplit(newurl).scheme not in allowed:
            raise AnswerError(
                f"{without_secrets(req.full_url)}: the server redirects to {without_secrets(newurl)}, "
                f"expected an address of {' or '.join(allowed)}; name another --from",
                code,
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _opener() -> OpenerDirector:
    """Without the handlers of file: and ftp:, to which a server could send us on."""
    opener = OpenerDirector()
    kinds = (
        ProxyHandler,
        HTTPHandler,
        HTTPSHandler,
        HTTPDefaultErrorHandler,
        HTTPErrorProcessor,
        _Redirect,
    )
    for kind in kinds:
        opener.add_handler(kind())
    return opener
