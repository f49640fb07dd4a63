"""A website of a hotel's own, on another site than ours: `localhost` instead of `127.0.0.1`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Website:
    """Pages by their paths; `url` is where the first one is. Browsers ask for nothing else."""

    def __init__(self, host: str) -> None:
        self.pages: dict[str, str] = {}
        # What each page sets, and the header that came for it, in order.
        self.sets: tuple[str, ...] = ()
        self.cookies: dict[str, list[str]] = {}
        website = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                page = website.pages.get(path)
                body = (page or "").encode()
                website.cookies.setdefault(path, []).append(self.headers.get("Cookie", ""))
                self.send_response(200 if page is not None else 404)
                for cookie in website.sets if page is not None else ():
                    self.send_header("Set-Cookie", cookie)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://{host}:{self._server.server_port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def put(self, body: str, path: str = "/") -> None:
        """Has a page of this HTML."""
        self.pages[path] = (
            '<!doctype html><html lang="en"><head><title>Hotel</title>'
            '<link rel="icon" href="data:,"></head>'
            f"<body>{body}</body></html>"
        )


@contextmanager
def website(host: str = "localhost") -> Iterator[Website]:
    """A running website of another site."""
    made = Website(host)
    made.start()
    try:
        yield made
    finally:
        made.stop()
