"""The world outside the site: a mail server and the partners' webhook receivers, in one process.

`python -m torture.outside MAIL_PORT HOOK_PORT FOLDER`. Every event that a receiver takes is a line
of FOLDER/hooks.jsonl: when it came, for whom, its id and its body. The file FOLDER/mode says how
both behave: `well`, `hang` (they accept and do not answer) or `refuse`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

LONGEST_HANG_S = 30.0


class Outside:
    """Both servers, and how they behave at the moment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mutex = threading.Lock()
        self._hooks = (folder / "hooks.jsonl").open("a", encoding="utf-8")
        self.mails = 0

    @property
    def mode(self) -> str:
        try:
            return (self._folder / "mode").read_text().strip()
        except FileNotFoundError:
            return "well"

    def hang(self) -> None:
        until_s = time.monotonic() + LONGEST_HANG_S
        while self.mode == "hang" and time.monotonic() < until_s:
            time.sleep(0.1)

    def take_hook(self, to: str, event_id: str, body: bytes) -> int:
        """Takes an event, or not; returns the status to answer with."""
        self.hang()
        if self.mode == "refuse":
            return 503
        line = {"at_s": time.time(), "to": to, "id": event_id, "body": json.loads(body)}
        with self._mutex:
            self._hooks.write(json.dumps(line) + "\n")
            self._hooks.flush()
        return 204

    async def handle_DATA(self, _server: Any, _session: Any, _envelope: Any) -> str:
        await asyncio.to_thread(self.hang)
        if self.mode == "refuse":
            return "451 Come again later"
        self.mails += 1
        return "250 Taken"


def main(mail_port: int, hook_port: int, folder: Path) -> None:
    outside = Outside(folder)

    class Hooks(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            to = self.path.rpartition("/")[2]
            self.send_response(outside.take_hook(to, self.headers["webhook-id"], body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 50

        def handle_error(self, *_: Any) -> None:
            """A worker that was killed in the middle of a request is no news here."""

    mails = Controller(outside, hostname="127.0.0.1", port=mail_port)
    mails.start()
    Server(("127.0.0.1", hook_port), Hooks).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
