"""Sends requests over http(s). If the answer is not what was requested, the error says what to do.

The password in an address is sent only to the server of that address, and the token of the hub only to the
hub: no other server gets them after a redirect, and no message shows them.
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

# A connection that brings nothing for so many seconds counts as broken; a whole file may take longer.
SILENCE = 60.0
# The address of the Hugging Face hub; the variables in which its users set a mirror of it, and their token.
HUB = "https://huggingface.co"
HUB_VARIABLE, TOKEN_VARIABLE = "HF_ENDPOINT", "HF_TOKEN"
# The status codes of too many requests, and of a server or proxy that is overloaded or restarts.
PASSING = (408, 425, 429, 500, 502, 503, 504)
LOGIN = (401, 403, 407)
LONGEST_WAIT = 300.0
# A page is a login if it has a field for a password, or came after a redirect to an address with such a word.
PASSWORD_FIELD = re.compile(rb"<input\b[^>]*\btype\s*=\s*[\"']?password\b", re.IGNORECASE)
LOGIN_ADDRESS = re.compile(
    r"((log|sign)[-_]?in|(?<![a-z])(o?auth2?|authori[sz]e|authenticate|saml2?|sso))(?![a-z])", re.IGNORECASE
)
PAGE_START = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)


class AnswerError(SourceError):
    """A server gave another answer than the one that was requested.

    `passing` says whether another attempt may help. `wait` is the number of seconds to wait before it, if the
    server states one; otherwise 0.
    """

    def __init__(self, message: str, status: int, wait: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.passing = status in PASSING
        self.wait = wait


def hub_address() -> str:
    """The address of the Hugging Face hub, or of the mirror in HF_ENDPOINT."""
    return os.environ.get(HUB_VARIABLE, HUB).rstrip("/")


def ask(url: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> HTTPResponse:
    """Sends a request and returns the answer. Its body is not read yet; the caller closes it.

    Raises AnswerError if the server refuses, OSError if the network fails.
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


def require_no_page(url: str, answer: HTTPResponse, start: bytes = b"", expected: str = "the file") -> None:
    """Raises AnswerError if the server sent a web page, such as a login, instead of what is `expected`.

    `start` holds the first bytes of the body, if they are read already.
    """
    is_page = answer.headers.get_content_type() == "text/html" and "Content-Type" in answer.headers
    if is_page or PAGE_START.match(start):
        raise AnswerError(
            f"{without_secrets(url)}: the server sent a web page instead of {expected}, perhaps a login or a "
            "notice; open the address in a browser to see what it wants",
            answer.status,
        )


def require_no_login(url: str, answer: HTTPResponse, page: bytes) -> None:
    """Raises AnswerError if the server sent a login instead of the page that lists a folder."""
    asked, given = (f"{parts.hostname}{parts.path}" for parts in map(urlsplit, (url, answer.geturl())))
    redirected = LOGIN_ADDRESS.search(given) and not LOGIN_ADDRESS.search(asked)
    if redirected or PASSWORD_FIELD.search(page):
        raise AnswerError(
            f"{without_secrets(url)}: the server sent a login instead of the list of the folder; "
            f"{_login(url)}",
            answer.status,
        )


def range_of(answer: HTTPResponse, start: int) -> tuple[int, int | None]:
    """The position in the file at which the body begins, and the length of the file (None if not stated).

    The position is 0 if the server sent the whole file. Raises ConnectionError if it sent a range that does
    not begin at `start`.
    """
    if answer.status != 206:
        said = answer.headers.get("Content-Length", "")
        return 0, int(said) if said.isdecimal() else None
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if not found or int(found[1]) != start:
        raise ConnectionError("the server sent another part of the file than requested")
    return start, None if found[2] == "*" else int(found[2])


def version_of(answer: HTTPResponse) -> str:
    """The server's name for this version of the file: a strong ETag, or the time of the last change.

    Empty if the server states neither.
    """
    tag: str = answer.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return tag
    return str(answer.headers.get("Last-Modified", ""))


def _permission(url: str) -> str | None:
    """The value of the header Authorization: user and password of the address, or the token of the hub."""
    parts = urlsplit(url)
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return "Basic " + base64.b64encode(login.encode()).decode()
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    return f"Bearer {token}" if token and _is_hub(url) else None


def _is_hub(url: str) -> bool:
    return urlsplit(url)[:2] == urlsplit(hub_address())[:2]


def _login(url: str) -> str:
    """How to log in at a server."""
    if _is_hub(url):
        return f"log in, or accept its terms, in a browser; put your token of the hub into {TOKEN_VARIABLE}"
    return (
        "fetch takes user and password in the address, --from https://USER:PASSWORD@HOST/FOLDER; if it wants "
        "another login, get the files with a browser, or name another --from"
    )


def _refusal(url: str, status: int, headers: Message) -> AnswerError:
    """The error for a status code, with what to do."""
    if status in LOGIN:
        cure = _login(url)
    elif status in (404, 410):
        cure = "there is no such file; see the home page of the dataset, or name another --from"
    elif status in PASSING:
        cure = "the server is busy or fails for now; run the same command again later"
    else:
        cure = "see the home page of the dataset, or name another --from"
    said = headers.get("Retry-After", "")
    wait = min(float(said), LONGEST_WAIT) if said.isdecimal() else 0.0
    return AnswerError(f"{without_secrets(url)}: the server answers {status}; {cure}", status, wait)


class _Redirect(HTTPRedirectHandler):
    """Follows redirects to http and https; not from https to http, where others could change the bytes."""

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
    """An opener without the handlers of file: and ftp:, so that a redirect cannot lead there."""
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
