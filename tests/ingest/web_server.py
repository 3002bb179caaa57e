"""A real web server that can be told to misbehave, and what it was asked."""

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

import numpy as np


def content(length: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(length)


@dataclass
class Shelf:
    """The files of the server by path, and how it treats those who ask."""

    files: dict[str, bytes] = field(default_factory=dict)
    # Bytes after which each answer breaks off, None for never.
    breaks_after: int | None = None
    # Files that never come, although others do.
    broken: set[str] = field(default_factory=set)
    gives_ranges: bool = True
    gives_tags: bool = True
    # Path to what is answered instead: a status, headers, a body.
    instead: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    # Files that change as soon as they were asked for once.
    next_content: dict[str, bytes] = field(default_factory=dict)
    # Header Authorization without which nothing is given.
    permission: str = ""
    # Seconds before each answer.
    delay: float = 0.0
    sent: int = 0
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    permissions: list[str] = field(default_factory=list)
    url: str = ""

    def hub_rows(self, folder: str) -> list[dict[str, object]]:
        """Files below a folder as the hub lists them: the large ones by SHA-256."""
        rows: list[dict[str, object]] = [{"type": "directory", "path": "data", "oid": "0", "size": 0}]
        for path, data in self.files.items():
            git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            row: dict[str, object] = {"type": "file", "path": path, "size": len(data), "oid": git}
            if len(data) > 1000:
                large = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 132}
                row |= {"lfs": large, "size": len(data)}
            if path.startswith(folder):
                rows.append(row)
        return rows


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shelf: Shelf

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        shelf, parts = self.shelf, urlsplit(self.path)
        path = unquote(parts.path).lstrip("/")
        time.sleep(shelf.delay)
        shelf.asked.append((self.command, path, self.headers.get("Range", "")))
        shelf.permissions.append(self.headers.get("Authorization", ""))
        if path in shelf.instead:
            self.say(*shelf.instead[path])
        elif shelf.permission and self.headers.get("Authorization", "") != shelf.permission:
            self.say(401, {"WWW-Authenticate": "Bearer"}, b"{}")
        elif path.startswith("api/datasets/"):
            self.list_hub(path, parts.query)
        else:
            path = path.partition("/resolve/main/")[2] or path
            if path in shelf.files:
                self.give(path, shelf.files[path])
            else:
                self.list_folder(path)

    def say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.shelf.sent += len(body)
            self.wfile.write(body)

    def give(self, path: str, data: bytes) -> None:
        """A file, or the range of it that is asked for, if it is still the version that was meant."""
        shelf, start, stop, status = self.shelf, 0, len(data), 200
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        headers = {"Content-Type": "application/octet-stream"}
        if shelf.gives_tags:
            headers |= {"ETag": tag, "Last-Modified": formatdate(0, usegmt=True)}
        said = self.headers.get("Range", "")
        if said and shelf.gives_ranges and self.headers.get("If-Range", tag) == tag:
            first, _, last = said.removeprefix("bytes=").partition("-")
            start, stop = int(first), int(last) + 1 if last else len(data)
            if start >= len(data):
                self.say(416, {"Content-Range": f"bytes */{len(data)}"}, b"")
                return
            status = 206
            stop = min(stop, len(data))
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        body = data[start:stop]
        if self.command == "GET" and path in shelf.next_content:
            shelf.files[path] = shelf.next_content.pop(path)
        breaks_after = 0 if path in shelf.broken else shelf.breaks_after
        if breaks_after is not None and self.command == "GET":
            headers["Content-Length"] = str(len(body))
            body = body[:breaks_after]
            self.close_connection = True
        self.say(status, headers, body)

    def list_hub(self, path: str, query: str) -> None:
        """A page for each two files, as the hub pages long lists."""
        folder = path.partition("/tree/main")[2].strip("/")
        rows = self.shelf.hub_rows(folder)
        start = int(query.partition("cursor=")[2] or 0)
        headers = {"Content-Type": "application/json"}
        if start + 2 < len(rows):
            headers["Link"] = f'<{self.shelf.url}/{path}?cursor={start + 2}>; rel="next"'
        self.say(200, headers, json.dumps(rows[start : start + 2]).encode())

    def list_folder(self, path: str) -> None:
        """Links to what is in a folder, as a web server shows it; 404 for what is none."""
        below = f"{path.rstrip('/')}/".lstrip("/")
        names = {
            name.removeprefix(below).partition("/") for name in self.shelf.files if name.startswith(below)
        }
        if not names:
            self.say(404, {}, b"")
            return
        links = "".join(f'<a href="{name}{slash}">{name}</a>' for name, slash, _ in sorted(names))
        page = f'<!DOCTYPE html><a href="?C=N">Name</a><a href="/">up</a>{links}'
        self.say(200, {"Content-Type": "text/html"}, page.encode())

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def web_server() -> Iterator[Shelf]:
    """A server, and its files; `shelf.url` is its address."""
    shelf = Shelf()
    handler = type("Bound", (Handler,), {"shelf": shelf})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        shelf.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield shelf
        finally:
            server.shutdown()
            thread.join()
