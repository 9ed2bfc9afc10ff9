"""A web server on the loopback interface, and on it the part of a hub of data sets that reading
needs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_API = re.compile(r"/api/datasets/our/texts(?:/(revision|tree|paths-info)/[^/?]+(?:/([^?]*))?)?")
_FILE = re.compile(r"/datasets/our/texts/resolve/[^/]+/(.+)")


class _Hub(BaseHTTPRequestHandler):
    folder: ClassVar[Path]
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        paths = json.loads(body)["paths"]
        self._json([self._entry(p) for p in paths if (self.folder / p).exists()])

    def _answer(self) -> None:
        path = self.path.split("?")[0]
        api, file = _API.fullmatch(path), _FILE.fullmatch(path)
        if path.startswith("/closed/"):
            self._send(403, b"not for you")
        elif api and api[1] == "tree":
            inside = sorted((self.folder / (api[2] or "")).iterdir())
            self._json([self._entry(str(p.relative_to(self.folder))) for p in inside])
        elif api:
            self._json({"id": "our/texts", "sha": COMMIT, "siblings": []})
        else:
            place = self.folder / (file[1] if file else path.lstrip("/"))
            self._file(place)

    def _entry(self, path: str) -> dict[str, object]:
        place = self.folder / path
        kind = "directory" if place.is_dir() else "file"
        return {"type": kind, "path": path, "oid": "1", "size": place.stat().st_size}

    def _file(self, place: Path) -> None:
        if not place.is_file():
            return self._send(404, b"nothing here")
        data, ranged = place.read_bytes(), self.headers.get("Range")
        if not ranged:
            return self._send(200, data)
        first, last = ranged.removeprefix("bytes=").split("-")
        part = data[int(first) : int(last or len(data)) + 1]
        told = f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"
        self._send(206, part, {"Content-Range": told})

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, data: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        named = {"Content-Length": str(len(data)), "Accept-Ranges": "bytes", "ETag": '"1"'}
        for key, value in {**named, "X-Repo-Commit": COMMIT, **(more or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Yields the address of a server of the files in `folder`, which are the data set `our/texts`
    of its hub too. What is below /closed is forbidden."""
    handler = type("Handler", (_Hub,), {"folder": folder})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
